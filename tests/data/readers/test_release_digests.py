"""Files of a release that were changed, however little, do not pass under its name."""

import hashlib
import json
import re
import shutil

import pytest
import tiny_releases
from tiny_captions import multi30k

from cmir_repro.core import paths
from cmir_repro.core.protocol import preset
from cmir_repro.data.readers import fashioniq_cirr, release_digests
from cmir_repro.data.readers.release_digests import DIGESTS, OTHER, differing
from cmir_repro.evaluation import triplet_files
from data_scripts import captions, cirr, fashioniq, wikipedia

KNOWN = dict(DIGESTS)  # before the fixture that hides them


def digests(folder, files):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}


@pytest.fixture
def known(monkeypatch):
    def know(release, folder, files):
        monkeypatch.setattr(release_digests, "DIGESTS", {release: digests(folder, files)})

    return know


def test_real_files_are_as_published(real_data):
    for name, read in (("fashioniq", fashioniq_cirr.fashioniq), ("cirr", fashioniq_cirr.cirr)):
        files = read(real_data(name)).files
        title = triplet_files.TITLES[name]
        assert files == {key: KNOWN[title][key] for key in files}


def test_one_changed_caption_is_told_though_all_counts_agree(
    monkeypatch, tmp_path, real_data, capsys
):
    monkeypatch.setattr(release_digests, "DIGESTS", KNOWN)
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    root = shutil.copytree(real_data("fashioniq"), tmp_path / "fashioniq")
    whole = fashioniq.prepare(root=root, annotations_only=True)
    assert whole.info["protocol"] == "fashioniq/original"
    assert "differs" not in whole.info

    file = "captions/cap.dress.val.json"
    tiny_releases.change(root / file, lambda found: found[0]["captions"].reverse())
    other = fashioniq.prepare(root=root, annotations_only=True, name="other")
    assert other.info["differs"] == [f"FashionIQ: {file}"]
    assert OTHER in preset(other.info["protocol"]).gallery
    assert f"not as published, and so in the protocol's name: FashionIQ: {file}" in (
        capsys.readouterr().out
    )


def test_every_script_with_known_digests_asks_them(monkeypatch, tmp_path, known):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    root = tiny_releases.cirr(tmp_path / "cirr")
    file = "captions/cap.rc2.val.json"
    known("CIRR", root, [file])
    data = cirr.prepare(root=root, annotations_only=True, partial=True, name="a")
    assert "differs" not in data.info
    tiny_releases.change(root / file, lambda found: found[0].update(caption="turn it round"))
    data = cirr.prepare(root=root, annotations_only=True, partial=True, name="b")
    assert data.info["differs"] == [f"CIRR: {file}"]

    root = multi30k(tmp_path / "multi30k")
    known("Multi30K", root, ["image_splits/val_images.txt", "val.1.en.gz"])
    data = captions.prepare(multi30k=root, text_only=True, partial=True, name="c")
    assert "differs" not in data.info
    release_digests.DIGESTS["Multi30K"]["val.1.en.gz"] = "0" * 64
    data = captions.prepare(multi30k=root, text_only=True, partial=True, name="d")
    assert data.info["differs"] == ["Multi30K: val.1.en.gz"]


def test_a_changed_wikipedia_list_is_told(monkeypatch, tmp_path, real_data):
    monkeypatch.setattr(release_digests, "DIGESTS", KNOWN)
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    root = shutil.copytree(real_data("wikipedia"), tmp_path / "wikipedia")
    assert wikipedia.prepare(root=root).info["protocol"] == "map-all"
    lines = (root / "categories.list").read_text().splitlines()
    (root / "categories.list").write_text("\n".join([*lines[:-1], "fighting"]) + "\n")
    data = wikipedia.prepare(root=root, name="other")
    assert data.info["differs"] == ["Wikipedia: categories.list"]
    assert OTHER in data.info["protocol"]
    again = wikipedia.prepare(root=root, name="other")  # opened, not refused
    assert again.info == data.info


def test_what_is_missing_and_what_differs_are_both_in_the_name():
    from cmir_repro.core.protocol import incomplete

    name = incomplete(incomplete("cirr/val-all", "3 pictures missing"), OTHER)
    assert preset(name).name == name
    assert preset(name).gallery.endswith(f"3 pictures missing, {OTHER}")


def test_files_without_a_known_digest_are_no_difference():
    assert differing("unheard of", {"a": "b"}) == []
    json.dumps(KNOWN)  # plain values
    assert all(len(digest) == 64 for files in KNOWN.values() for digest in files.values())


def test_the_pages_list_the_digests_that_are_known():
    pages = (paths.checkout() / "docs" / "data").glob("*.md")
    told = {d for page in pages for d in re.findall(r"\b[0-9a-f]{64}\b", page.read_text("utf-8"))}
    known = {digest for files in KNOWN.values() for digest in files.values()}
    assert told <= known
