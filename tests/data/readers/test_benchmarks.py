"""Benchmarks as released: what is asked, what is right, and one line for what cannot be used."""

import numpy as np
import pytest
import tiny_benchmarks
import tiny_releases
from tiny_releases import change

from cmir_repro.core.errors import InputError
from cmir_repro.data.readers import benchmarks
from cmir_repro.data.readers.benchmarks import COCO

MAKE = {
    "circo": tiny_benchmarks.circo,
    "genecis": tiny_benchmarks.genecis,
    "icir": tiny_benchmarks.icir,
    "lasco": tiny_benchmarks.lasco,
    "shoes": tiny_benchmarks.shoes,
    "mteb/fashioniq": tiny_releases.fashioniq,
    "mteb/cirr": tiny_releases.cirr,
    "cirr/recall": tiny_releases.cirr,
    "cirr/recall_subset": tiny_releases.cirr,
}


@pytest.mark.parametrize("name", benchmarks.READERS)
def test_every_answer_is_in_the_gallery(name, tmp_path):
    judged = benchmarks.READERS[name](MAKE[name](tmp_path))
    assert len(judged.relevant) == len(judged.gallery) == len(judged.ids) > 0
    for gallery, right in zip(judged.gallery, judged.relevant, strict=True):
        assert len(right) > 0
        assert set(right.tolist()) <= set(judged.galleries[gallery].tolist())


def test_icir_ranks_a_query_against_its_instance(tmp_path):
    judged = benchmarks.icir(tiny_benchmarks.icir(tmp_path))
    assert [len(judged.galleries[name]) for name in ("a_temple", "a_cup")] == [15, 12]
    assert [len(right) for right in judged.relevant] == [3] * 6
    assert [len(hard) for hard in judged.negatives] == [9] * 6
    assert judged.groups == [("a_temple",)] * 4 + [("a_cup",)] * 2


def test_shoes_asks_within_a_split(tmp_path):
    root = tiny_benchmarks.shoes(tmp_path)
    judged = benchmarks.shoes(root)
    assert judged.ids.tolist() == [str(i) for i in range(6, 12)]
    assert judged.notes == ("1 triplets have an image in another split; they are left out",)
    assert benchmarks.shoes(root, "train").ids.tolist() == [str(i) for i in range(6)]


def test_the_leaderboard_merges_queries_and_adds_answers(tmp_path):
    root = tiny_releases.cirr(tmp_path)

    def edit(entries):
        a, b = entries
        b.update(a, pairid=101)
        b["target_soft"] = {a["img_set"]["members"][3]: 1.0, a["img_set"]["members"][4]: 0.5}
        entries.append({**a, "pairid": 300, "caption": "other", "target_soft": {}})

    change(root / "captions/cap.rc2.val.json", edit)
    judged = benchmarks.mteb_cirr(root)
    assert judged.ids.tolist() == ["100"]
    assert judged.relevant[0].tolist() == ["dev-2-0-img0", "dev-3-0-img1"]
    assert len(judged.images) == 24  # of all splits


def test_queries_of_fashioniq_are_called_by_category_and_place(tmp_path):
    """As docs/benchmarks.md says, and as `score-triplets` calls them."""
    root = tiny_releases.fashioniq(tmp_path)
    judged = benchmarks.mteb_fashioniq(root)
    parts = [name.split("/") for name in judged.ids.tolist()]
    assert {category for category, _ in parts} == {"dress", "shirt", "toptee"}
    assert all(number == str(int(number)) for _, number in parts)
    assert ["dress", "0"] in parts


def test_the_leaderboards_counts(real_data):
    """As mteb/descriptive_stats prints them."""
    for name, queries, answers, images in (
        ("fashioniq", 6003, 6014, 74_381),
        ("cirr", 4170, 4216, 21_551),
    ):
        judged = benchmarks.READERS[f"mteb/{name}"](real_data(name))
        assert len(judged.ids) == queries
        assert sum(map(len, judged.relevant)) == answers
        assert len(judged.images) == images


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("circo", lambda e: e[0].pop("id"), "val.json, entry 0: id is None, expected int"),
        ("circo", lambda e: e[0].update(id=1), "query '1' occurs 2 times"),
        ("circo", lambda e: e[0].update(gt_img_ids=[5]), "must be the first of gt_img_ids"),
        (
            "circo",
            lambda e: e[0].update(gt_img_ids=[5], target_img_id=5),
            "image '5' is not in the list of images",
        ),
        ("circo", lambda e: e.clear(), "val.json is no list or empty"),
        ("circo", lambda e: e[0].update(gt_img_ids="123"), "gt_img_ids is '123', expected"),
        ("circo", lambda e: e[0]["gt_img_ids"].append(e[0]["gt_img_ids"][0]), "an image twice"),
        ("circo", lambda e: e[0].update(semantic_aspects="a"), "semantic_aspects is 'a', expected"),
        ("lasco", lambda e: e[0].update({"target-image": []}), "entry 0: target-image is empty"),
        ("genecis", lambda e: e[0].update(target="x"), "entry 0, target is no dictionary"),
        (
            "genecis",
            lambda e: e[0]["gallery"].__setitem__(0, 1),
            "entry 0, gallery is no dictionary",
        ),
    ],
)
def test_annotations_that_cannot_be_used(name, edit, message, tmp_path):
    files = {
        "circo": "annotations/val.json",
        "lasco": "lasco_val.json",
        "genecis": "genecis/change_object.json",
    }
    root = MAKE[name](tmp_path)
    change(root / files[name], edit)
    with pytest.raises(InputError, match=message) as caught:
        benchmarks.READERS[name](root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", benchmarks.READERS)
def test_a_missing_folder_is_one_line(name, tmp_path):
    with pytest.raises(InputError, match="does not exist") as caught:
        benchmarks.READERS[name](tmp_path / "nowhere")
    assert "\n" not in str(caught.value)


def test_circo_needs_the_list_of_images(tmp_path):
    root = tiny_benchmarks.circo(tmp_path)
    (root / COCO).unlink()
    with pytest.raises(InputError, match=r"image_info_unlabeled2017.json does not exist; it lists"):
        benchmarks.circo(root)


def test_lines_of_icir_that_cannot_be_used(tmp_path):
    root = tiny_benchmarks.icir(tmp_path)
    file = root / "query_files.csv"
    file.write_text("query/a.jpg,at dusk,a_cup\n")
    with pytest.raises(InputError, match=r"line 1: nothing in the database has the instance"):
        benchmarks.icir(root)
    file.write_text("query/a.jpg,at dusk\n")
    with pytest.raises(InputError, match=r"line 1: must hold path, text and instance"):
        benchmarks.icir(root)


def test_a_gallery_that_names_an_image_twice(tmp_path):
    root = tiny_benchmarks.lasco(tmp_path)
    change(root / "lasco_val_corpus.json", lambda e: e.append(e[0]))
    with pytest.raises(InputError, match="names one twice"):
        benchmarks.lasco(root)


def test_an_unknown_benchmark_and_split(tmp_path):
    with pytest.raises(InputError, match=r"benchmark 'own' is unknown; allowed: circo, genecis"):
        benchmarks.of_protocol("own/judged")
    with pytest.raises(InputError, match=r"split of CIRCO 'train' is unknown"):
        benchmarks.circo(tmp_path, "train")
    assert benchmarks.of_protocol("circo/official[ties=best]") is benchmarks.circo
    np.testing.assert_equal(benchmarks.of_protocol("mteb/cirr"), benchmarks.mteb_cirr)
