"""The released CSS layout, made small here, through the script that reads it."""

import json
import pickle
import zipfile

import command_line
import numpy as np
import pytest
from PIL import Image

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.data.css import dataset as built_in
from cmir_repro.data.css import world
from cmir_repro.data.css.render_2d import draw_2d
from cmir_repro.data.css.scenes import CELLS, COLORS, SHAPES, SIZES
from cmir_repro.data.prepare import pixels
from cmir_repro.data.prepared import Prepared
from data_scripts import css as script


def thing(cell: str, size: str, color: str, shape: str) -> dict:
    row, column = divmod(CELLS.index(cell), 3)
    pos = [np.float64(row / 3 + 0.11), column / 3 + 0.2]  # free positions, not cell centres
    return {"color": color, "size": size, "shape": shape, "pos": pos, "material": "rubber"}


def mod(text: str, source: list, target: list) -> dict:
    kind = text.split()[0]
    return {"type": kind, "str": text.split(), "to_str": text, "from": source, "to": target}


def release() -> dict:
    """Ten base scenes and two mods a split; images 12 and 13 show the same scene."""
    data = {}
    for number, part in enumerate(("train", "test")):
        base = [
            [thing(CELLS[i % 9], "small", COLORS[(i + number) % 8], SHAPES[i % 3]), {}]
            for i in range(10)
        ]
        for i, scene in enumerate(base):
            scene[1] = thing(CELLS[(i + 4) % 9], "large", "red", "circle")
        added = thing("top-center", "large", "blue", "triangle")
        empty = []
        targets = [[*base[2], added], [*base[4], added], empty, empty, empty]
        data[part] = {
            "objects_img": [*base, *targets],
            "mods": [
                mod("add large blue triangle to top-center", [2, np.int64(4)], [10, 11]),
                mod("remove object", [0, 1, 3], (12, 13, 14)),
            ],
        }
    return data


def picture(part: str, number: int, size=(120, 180)) -> np.ndarray:
    rng = np.random.default_rng([number, part == "test"])
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8)


def write(root, data: object):
    (root / "images").mkdir(parents=True, exist_ok=True)
    np.save(root / script.NPY, data, allow_pickle=True)
    for part in ("train", "test"):
        for number in range(15):
            path = root / "images" / f"css_{part}_{number:06d}.png"
            if not path.exists():
                Image.fromarray(picture(part, number)).save(path, compress_level=1)
    return root


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    return write(tmp_path / "raw", release())


def refused(root, message: str, **options) -> None:
    with pytest.raises(InputError, match=message) as caught:
        script.released(root, **options)
    assert "\n" not in str(caught.value)
    assert not (paths.data() / "css-released" / "dataset.json").exists()


def test_the_release_comes_into_the_prepared_layout(root):
    data = script.released(root)
    assert data.folder == paths.data() / "css-released"
    raw = release()
    for part in ("train", "test"):
        images = data.images[data.images["part"] == part]
        assert images["image"].tolist() == [f"css_{part}_{i:06d}" for i in range(15)]
        assert images["row"].tolist() == list(range(15))
        pixels = data.pixels("3d", part)
        assert pixels.dtype == np.uint8
        assert isinstance(pixels, np.memmap)
        for number in range(15):
            np.testing.assert_array_equal(pixels[number], picture(part, number))
        queries = data.queries[data.queries["query"].str.startswith(f"css_{part}_")]
        expected = [
            (f"css_{part}_{f:06d}", f"css_{part}_{t:06d}", mod["to_str"], edit, mod["type"])
            for edit, mod in enumerate(raw[part]["mods"])
            for f, t in zip(mod["from"], mod["to"], strict=True)
        ]
        columns = ["source", "target", "text", "edit", "form"]
        assert list(queries[columns].itertuples(index=False, name=None)) == expected
    assert data.info["counts"]["test"] == {"images": 15, "queries": 5}
    assert data.info["counts"]["val"]["queries"] == 1


def test_the_2d_view_is_drawn_from_the_free_positions(root):
    data = script.released(root)
    for part, split in release().items():
        for number, objects in enumerate(split["objects_img"]):
            alone = draw_2d(
                np.array([[o["pos"] for o in objects]], dtype=float).reshape(1, -1, 2),
                np.array([[COLORS.index(o["color"]) for o in objects]], dtype=int),
                np.array([[SHAPES.index(o["shape"]) for o in objects]], dtype=int),
                np.array([[SIZES.index(o["size"]) for o in objects]], dtype=int),
            )
            np.testing.assert_array_equal(data.pixels("2d", part)[number], alone[0])
    # One object by hand: small gray rectangle of image 0 at (0.11, 0.2) of 64 pixels.
    drawn = data.pixels("2d", "train")[0]
    gray = np.argwhere((drawn == (87, 87, 87)).all(-1))
    assert gray.min(0).tolist() == [int(0.11 * 64 - 4), int(0.2 * 64 - 4)]
    assert len(gray) == 64


def test_the_manifest_says_where_the_data_come_from(root):
    (root / "images" / "css_train_000099.png").write_bytes(b"")
    info = script.released(root, name="css, ours").info
    assert info["name"] == "css, ours"
    assert info["provenance"]["kind"] == "released"
    assert info["provenance"]["sha256"] == sha256(root / script.NPY)
    assert info["provenance"]["relevance"] == "index"
    assert any("1wPqMw-HKmXUG2qTgYBiTNUnjz83hA2tY" in source for source in info["sources"])
    assert any("image_retrieval_css/CSS.zip" in source for source in info["sources"])
    assert "images that the .npy does not list: 1" in info["left_out"]
    assert str(root) not in json.dumps(info)


def test_without_labels_an_image_is_relevant_to_itself_alone(root):
    data = script.released(root)
    assert data.images.loc[data.images["part"] == "test", "label"].tolist() == [
        str(i) for i in range(15)
    ]


def test_labels_of_the_file_are_used_where_it_has_them(root):
    raw = release()
    for part in raw:
        raw[part]["labels"] = [*range(12), 12, 12, "x"]
    write(root, raw)
    data = script.released(root)
    assert data.info["provenance"]["relevance"] == "file"
    labels = data.images.loc[data.images["part"] == "test", "label"]
    assert labels.tolist() == [*map(str, range(12)), "12", "12", "x"]


def test_relevance_by_scene_gives_equal_labels_to_equal_scenes(root):
    data = script.released(root, relevance="scene")
    assert data.info["provenance"]["relevance"] == "scene"
    labels = data.images.loc[data.images["part"] == "test", "label"].tolist()
    assert labels[12:] == ["." * 9] * 3
    assert len(set(labels[:12])) == 12
    scene = world.from_label(labels[10])
    for o in release()["test"]["objects_img"][10]:
        cell = 3 * int(o["pos"][0] * 3) + int(o["pos"][1] * 3)
        words = COLORS.index(o["color"]), SHAPES.index(o["shape"]), SIZES.index(o["size"])
        assert tuple(scene[cell][:3]) == words
    assert (scene[:, 0] >= 0).sum() == 3


def test_relevance_by_file_needs_labels_in_both_splits(root):
    raw = release()
    raw["train"]["labels"] = list(range(15))
    write(root, raw)
    refused(root, "test: there are no labels", relevance="file")
    refused(root, "'maybe' is unknown; allowed: file, index, scene", relevance="maybe")
    assert script.released(root).info["provenance"]["relevance"] == "index"


def test_relevance_by_scene_needs_one_object_a_cell(root):
    raw = release()
    raw["test"]["objects_img"][5][1]["pos"] = raw["test"]["objects_img"][5][0]["pos"]
    write(root, raw)
    refused(root, "test, image 5: two objects in middle-right", relevance="scene")


def test_a_second_run_opens_what_is_there_if_it_is_the_same(root):
    first = script.released(root)
    assert script.released(root).manifest_hash == first.manifest_hash
    for options in ({"name": "other"}, {"relevance": "scene"}):
        with pytest.raises(InputError, match=r"delete its dataset\.json first"):
            script.released(root, **options)
    raw = release()
    raw["train"]["mods"][0]["to_str"] = "add blue triangle"
    write(root, raw)
    with pytest.raises(InputError, match="was prepared with other sha256"):
        script.released(root)


def change(*keys, to):
    """Make a release wrong at one place."""

    def apply(data):
        *way, last = keys
        for key in way:
            data = data[key]
        data[last] = to

    return apply


IMAGE = ("train", "objects_img", 3, 1)
MOD = ("test", "mods", 1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data.pop("test"), "test: the split is missing"),
        (lambda data: data["test"].pop("mods"), "test: 'mods' is missing"),
        (lambda data: data["train"].pop("objects_img"), "train: 'objects_img' is missing"),
        (change("train", "mods", to=[]), "train: 'mods' is missing or empty"),
        (change("train", "labels", to=[1, 2]), "train: 'labels' does not give one"),
        (change(*IMAGE, "color", to="pink"), "train, image 3, object 1: color 'pink' is unknown"),
        (change(*IMAGE, "shape", to="cube"), "train, image 3, object 1: shape 'cube' is unknown"),
        (change(*IMAGE, "size", to="huge"), "train, image 3, object 1: size 'huge' is unknown"),
        (change(*IMAGE, "size", to=["large"]), "object 1: size .* is unknown"),
        (change(*IMAGE, "pos", to=[0.5, 1.01]), r"object 1: pos is \(0.5, 1.01\)"),
        (change(*IMAGE, "pos", to=[float("nan"), 0.5]), "object 1: pos"),
        (change(*IMAGE, "pos", to=[0.5]), r"object 1: pos is \[0.5\]"),
        (change(*IMAGE, "pos", to="ab"), "object 1: pos is 'ab'"),
        (change(*IMAGE, to=[]), "object 1 is no dictionary"),
        (change("train", "objects_img", 3, to=None), "train, image 3: the objects are no list"),
        (change(*MOD, "to", to=[12, 13]), "test, mod 1: 3 images in 'from' but 2 in 'to'"),
        (change(*MOD, "to", to=[12, 13, 15]), "test, mod 1: 'to' names image 15, .* 0 to 14"),
        (change(*MOD, "from", to=[-1, 1, 3]), "test, mod 1: 'from' names image -1"),
        (change(*MOD, "from", to=[0.0, 1, 3]), "test, mod 1: 'from' names image 0.0"),
        (change(*MOD, "from", to=0), "test, mod 1: 'from' and 'to' must be lists"),
        (change(*MOD, "to_str", to="  "), "test, mod 1: to_str is '  '"),
        (change(*MOD, to={"from": [], "to": []}), "test, mod 1 lacks one of from, to, to_str"),
        (change(*MOD, to="remove"), "test, mod 1 lacks"),
        (
            change("test", "mods", to=[{"from": [], "to": [], "to_str": "add"}]),
            "test: no mod has an image",
        ),
    ],
)
def test_an_impossible_entry_is_named(root, spoil, message):
    raw = release()
    spoil(raw)
    write(root, raw)
    refused(root, message)


def test_a_missing_or_damaged_npy_is_named(root):
    path = root / script.NPY
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    refused(root, "truncated")
    path.write_bytes(whole[:128] + pickle.dumps(print))
    refused(root, "asks for .*print")
    write(root, [1, 2])
    refused(root, "plain array of int64")
    write(root, np.array("text", dtype=object))
    refused(root, "holds str, expected a dictionary of splits")
    path.unlink()
    refused(root, f"{script.NPY} does not exist")


def test_a_missing_image_is_named_with_the_queries_it_costs(root):
    # Image 2 is the source of one query, 14 the target of another, 9 belongs to none.
    for number in (2, 9, 14):
        (root / "images" / f"css_test_{number:06d}.png").unlink()
    refused(
        root,
        r"css_test_000002\.png is missing; 3 of the 15 images of test are, "
        "which 2 of its 5 queries need",
    )


def test_a_truncated_image_is_named_and_reading_goes_on_when_it_is_whole(root):
    path = root / "images" / "css_train_000007.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(root, r"css_train_000007\.png is no whole picture")
    path.write_bytes(whole)
    np.testing.assert_array_equal(
        script.released(root).pixels("3d", "train")[7], picture("train", 7)
    )


def test_all_damaged_images_are_listed_with_the_queries_they_cost(root):
    for number in (2, 7):
        (root / "images" / f"css_train_{number:06d}.png").write_bytes(b"")
    refused(root, r"damaged are 2 \(css_train_000002\.png, css_train_000007\.png\): 2 of the \d+ "
                  r"images of train, which \d+ of its \d+ queries need")  # fmt: skip


def test_an_image_of_another_size_is_named(root):
    Image.fromarray(picture("test", 3, (60, 90))).save(root / "images" / "css_test_000003.png")
    refused(root, r"css_test_000003\.png has 90 x 60 pixels, the others 180 x 120")


def test_a_picture_exchanged_between_two_tries_is_read_again(root, monkeypatch):
    monkeypatch.setattr(pixels, "CHUNK", 4)
    path = root / "images" / "css_train_000014.png"
    whole = path.read_bytes()
    path.write_bytes(b"")
    refused(root, "css_train_000014")
    path.write_bytes(whole)
    Image.fromarray(255 - picture("train", 0)).save(root / "images" / "css_train_000000.png")
    data = script.released(root)
    np.testing.assert_array_equal(data.pixels("3d", "train")[0], 255 - picture("train", 0))


def test_the_command_line_prepares_and_counts(root, capsys):
    command_line.run(script.prepare, "--root", str(root), "--name", "mine")
    out = capsys.readouterr().out
    assert "mine (released) in css-released," in out
    assert "val" in out
    assert Prepared(paths.data() / "css-released").info["name"] == "mine"


def test_the_command_line_renders_the_built_in_world(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    monkeypatch.setitem(
        built_in.SCALES, "mini", built_in.Scale(bases=(30, 20), edits=(6, 4), width=18, height=12)
    )
    command_line.run(
        script.prepare,
    )
    assert "css (rendered) in mini" in capsys.readouterr().out
    assert Prepared(tmp_path / "css" / "mini").info["counts"]["test"]["queries"] == 12


def test_the_command_line_refuses_in_one_line(root):
    (root / script.NPY).unlink()
    command_line.refused(script.prepare, "does not exist", "--root", root)
    message = "--scale belongs to the built-in world"
    command_line.refused(script.prepare, message, "--root", root, "--scale", "mini")


def pack(path, entries: dict, root=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
        for child in sorted(root.rglob("*")) if root else []:
            file.write(child, f"CSSDataset/{child.relative_to(root)}")
    return path


def test_an_archive_is_unpacked_and_read(root, tmp_path, capsys):
    archive = pack(tmp_path / "CSS.zip", {}, root)
    command_line.run(script.prepare, "--archive", str(archive))
    assert "css-released (released)" in capsys.readouterr().out
    assert (paths.data() / "raw" / "css" / "CSSDataset" / script.NPY).exists()
    with pytest.raises(InputError, match=r"css exists; use --root"):
        command_line.run(script.prepare, "--archive", str(archive))
