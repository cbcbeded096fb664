"""NUS-WIDE through the script: from raw, made small here in the exact layout, to prepared."""

import command_line
import numpy as np
import pytest
from PIL import Image

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.labelled import labelled
from cmir_repro.data.prepared import Prepared
from data_scripts import nuswide as script

IMAGES, TAGS = 400, 30
CONCEPTS = [f"concept{n:02d}" for n in range(81)]
FREQUENT = sorted({n * 37 % 81 for n in range(21)})  # here and there in the list
SIZES = ("--train", 42, "--val", 21, "--test", 21)


def made() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names in Imagelist.txt, labels (N, 81), tags (N, TAGS)."""
    rng = np.random.default_rng(0)
    share = np.full(81, 0.02)
    share[FREQUENT] = np.linspace(0.06, 0.12, 21)
    labels = rng.random((IMAGES, 81)) < share
    tags = rng.random((IMAGES, TAGS)) < 0.1
    tags[::9] = False
    folders = ("actor", "zoos", "water_lily")
    return [f"{folders[n % 3]}\\{n:04d}_{n * 977 + 5}.jpg" for n in range(IMAGES)], labels, tags


@pytest.fixture
def root(tmp_path):
    """Groundtruth/, ConceptsList/, ImageList/, NUS_WID_Tags/ and, in Flickr/, no picture."""
    root = tmp_path / "NUS-WIDE"
    names, labels, tags = made()
    for number, concept in enumerate(CONCEPTS):
        lines = "".join(f"{value:d}\n" for value in labels[:, number])
        write(root / f"Groundtruth/AllLabels/Labels_{concept}.txt", lines)
    write(root / "ConceptsList/Concepts81.txt", "".join(f"{name}\n" for name in CONCEPTS))
    write(root / "ImageList/Imagelist.txt", "".join(f"{name}\n" for name in names))
    write(root / "NUS_WID_Tags/TagList1k.txt", "".join(f"tag{n}\n" for n in range(TAGS)))
    rows = "".join("".join(f"{value:d}\t" for value in row) + "\n" for row in tags)
    write(root / "NUS_WID_Tags/AllTags1k.txt", rows)
    return root


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))


def run(name, root, *more) -> Prepared:
    pictures = () if "--images" in more else ("--annotations-only",)
    command_line.run(script.prepare, *("--root", root, "--partial", *SIZES, *pictures, *more))
    return Prepared(paths.data() / name)


def refused(message, root, *more, partial=True) -> None:
    given = ("--root", root, "--annotations-only", *SIZES, *more)
    command_line.refused(script.prepare, message, *given, *(["--partial"] if partial else []))
    assert not list(paths.data().glob("*/dataset.json"))


def kept(columns) -> list[int]:
    _, labels, tags = made()
    return [n for n in range(IMAGES) if labels[n, columns].any() and tags[n].any()]


def test_layout_to_arrays(root):
    data = run("nuswide-tc21-tags", root)
    found = labelled(data)
    names, labels, tags = made()
    rows = kept(FREQUENT)
    assert 0 < len(rows) < IMAGES
    assert found.categories == [CONCEPTS[n] for n in FREQUENT]  # computed, in Concepts81's order
    assert found.words == [f"tag{n}" for n in range(TAGS)]
    assert found.ids.tolist() == [names[n].replace("\\", "/")[:-4] for n in rows]
    assert (found.text == tags[rows]).all()
    assert (found.labels == labels[np.ix_(rows, FREQUENT)]).all()
    some = labels[:, FREQUENT].any(1)
    assert f"images without one of the 21 categories: {(~some).sum()}" in data.info["left_out"]
    assert len(data.info["provenance"]["files"]) == 81 + 4
    assert data.info["protocol"] == "map-all"


def test_tc10_is_computed_from_the_files_too(root):
    sizes = ("--train", 40, "--val", 20, "--test", 20)
    found = labelled(run("nuswide-tc10-tags", root, "--classes", 10, *sizes))
    _, labels, _ = made()
    order = sorted(range(81), key=lambda n: (-labels[:, n].sum(), n))
    assert found.categories == [CONCEPTS[n] for n in sorted(order[:10])]
    assert len(found.ids) == len(kept(sorted(order[:10])))


def test_of_equally_frequent_concepts_the_first_are_taken():
    labels = np.array([[1, 1, 0, 1, 1], [1, 1, 1, 1, 0], [0, 0, 0, 1, 1]], dtype=bool)
    assert script.most_frequent(labels, 2).tolist() == [0, 3]
    assert script.most_frequent(labels, 3).tolist() == [0, 1, 3]
    alike = np.zeros((3, 81), dtype=bool)
    alike[:, ::2] = True  # enough of them that a sort may exchange equal ones
    assert script.most_frequent(alike, 21).tolist() == [*range(0, 42, 2)]
    with pytest.raises(InputError, match="5 concepts, asked for 6"):
        script.most_frequent(labels, 6)


def test_splits_have_as_many_of_each_category_and_the_rest_is_database(root):
    found = labelled(run("nuswide-tc21-tags", root))
    for rows, each in ((found.query, 1), (found.val, 1), (found.train, 2)):
        assert len(rows) == 21 * each
        assert (found.labels[rows].sum(0) >= each).all()
    assert not set(found.train) & set(found.val)
    assert len(found.database) == len(found.ids) - 21
    assert set(found.train) | set(found.val) <= set(found.database)
    split = run("nuswide-tc21-tags", root).info["provenance"]["splits"]
    assert split["seed"] == 0
    assert "rarest" in split["rule"]


def by_loop(labels, sizes, seed):
    """The rule as a loop over rows, with sets."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    pool, out = set(range(len(labels))), {}
    for part in ("test", "val", "train"):
        count = [sum(bool(labels[n][c]) for n in pool) for c in range(labels.shape[1])]
        free, out[part] = set(pool), []
        for category in sorted(range(labels.shape[1]), key=lambda c: (count[c], c)):
            rows = sorted(n for n in free if labels[n][category])
            # Positions among the rows, as the script draws positions in what is left.
            chosen = rng.choice(len(rows), sizes[part] // labels.shape[1], replace=False)
            out[part] += [rows[position] for position in chosen]
            free -= set(out[part])
        pool -= set(out[part])
    return out


@pytest.mark.parametrize("seed", range(5))
def test_the_sampler_against_a_loop(seed):
    labels = np.random.default_rng(seed).random((60, 4)) < [0.2, 0.8, 0.4, 0.6]
    sizes = {"train": 12, "val": 4, "test": 8}
    found, expected = script.split(labels, sizes, seed), by_loop(labels, sizes, seed)
    assert {part: rows.tolist() for part, rows in found.items()} == expected


def test_rare_categories_come_first():
    """Category 1 has two images, which also carry category 0: taken for 0 first, 1 had none."""
    labels = np.array([[1, 1], [1, 1], [1, 0], [1, 0]], dtype=bool)
    for seed in range(10):
        drawn = script.rarest_first(labels, 2, np.random.default_rng(seed))
        assert sorted(drawn[:2]) == [0, 1]
        assert sorted(drawn[2:]) == [2, 3]
    with pytest.raises(InputError, match="category number 2 has 2 images left, 3 are to be drawn"):
        script.rarest_first(labels, 3, np.random.default_rng(0))


def test_pictures_in_their_folders(root):
    names = [made()[0][n].replace("\\", "/") for n in kept(FREQUENT)]
    for number, name in enumerate(names):
        file = root / "Flickr" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 10), (number % 250, 0, 0)).save(file, quality=95)
    given = ("--images", root / "Flickr", "--size", 8)
    data = run("nuswide-tc21", root, *given)
    red = data.take("photo", np.arange(len(names)))[:, 4, 4, 0].astype(int)
    assert np.abs(red - np.arange(len(names)) % 250).max() <= 3
    (root / "Flickr" / names[0]).unlink()
    with pytest.raises(InputError, match=r"missing are: \w+ 1 of \d+ images"):
        run("less", root, *given, "--name", "less")
    less = run("less", root, *given, "--name", "less", "--allow-missing")
    assert len(less.images) == len(names) - 1
    assert "1 pictures missing" in less.info["protocol"]


def test_the_audit_refuses_other_counts_and_takes_the_right_ones(root, capsys, monkeypatch):
    refused("first images: 400, expected 269648", root, partial=False)
    shown = capsys.readouterr().out
    for count in ("195,834", "190,421", "411,438", "1,559,464"):
        assert f"expected {count}" in shown
    assert script.OF_CATEGORIES[10]["images with a category"] == 186_577
    _, labels, tags = made()
    counts = script.read(root, 21)[1]
    assert counts == {
        "images": IMAGES,
        "concepts": 81,
        "tags in the vocabulary": TAGS,
        "labels of all concepts": labels.sum(),
        "tags of all images": tags.sum(),
        "labels of the 21 categories": labels[:, FREQUENT].sum(),
        "images with a category": labels[:, FREQUENT].any(1).sum(),
        "images with a category and a tag": len(kept(FREQUENT)),
    }
    for classes, expected in script.OF_CATEGORIES.items():
        assert set(script.EXPECTED | expected) == set(script.read(root, classes)[1])
    monkeypatch.setattr(script, "EXPECTED", counts)
    monkeypatch.setitem(script.OF_CATEGORIES, 21, {})
    command_line.run(script.prepare, *("--root", root, "--annotations-only", *SIZES))
    assert (paths.data() / "nuswide-tc21-tags" / "dataset.json").exists()


def test_bad_input_is_one_line_that_names_file_and_line(root):
    file = root / "Groundtruth" / "AllLabels" / f"Labels_{CONCEPTS[7]}.txt"
    before = file.read_text()
    lines = before.splitlines()
    lines[77] = "-1130179"
    write(file, "\n".join(lines) + "\n")
    refused(r"Labels_concept07.txt, line 78: '-1130179', expected 0 or 1", root)
    write(file, before + "0\n")
    refused(r"Labels_concept07.txt has 401 lines, ImageList/Imagelist.txt 400", root)
    file.unlink()
    refused(r"Labels_concept07.txt does not exist", root)
    write(file, before)
    file = root / "NUS_WID_Tags" / "AllTags1k.txt"
    before = file.read_text()
    write(file, before.replace("\n", "0\t\n", 1))
    refused(r"AllTags1k.txt, line 1: 31 numbers, expected 30", root)
    write(file, before[: before.rindex("\n", 0, -1) + 1])
    refused(r"AllTags1k.txt has 399 lines, expected 400", root)
    write(file, before)
    refused(r"--val 20 must be a multiple of the 21 categories", root, "--val", 20)
    refused(r"--test -21 must be a multiple", root, "--test", -21)
    refused(r"category number \d+ has \d+ images left, 100 are to be drawn", root, "--test", 2100)
    file = root / "ImageList" / "Imagelist.txt"
    inside = next(n for n in kept(FREQUENT))
    names = made()[0]
    names[inside] = "..\\..\\secret.jpg"
    write(file, "\n".join(names) + "\n")
    refused(r"'../../secret.jpg' is no path inside the folder", root)
    write(file, "\n".join([names[0], *names[:-1]]) + "\n")
    refused(r"Imagelist.txt, line 2: .* is in line 1 too", root)
