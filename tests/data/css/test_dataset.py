"""The built-in CSS data set: made once, whole or absent, the same whatever interrupts it."""

import hashlib
import json
import resource
from dataclasses import replace

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.data import prepared
from cmir_repro.data.css import dataset as css
from cmir_repro.data.css import render_3d, world
from cmir_repro.data.css.render_2d import render_2d
from cmir_repro.data.css.scenes import EMPTY
from cmir_repro.data.prepare import pixels
from cmir_repro.data.prepare.checks import tables_hash

TINY = css.Scale(bases=(30, 20), edits=(12, 8), width=36, height=24)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A small "mini" in `tmp_path`, drawn eight images at a time."""
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    monkeypatch.setitem(css.SCALES, "mini", TINY)
    monkeypatch.setattr(pixels, "CHUNK", 8)
    return tmp_path / "css" / "mini"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Digest of every file of the same data set made in one go."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("unbroken")
        patch.setenv("CMIR_DATA", str(folder))
        patch.setitem(css.SCALES, "mini", TINY)
        return digests(css.prepare("mini", progress=False).folder)


def digests(folder) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if not path.name.startswith(".")
    }


def test_a_prepared_data_set_is_the_world_it_was_made_of(tiny):
    data = css.prepare("mini", progress=False)
    assert data.folder == tiny == css.folder("mini")
    assert data.info["name"] == "css"
    assert data.info["provenance"]["kind"] == "rendered"
    assert data.info["provenance"]["generator_version"] == world.VERSION
    assert data.info["tables_sha256"] == tables_hash(data.images, data.queries)
    for number, part in enumerate(("train", "test")):
        made = world.generate(TINY.bases[number], TINY.edits[number], part, css.WORLD_SEED)
        images = data.images[data.images["part"] == part]
        assert images["row"].tolist() == list(range(len(made.scenes)))
        assert images["label"].tolist() == world.labels(made.scenes)
        np.testing.assert_array_equal(data.pixels("2d", part), render_2d(made.scenes))
        assert data.pixels("3d", part).shape == (len(made.scenes), 24, 36, 3)
        queries = data.queries[data.queries["query"].str.startswith(f"css_{part}_")]
        assert queries["text"].tolist() == made.queries["text"].tolist()
        row = data.images.set_index("image")["row"]
        for column in ("source", "target"):
            assert row[queries[column]].tolist() == made.queries[column].tolist()


def test_the_3d_view_shows_the_scene_of_its_row(tiny):
    data = css.prepare("mini", progress=False)
    scenes = world.generate(30, 12, "train", css.WORLD_SEED).scenes
    pictures = data.pixels("3d", "train").astype(int)
    # Colourful pixels are objects: floor and gray things have nearly equal channels.
    colourful = (np.ptp(pictures, axis=-1) > 60).mean((1, 2))
    objects = ((scenes[..., 0] != EMPTY) & (scenes[..., 0] != 0)).sum(1)
    assert np.corrcoef(colourful, objects)[0, 1] > 0.6


def test_validation_pictures_are_not_seen_in_training(tiny):
    data = css.prepare("mini", progress=False)
    assert {split: n["queries"] for split, n in data.info["counts"].items()}["val"] > 0
    used = {
        split: set(rows["source"]) | set(rows["target"])
        for split, rows in data.queries.groupby("split")
    }
    assert not used["val"] & used["train"]
    assert data.retrieval("test").target.size == TINY.edits[1] * world.PAIRS_PER_EDIT


def test_a_second_call_opens_what_is_there(tiny, monkeypatch):
    first = css.prepare("mini", progress=False)
    monkeypatch.setattr(world, "generate", None)
    assert css.prepare("mini", progress=False).manifest_hash == first.manifest_hash


def pixel_times(folder) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("pixels-*.npy")}


def test_what_is_said_about_scenes_is_added_to_a_folder_of_earlier_code(tiny):
    whole = css.prepare("mini", progress=False)
    for path in [*tiny.glob("sentences.*"), *tiny.glob("ready-*")]:
        path.unlink()
    info = {key: whole.info[key] for key in (*prepared.INFO_KEYS, "scale", "tables_sha256")}
    prepared.write(tiny, info, whole.images, whole.queries)
    before = pixel_times(tiny)
    assert css.prepare("mini", progress=False).info == whole.info
    assert pixel_times(tiny) == before


def test_an_unknown_scale_is_refused(tiny):
    with pytest.raises(InputError, match="allowed: mini, full, paper"):
        css.prepare("huge")


def test_paper_has_counts_and_picture_size_of_the_release_and_full_the_counts_in_small():
    paper = css.SCALES["paper"]
    assert paper == css.Scale(bases=(1000, 1000), edits=(6004, 6019), width=180, height=120)
    mini = css.SCALES["mini"]
    assert css.SCALES["full"] == replace(paper, width=mini.width, height=mini.height)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("view", ["render_2d", "render_3d"])
def test_interrupted_rendering_goes_on_to_the_same_bytes(tiny, unbroken, monkeypatch, view, kind):
    module = css if view == "render_2d" else render_3d
    render = getattr(module, view)
    calls = []

    def stops(scenes, *args, **options):
        calls.append(len(scenes))
        if len(calls) == 4:
            raise kind("power cut")
        return render(scenes, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, view, stops)
        with pytest.raises(kind):
            css.prepare("mini", progress=False)
    assert not (tiny / "dataset.json").exists()
    (left,) = tiny.glob(".pixels-*.part")
    left.write_bytes(left.read_bytes()[:-5])  # the last image is half written
    assert digests(css.prepare("mini", progress=False).folder) == unbroken
    assert not list(tiny.glob(".*.part"))


def test_a_full_disk_is_one_line_and_what_was_drawn_is_kept(tiny, unbroken):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # no file may grow further
    try:
        with pytest.raises(InputError, match=r"cannot write .*pixels-2d-train\.npy") as caught:
            css.prepare("mini", progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tiny.iterdir() if not path.name.startswith(".")] == []
    assert digests(css.prepare("mini", progress=False).folder) == unbroken


def test_a_folder_that_cannot_be_made_is_one_line(tiny, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot write .* CMIR_DATA") as caught:
        css.prepare("mini", progress=False)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_cannot_be_written_leaves_none(tiny, monkeypatch):
    def full(path, value):
        raise InputError(f"cannot write {path}: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(prepared, "write_json", full)
        with pytest.raises(InputError, match="No space left"):
            css.prepare("mini", progress=False)
    assert not (tiny / "dataset.json").exists()
    assert json.loads((css.prepare("mini", progress=False).folder / "dataset.json").read_text())
