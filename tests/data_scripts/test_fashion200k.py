"""The released Fashion200k layout, made small here, through the script that reads it."""

import itertools
import tarfile
import zipfile

import command_line
import numpy as np
import pytest
from PIL import Image
from tiny_fashion200k import (
    COLOURS,
    DRESS,
    DRESS_TEST,
    RGB,
    changed,
    path_of,
    prepare,
    refused,
    release,
    write,
    write_release,
)

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import only_protocol, preset
from cmir_repro.data import training_pairs
from cmir_repro.data.prepare import pictures, pixels
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import fashion200k
from data_scripts import fashion200k as script


@pytest.fixture
def root(tmp_path, monkeypatch):
    return write_release(tmp_path, monkeypatch)


def test_the_release_comes_into_the_prepared_layout(root):
    data = prepare(root)
    assert data.folder == paths.data() / "fashion200k"
    assert data.info["name"] == "fashion200k"
    assert data.info["protocol"] == "tirg/fashion200k"
    assert data.info["tasks"] == {"photo": ["photo", "photo"]}
    assert data.views == ["photo"]
    images = data.images.set_index("image")
    assert len(images) == 60
    for part, category in itertools.product(script.PARTS, fashion200k.CATEGORIES):
        for product, colour in enumerate(COLOURS):
            found = images.loc[path_of(part, category, product)]
            assert found["part"] == part
            assert found["split"] in (("train", "val") if part == "train" else ("test",))
            assert found["caption"] == found["label"] == f"{colour} vdotmark neck {category}"
            assert found["category"] == category
            shown = data.pixels("photo", part)[found["row"]]
            assert shown.shape == (16, 16, 3)
            assert np.abs(shown.astype(int) - RGB[colour]).max() <= 3  # JPEG
    test = data.queries[data.queries["split"] == "test"]
    assert test[["source", "target"]].agg(" ".join, axis=1).tolist() == release()[script.QUERIES]
    assert test["text"].tolist()[:3] == [
        "replace red with blue",
        "replace green with black",
        "replace black with red",
    ]
    assert "train" not in set(data.queries["split"])


def test_training_pairs_are_drawn_by_the_rule_of_the_manifest(root):
    data = prepare(root)
    train = data.images[data.images["split"] == "train"]
    drawn = training_pairs.build(data.info["training_pairs"], train).draw(
        50, np.random.default_rng(0)
    )
    captions = train["caption"].to_numpy()
    for source, target, text in zip(*drawn, strict=True):
        a, b = captions[source].split(), captions[target].split()
        (changed_words,) = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
        assert text == "replace {} with {}".format(*changed_words)


def test_a_share_of_the_products_is_held_out_with_queries_among_themselves(root):
    data = prepare(root)
    train, val = (data.images[data.images["split"] == s] for s in ("train", "val"))
    assert val["product"].nunique() == 6
    assert len(val) == 12
    assert not set(train["product"]) & set(val["product"])
    queries = data.queries[data.queries["split"] == "val"]
    assert 0 < len(queries) <= len(val)
    assert not queries["source"].duplicated().any()
    captions = data.images.set_index("image")["caption"]
    for query in queries.itertuples():
        before, after = query.text.removeprefix("replace ").split(" with ")
        words = captions[query.source].split()
        place = words.index(before)
        assert captions[query.target].split() == [*words[:place], after, *words[place + 1 :]]


def siblings_of_the_reference(captions: list[str]) -> int:
    """Images whose caption, without the letters of one word, is that of another caption's too."""
    children = {}
    for text in set(captions):
        for word in text.split():
            parent = text.replace(word, "").replace("  ", " ").strip()
            children.setdefault(parent, set()).add(text)
    found = set().union(*(texts for texts in children.values() if len(texts) > 1))
    return sum(text in found for text in captions)


def test_the_audit_counts_what_the_files_hold(root):
    files = release()
    files[DRESS] += [
        f"{path_of('test', 'dress', 0)}\t0\tart cart skirt",
        "women/x/1/1_0.jpeg\t0\t ",
        "women/x/2/2_0.jpeg\t0\tc new skirt",
        "women/x/3/3_0.jpeg\t0\tlonely",
    ]
    files[DRESS_TEST] += ["women/x/1/1_1.jpeg\t0\t"]
    files[script.QUERIES] += [f"{path_of('test', 'top', 0)} {path_of('test', 'top', 0)}"]
    write(root, files)
    data = prepare(root, partial=True)
    audit = {row["fact"]: row for row in data.info["audit"]}
    found = {fact: row["found"] for fact, row in audit.items()}
    lines = [line.split("\t") for name in files if "train" in name for line in files[name]]
    captions = [fashion200k.caption(line[2]) for line in lines]
    assert found["train images"] == len(captions) == 44
    assert found["distinct train captions"] == len(set(captions)) == 24
    siblings = siblings_of_the_reference(captions)
    assert found["train images with a sibling, substring removal"] == siblings == 42
    assert found["train images with a sibling, whole words"] == 40
    assert found["test images"] == 21
    assert found["test queries"] == 16
    assert found["test queries with a caption that has no word of its own"] == 1
    assert found["empty train captions"] == found["empty test captions"] == 1
    assert found["lines that list a path again"] == found["pictures in train and test"] == 1
    assert found["products in train and test"] == 2  # that of the picture, and product 1
    assert found["captions in train and test"] == 21  # the empty one is among them
    assert found["test images with a caption of train"] == 21
    assert found["products in train and validation"] == 0
    assert audit["train images"]["released"] == 40
    assert audit["distinct test captions"]["released"] is None


def test_other_counts_than_released_are_refused_and_change_the_protocol(root):
    changed(root, DRESS, lambda lines: lines.pop())
    refused(root, "39 train images instead of 40; 39 train images with a sibling.* --partial")
    data = prepare(root, partial=True)
    assert data.info["name"] == data.folder.name == "fashion200k"
    protocol = preset(data.info["protocol"])
    assert protocol.gallery == "all images of the split, label files not those of the release"
    with pytest.raises(InputError, match="differ in name"):
        only_protocol([protocol, preset("tirg/fashion200k")])
    assert data.info["coverage"]["train images"] == {"here": 39, "listed": 39, "released": 40}


def test_a_label_file_may_be_absent_in_a_partial_set_only(root):
    for part in script.PARTS:
        (root / f"labels/top_{part}_detect_all.txt").unlink()
    refused(root, r"labels/top_train_detect_all\.txt cannot be read .*--partial")
    data = prepare(root, partial=True)
    assert set(data.images["category"]) == set(fashion200k.CATEGORIES) - {"top"}
    assert data.info["counts"]["test"] == {"images": 16, "queries": 12}
    coverage = {"here": 12, "listed": 15, "released": 15}
    assert data.info["coverage"]["test queries"] == coverage
    left_out = "; ".join(data.info["left_out"])
    assert "not there: labels/top_train_detect_all.txt, labels/top_test" in left_out
    assert "test queries left out: 3, of these 3 name an image that no label file" in left_out
    for category in fashion200k.CATEGORIES:
        (root / f"labels/{category}_test_detect_all.txt").unlink(missing_ok=True)
    with pytest.raises(InputError, match="has no line for test"):
        prepare(root, partial=True)


def test_a_path_listed_again_stays_an_image_of_its_own(root):
    twice = path_of("train", "dress", 0)
    files = release()
    files["labels/top_train_detect_all.txt"].append(f"{twice}\t0\tblack v. neck top")
    files["labels/top_test_detect_all.txt"].append(f"{path_of('test', 'dress', 0)}\t0\tblack top")
    files["labels/skirt_test_detect_all.txt"].append(f"{twice}\t0\tred skirt")
    write(root, files)
    data = prepare(root, partial=True)
    images = data.images.set_index("image")
    assert images.loc[[twice, f"{twice}#2", f"{twice}#3"], "caption"].tolist() == [
        "red vdotmark neck dress",
        "black vdotmark neck top",
        "red skirt",
    ]
    assert images.loc[twice, "split"] == images.loc[f"{twice}#2", "split"] != "test"
    assert images.loc[f"{twice}#3", "split"] == "test"
    # A test query means the last listing in test, as in the reference.
    query = data.queries[data.queries["split"] == "test"].iloc[0]
    assert query["source"] == path_of("test", "dress", 0) + "#2"
    assert query["text"] == "replace black with blue"


def test_images_without_a_caption_are_counted_and_in_no_pair(root):
    changed(root, DRESS, lambda lines: lines.append("women/x/1/1_0.jpeg\t0\t"))
    changed(root, DRESS_TEST, lambda lines: lines.append("women/x/2/2_0.jpeg\t0\t  "))
    query = f"women/x/2/2_0.jpeg {path_of('test', 'top', 0)}"
    changed(root, script.QUERIES, lambda lines: lines.insert(0, query))
    data = prepare(root, partial=True)
    assert "women/x/1/1_0.jpeg" not in set(data.images["image"])
    assert "women/x/2/2_0.jpeg" in set(data.images["image"])  # the gallery keeps its size
    test = data.queries[data.queries["split"] == "test"]
    assert test["query"].iloc[0] == "fashion200k_test_00001"  # numbers are lines of the file
    left_out = "; ".join(data.info["left_out"])
    assert "train images without a caption, which no pair can use: 1" in left_out
    assert "test queries left out: 1, of these 0 name" in left_out
    assert "1 have an empty caption" in left_out


def test_more_fields_and_other_files_are_counted(root):
    def add_a_field(lines):
        lines[0] += "\tmore"

    changed(root, DRESS, add_a_field)
    (root / "labels" / "dress_train_detect_all_cn.txt").write_text("?")
    left_out = "; ".join(prepare(root).info["left_out"])
    assert "more than three fields, of which the rest is not read: 1" in left_out
    assert "not read: labels/dress_train_detect_all_cn.txt" in left_out


def test_damaged_pictures_are_listed_or_left_out_all_at_once(root):
    damaged = path_of("train", "jacket", 1, 1), path_of("train", "top", 3, 1)
    for path in damaged:
        (root / path).write_bytes(b"")
    names = ", ".join(path.rpartition("/")[2] for path in damaged)
    refused(root, rf"is no whole picture .*damaged are 2 \({names}\)")
    data = prepare(root, allow_missing=True)
    assert not set(damaged) & set(data.images["image"])
    assert "images without a picture: 2" in data.info["left_out"]


def test_a_missing_picture_is_named_with_what_it_costs(root):
    lost = path_of("train", "jacket", 1, 1), path_of("test", "dress", 0), path_of("test", "top", 1)
    for path in lost:
        (root / path).unlink()
    refused(
        root,
        r"00000011_1\.jpeg is missing; so are 1 of the 40 images of train and 2 of the 20 images "
        "of test, which 3 of the 15 test queries need; .*--allow-missing",
    )
    data = prepare(root, allow_missing=True)
    assert data.info["name"] == data.folder.name == "fashion200k"
    protocol = "tirg/fashion200k[gallery=all images of the split, 3 pictures missing]"
    assert data.info["protocol"] == preset(protocol).name == protocol
    assert not set(lost) & set(data.images["image"])
    assert data.info["counts"]["test"] == {"images": 18, "queries": 12}
    assert data.info["coverage"] == {
        "train images": {"here": 39, "listed": 40, "released": 40},
        "test images": {"here": 18, "listed": 20, "released": 20},
        "test queries": {"here": 12, "listed": 15, "released": 15},
    }
    assert "images without a picture: 3" in data.info["left_out"]
    # Each row still shows its own picture.
    found = data.images.set_index("image").loc[path_of("test", "top", 3)]
    assert data.pixels("photo", "test")[found["row"]].max() <= 3
    # What is lost decides: a picture more, and it is another data set.
    write(root, {DRESS_TEST: release()[DRESS_TEST]})
    with pytest.raises(InputError, match="missing pictures 3, now asked for 2; delete its"):
        prepare(root, allow_missing=True)


def test_nothing_missing_leaves_the_protocol_alone(root):
    data = prepare(root, allow_missing=True, partial=True)
    assert data.info["protocol"] == "tirg/fashion200k"


def test_a_set_without_pictures_of_a_split_is_refused(root):
    for category, product in itertools.product(fashion200k.CATEGORIES, range(4)):
        (root / path_of("test", category, product)).unlink()
    refused(root, "none of the 20 pictures of test is there; unpack women", allow_missing=True)


def test_a_link_out_of_the_root_is_refused(root, tmp_path):
    secret = tmp_path / "secret.jpeg"
    Image.new("RGB", (20, 30)).save(secret)
    path = root / path_of("test", "top", 2)
    path.unlink()
    path.symlink_to(secret)
    refused(root, "00001042_0.jpeg leads out of", allow_missing=True)
    path.unlink()
    path.symlink_to(root / path_of("test", "top", 1))  # within it is fine
    (root / "women" / "tops").rename(root / "elsewhere")
    (root / "women" / "tops").symlink_to("../elsewhere")
    assert prepare(root).info["counts"]["test"]["images"] == 20
    (root / "elsewhere").rename(tmp_path / "elsewhere")
    (root / "women" / "tops").unlink()
    (root / "women" / "tops").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of"):
        prepare(root)


def test_a_second_run_opens_what_is_there_if_it_is_the_same(root, monkeypatch, tmp_path):
    first = prepare(root)
    assert prepare(root).manifest_hash == first.manifest_hash
    for options, message in (
        ({"removal": "substring"}, "removal 'word', now asked for 'substring'"),
        ({"size": 32}, "size 16, now asked for 32"),
    ):
        with pytest.raises(InputError, match=f"{message}; delete its dataset.json first"):
            prepare(root, **options)
    changed(root, script.QUERIES, lambda lines: lines.reverse())
    with pytest.raises(InputError, match="prepared with other files"):
        prepare(root)
    write(root, {script.QUERIES: release()[script.QUERIES]})
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "elsewhere"))
    again = prepare(root)
    for file in first.folder.glob("[!.]*"):
        assert file.read_bytes() == (again.folder / file.name).read_bytes(), file.name


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": 0}, "--size 0 is out of range"), ({"removal": "letters"}, "'letters' is unknown")],
)
def test_an_impossible_argument_is_refused(root, options, message):
    with pytest.raises(InputError, match=message):
        prepare(root, **options)


def test_an_interrupted_run_goes_on_with_the_pictures_as_they_are_now(root, monkeypatch):
    monkeypatch.setattr(pixels, "CHUNK", 4)
    path = root / path_of("train", "top", 3, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(root, r"0043_1\.jpeg is no whole picture")
    (part,) = (paths.data() / "fashion200k").glob(".*.part")
    read = []
    squares = pictures.squares
    monkeypatch.setattr(pictures, "squares", lambda f, *rest: read.extend(f) or squares(f, *rest))
    refused(root, r"0043_1\.jpeg is no whole picture")
    assert part.exists()
    assert len(read) == 4  # the chunk with the damaged picture; the 36 before it were kept
    path.write_bytes(whole)  # another file now: all is read again
    Image.new("RGB", (20, 30), (255, 255, 255)).save(root / path_of("train", "dress", 0))
    data = prepare(root)
    assert data.pixels("photo", "train")[0].min() >= 252


def test_archives_are_unpacked_into_one_folder_and_read(root, tmp_path, capsys):
    pictures, texts = tmp_path / "women.tar.gz", tmp_path / "texts.zip"
    with tarfile.open(pictures, "w:gz") as file:
        file.add(root / "women", "women")
    with zipfile.ZipFile(texts, "w") as file:
        for name in release():
            file.write(root / name, name)
    arguments = ["--archive", pictures, "--archive", texts, "--size", 16]
    command_line.run(script.prepare, *arguments)
    out = capsys.readouterr().out
    assert "fashion200k (released) in fashion200k," in out
    assert (paths.data() / "raw" / "fashion200k" / path_of("test", "top", 0)).exists()
    with pytest.raises(InputError, match=r"women exists, .*women\.tar\.gz holds it again"):
        command_line.run(script.prepare, *arguments)


def test_the_command_line_prints_counts_audit_and_what_was_left_out(root, capsys):
    command_line.run(script.prepare, "--root", str(root), "--size", "16", "--removal", "substring")
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["train", "images", "40", "40"] in lines
    assert ["distinct", "test", "captions", "20", "unknown"] in lines
    assert "images without a picture: 0" in out
    info = Prepared(paths.data() / "fashion200k").info
    assert info["training_pairs"]["removal"] == "substring"
    assert str(root) not in str(info)


def test_the_command_line_refuses_in_one_line(root):
    (root / DRESS).unlink()
    command_line.refused(script.prepare, "cannot be read", "--root", root)
    command_line.refused(script.prepare, "give --root")


def test_names_with_blanks_brackets_and_accents_are_read(root):
    """However the lists and the disk write an accent, and where a blank stands in a path."""
    old = path_of("test", "dress", 0)
    composed = old.replace("some_dresss", "ros\u00e9 (new) [x]")
    apart = composed.replace("\u00e9", "e\u0301")
    (root / apart).parent.mkdir(parents=True)
    (root / old).rename(root / apart)
    for name, lines in release().items():
        write(root, {name: [line.replace(old, composed) for line in lines]}) if any(
            old in line for line in lines
        ) else None
    data = prepare(root)
    assert composed in set(data.images["image"])
    assert composed in set(data.queries["source"]) | set(data.queries["target"])
