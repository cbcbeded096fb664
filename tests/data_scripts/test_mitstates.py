"""The released MIT-States layout, made small here, through the script that reads it."""

import zipfile

import command_line
import numpy as np
import pytest
from PIL import Image

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data import training_pairs
from cmir_repro.data.prepare import pictures, pixels
from cmir_repro.data.prepared import Prepared
from data_scripts import mitstates as script

# Adjectives of each noun; armor and wool are among the 49 of test.
NOUNS = {
    "armor": ("ancient", "old", "rusty"),
    "wool": ("old", "wet"),
    "apple": ("old", "ripe", "sliced"),
    "bear": ("old", "wet"),
    "door": ("ancient", "rusty"),
    "cat": ("wet", "young"),
}
CAPTIONS = [(adjective, noun) for noun, adjectives in NOUNS.items() for adjective in adjectives]


def names(adjective: str, noun: str) -> list[str]:
    """Files of a caption: 2 or 3, so that counts differ."""
    count = 2 + (len(adjective) + len(noun)) % 2
    return [f"{adjective}_{noun}_{i}.jpg" for i in range(count)]


def colour(adjective: str, noun: str) -> tuple[int, int, int]:
    return (10 * CAPTIONS.index((adjective, noun)), 40 * list(NOUNS).index(noun), 90)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(script, "TEST_NOUNS", ("armor", "wool"))
    root = tmp_path / "raw"
    for caption in CAPTIONS:
        folder = root / "images" / " ".join(caption)
        folder.mkdir(parents=True)
        for name in names(*caption):
            Image.new("RGB", (30, 20), colour(*caption)).save(folder / name)
    for name in ("adj apple", "plain"):
        (root / "images" / name).mkdir()
        Image.new("RGB", (30, 20)).save(root / "images" / name / "x.jpg")
    return root


def prepare(root, **options) -> Prepared:
    return script.prepare(root=root, **{"size": 16, **options})


def refused(root, message: str, **options) -> None:
    with pytest.raises(InputError, match=message) as caught:
        prepare(root, **options)
    assert "\n" not in str(caught.value)
    assert not list(paths.data().glob("*/dataset.json"))


def expected_queries(nouns) -> list[tuple[str, str, str]]:
    """Every image x every other adjective of its noun: source, target, text."""
    return [
        (
            f"{adjective} {noun}/{name}",
            f"{wanted} {noun}/{names(wanted, noun)[0]}",
            wanted,
        )
        for adjective, noun in sorted(CAPTIONS)
        if noun in nouns
        for name in names(adjective, noun)
        for wanted in NOUNS[noun]
        if wanted != adjective
    ]


def test_the_release_comes_into_the_prepared_layout(root):
    data = prepare(root)
    assert data.folder == paths.data() / "mitstates"
    assert data.info["name"] == "mitstates"
    assert preset(data.info["protocol"]).name == "tirg/mitstates"
    assert data.info["text"] == "one attribute"
    assert data.info["recall_also"] == ["adjective", "noun"]
    assert data.info["tasks"] == {"photo": ["photo", "photo"]}
    found = data.images.set_index("image")
    assert len(found) == sum(len(names(*caption)) for caption in CAPTIONS)
    for adjective, noun in CAPTIONS:
        for name in names(adjective, noun):
            image = found.loc[f"{adjective} {noun}/{name}"]
            assert image[["adjective", "noun"]].tolist() == [adjective, noun]
            assert image["label"] == f"{adjective} {noun}"
            assert image["part"] == ("test" if noun in ("armor", "wool") else "train")
            assert (image["split"] == "test") == (image["part"] == "test")
            shown = data.pixels("photo", image["part"])[image["row"]]
            assert shown.shape == (16, 16, 3)
            assert np.abs(shown.astype(int) - colour(adjective, noun)).max() <= 4  # JPEG


def test_every_test_image_asks_for_every_other_adjective_of_its_noun(root):
    data = prepare(root)
    test = data.queries[data.queries["split"] == "test"]
    assert list(
        test[["source", "target", "text"]].itertuples(index=False, name=None)
    ) == expected_queries({"armor", "wool"})
    # Relevant is each image of the wanted caption, and never the source.
    part = data.retrieval("test")
    labels = part.gallery_labels
    for query, text in enumerate(part.texts):
        noun = labels[part.source[query]].split()[1]
        assert part.query_labels[query] == f"{text} {noun}" != labels[part.source[query]]


def test_whole_nouns_are_held_out_with_all_their_queries(root):
    data = prepare(root)
    train, val = (data.images[data.images["split"] == split] for split in ("train", "val"))
    assert val["noun"].nunique() == 1  # a tenth of 4
    assert train["noun"].nunique() == 3
    assert not set(train["noun"]) & set(val["noun"])
    queries = data.queries[data.queries["split"] == "val"]
    rows = list(queries[["source", "target", "text"]].itertuples(index=False, name=None))
    assert rows == expected_queries(set(val["noun"]))
    assert "train" not in set(data.queries["split"])
    assert "validation queries over the cap of 5000: 0" in data.info["left_out"]


def test_validation_queries_over_the_cap_are_drawn_by_the_seed_and_counted(root, monkeypatch):
    every = prepare(root).queries
    monkeypatch.setattr(script, "VAL_QUERIES", 3)
    (paths.data() / "mitstates" / "dataset.json").unlink()
    data = prepare(root)
    kept = data.queries[data.queries["split"] == "val"]
    assert len(kept) == 3
    assert set(kept["query"]) < set(every["query"])
    cap = (every["split"] == "val").sum() - 3
    assert f"validation queries over the cap of 3: {cap}" in data.info["left_out"]
    assert (data.queries["split"] == "test").sum() == (every["split"] == "test").sum()


def test_training_pairs_are_drawn_by_the_rule_of_the_manifest(root):
    data = prepare(root)
    train = data.images[data.images["split"] == "train"].reset_index(drop=True)
    drawn = training_pairs.build(data.info["training_pairs"], train).draw(
        40, np.random.default_rng(0)
    )
    for source, target, text in zip(*drawn, strict=True):
        assert train["noun"][source] == train["noun"][target]
        assert train["adjective"][target] == text


def test_the_audit_counts_and_says_how_well_each_number_is_known(root):
    audit = {row["fact"]: row for row in prepare(root).info["audit"]}
    counts = {fact: row["found"] for fact, row in audit.items()}
    images = {caption: len(names(*caption)) for caption in CAPTIONS}
    assert counts["images"] == sum(images.values())
    assert counts["nouns"] == 6
    assert counts["adjectives"] == 7
    assert counts["captions"] == 14
    assert counts["adjectives of a noun, mean"] == round(14 / 6, 2)
    in_test = sum(n for (_, noun), n in images.items() if noun in ("armor", "wool"))
    assert counts["test images"] == in_test == counts["images"] - counts["train images"]
    assert counts["test queries"] == len(expected_queries({"armor", "wool"}))
    assert counts["nouns in train and validation"] == 0
    assert audit["test queries"]["said"] == "82,732"
    assert audit["test queries"]["known"] == "remembered, no source"
    assert audit["nouns"]["known"].startswith("secondary")
    assert audit["captions"]["said"] == "unknown"


def test_what_is_not_read_is_counted(root):
    (root / "images" / ".DS_Store").write_bytes(b"")
    (root / "images" / "old bear" / "notes.txt").write_text("?")
    left_out = prepare(root).info["left_out"]
    assert "folders without a space, not read: 1, first 'plain'" in left_out
    assert any(line.startswith("folders of the adjective 'adj'") for line in left_out)
    assert any(line.endswith("not read: 1, first 'adj apple'") for line in left_out)
    assert "files that are no picture, not read: 2, first '.DS_Store'" in left_out


def test_the_49_test_nouns_are_those_of_the_reference():
    assert len(set(script.TEST_NOUNS)) == 49
    assert list(script.TEST_NOUNS) == sorted(script.TEST_NOUNS)
    assert (script.TEST_NOUNS[0], script.TEST_NOUNS[-1]) == ("armor", "wool")


def remove(root, caption: str) -> None:
    for file in (root / "images" / caption).iterdir():
        file.unlink()
    (root / "images" / caption).rmdir()


def test_missing_folders_are_refused_and_change_the_protocol(root):
    remove(root, "old wool")
    refused(root, "nouns with one adjective, .*: 1, first 'wool'; get the files again, or give")
    remove(root, "wet wool")
    refused(root, "test nouns of 2 that are not there: 1, first 'wool'; .*--partial")
    data = prepare(root, partial=True)
    assert data.info["name"] == data.folder.name == "mitstates"
    protocol = preset(data.info["protocol"])
    assert protocol.gallery == "all images of the split, some folders missing"
    assert protocol.name == data.info["protocol"] != "tirg/mitstates"
    assert "test nouns of 2 that are not there: 1, first 'wool'" in data.info["left_out"]


def test_too_little_to_ask_anything_is_refused(root):
    for adjective, noun in CAPTIONS:
        if noun in ("bear", "door", "cat"):
            remove(root, f"{adjective} {noun}")
    refused(root, "needs a test noun and two train nouns", partial=True)
    for adjective in NOUNS["apple"]:
        remove(root, f"{adjective} apple")
    refused(root, "needs a test noun and two train nouns", partial=True)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="images does not exist"):
        prepare(tmp_path)
    (tmp_path / "images" / "old bear").mkdir(parents=True)
    with pytest.raises(InputError, match="has no folder 'adjective noun' with pictures"):
        prepare(tmp_path)


@pytest.mark.parametrize("name", ["very old bear", "old  bear", " bear", "old "])
def test_a_folder_name_of_other_than_two_words_is_refused(root, name):
    (root / "images" / name).mkdir()
    refused(root, "expected two words with a space between")


def test_a_link_out_of_the_root_is_refused(root, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    Image.new("RGB", (20, 30)).save(secret / "x.jpg")
    link = root / "images" / "old bear" / "link.jpg"
    link.symlink_to(secret / "x.jpg")
    refused(root, r"link\.jpg leads out of")
    link.unlink()
    (root / "images" / "new bear").symlink_to(secret)
    refused(root, "new bear leads out of")


def test_a_name_that_is_not_utf8_is_refused(root):
    (root / "images" / "old bear" / "\udcff.jpg").write_bytes(b"")
    refused(root, r"the name '\\udcff\.jpg' is not UTF-8")


def test_a_second_run_opens_what_is_there_if_it_is_the_same(root, monkeypatch, tmp_path):
    first = prepare(root)
    assert prepare(root).manifest_hash == first.manifest_hash
    with pytest.raises(InputError, match="size 16, now asked for 32; delete its"):
        prepare(root, size=32)
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "elsewhere"))
    for file in root.rglob("*.jpg"):
        file.touch()  # another copy of the same files
    again = prepare(root)
    for file in first.folder.glob("[!.]*"):
        assert file.read_bytes() == (again.folder / file.name).read_bytes(), file.name
    remove(root, "sliced apple")
    with pytest.raises(InputError, match="was prepared with other files"):
        prepare(root)


def test_an_interrupted_run_goes_on(root, monkeypatch):
    monkeypatch.setattr(pixels, "CHUNK", 4)
    # The last of train: pictures are in the order of their folders' names.
    path = root / "images" / "young cat" / names("young", "cat")[-1]
    read, squares = [], pictures.squares

    def broken_off(files, *rest):
        if path in files:
            raise KeyboardInterrupt
        return squares(files, *rest)

    monkeypatch.setattr(pictures, "squares", broken_off)
    with pytest.raises(KeyboardInterrupt):
        prepare(root)
    monkeypatch.setattr(pictures, "squares", lambda f, *rest: read.extend(f) or squares(f, *rest))
    image = prepare(root).images.set_index("image").loc[f"young cat/{path.name}"]
    assert image["part"] == "train"
    before = [file for file in read if file.parent.name.split()[1] not in script.TEST_NOUNS]
    assert 0 < len(before) <= 4  # of train the last chunk only


def test_damaged_pictures_are_counted_per_part_and_left_out_if_asked(root, capsys):
    for folder, name in (
        ("old apple", names("old", "apple")[0]),
        ("wet wool", names("wet", "wool")[0]),
    ):
        (root / "images" / folder / name).write_bytes(b"")
    message = (
        r"1 of the \d+ images of train; 1 of the \d+ images of test, from which 1 of its \d+ "
        r"queries start\. Replace what is damaged, or leave them out with --allow-missing"
    )
    refused(root, message)
    data = prepare(root, allow_missing=True)
    assert "2 pictures missing" in data.info["protocol"]
    assert any(
        line.startswith("images that are damaged, left out: 2") for line in data.info["left_out"]
    )
    for file in root.glob("images/* armor/*.jpg"):
        file.write_bytes(b"")
    for file in root.glob("images/* wool/*.jpg"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match="no picture of test is left"):
        prepare(root, allow_missing=True)


def test_what_systems_leave_beside_files_is_no_picture(root, tmp_path):
    """Sidecars have the endings and two-word names of pictures and folders."""
    for file in root.glob("images/*/*.jpg"):
        (file.parent / f"._{file.name}").write_bytes(b"Mac OS X")
    (root / "images" / "._old bear").write_bytes(b"Mac OS X")
    (root / "images" / ".old bear").mkdir()
    beside = root / "__MACOSX" / "images" / "old bear"
    beside.mkdir(parents=True)
    root = root.rename(tmp_path / "zz")
    (tmp_path / "outer").mkdir()
    (root / "__MACOSX").rename(tmp_path / "outer" / "__MACOSX")
    root.rename(tmp_path / "outer" / "zz")
    data = prepare(tmp_path / "outer")
    assert not data.images["image"].str.contains(r"\._").any()
    assert len(data.images) == sum(len(names(*caption)) for caption in CAPTIONS)


def test_an_accent_is_one_name_however_the_disk_writes_it(root):
    folder = root / "images" / "old bear"
    folder.rename(root / "images" / "ros\u0065\u0301 bear")
    data = prepare(root)
    assert "ros\u00e9 bear" in set(data.images["label"])


def test_an_impossible_size_is_refused(root):
    with pytest.raises(InputError, match="--size 4 is out of range"):
        prepare(root, size=4)


def test_an_archive_is_unpacked_and_read(root, tmp_path, capsys):
    archive = tmp_path / "release_dataset.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for child in sorted(root.rglob("*")):
            file.write(child, f"release_dataset/{child.relative_to(root)}")
    command_line.run(script.prepare, "--archive", str(archive), "--size", "16")
    out = capsys.readouterr().out
    assert "mitstates (released) in mitstates," in out
    assert "remembered, no source" in out
    assert "folders without a space, not read: 1" in out
    info = Prepared(paths.data() / "mitstates").info
    assert str(tmp_path) not in str(info)


def test_the_command_line_refuses_in_one_line(tmp_path):
    command_line.refused(script.prepare, "images does not exist", "--root", tmp_path)
    command_line.refused(script.prepare, "give --root")
