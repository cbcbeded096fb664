"""FashionIQ through its script: from the raw layout, made small here, to the prepared one."""

import json
import zipfile
from pathlib import PurePosixPath

import command_line
import numpy as np
import pytest
from PIL import Image
from tiny_releases import draw, fashioniq, picture

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import PRESETS, preset
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import fashioniq_cirr as annotations
from cmir_repro.evaluation import fashioniq_cirr
from cmir_repro.experiments import run as experiments
from cmir_repro.experiments.dim import official_scores
from cmir_repro.experiments.presets.dim import configure, default_task
from data_scripts import fashioniq as script


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    return fashioniq(tmp_path / "raw")


@pytest.fixture
def photos(root, tmp_path):
    labels = annotations.fashioniq(root).images["label"].unique()
    return draw(tmp_path / "photos", list(labels))


def run(root, *more) -> Prepared:
    command_line.run(script.prepare, "--root", str(root), "--partial", *more)
    return Prepared(paths.data() / "fashioniq")


def refused(root, message, *more) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run(root, *more)
    assert "\n" not in str(caught.value)
    assert not (paths.data() / "fashioniq" / "dataset.json").exists()


def test_annotations_alone_are_enough_to_score_features(root):
    data = run(root, "--annotations-only")
    assert data.views == []
    assert data.info["tasks"] == {}
    t = fashioniq_cirr.of_prepared(data)
    assert len(t.ids) == 6
    assert len(t.images) == 11  # three lists of four, one picture in two of them
    rng = np.random.default_rng(0)
    images, queries = rng.normal(size=(11, 4)), rng.normal(size=(6, 4))
    found = fashioniq_cirr.score(t, images, lambda _: queries, preset(data.info["protocol"]))
    assert [part["gallery"] for part in found["categories"].values()] == [4, 4, 4]
    assert found["gallery"] == 11


def test_queries_without_a_target_are_left_out_and_counted(root):
    data = run(root, "--annotations-only")
    assert set(data.queries["split"]) == {"train", "val"}
    assert (data.images["split"] == "test").sum() == 12
    assert "queries without a target: 6" in data.info["left_out"]


def test_with_pictures_the_released_validation_split_is_the_test(root, photos):
    data = run(root, "--images", photos, "--size", 20)
    assert data.info["tasks"] == {default_task("fashioniq"): ["photo", "photo"]}
    released = annotations.fashioniq(root).queries.set_index("query")
    split = data.queries.set_index("query")["split"]
    assert set(split.index[split == "test"]) == set(released.index[released["split"] == "val"])
    trained = released.index[released["split"] == "train"]
    assert set(split.index[split != "test"]) < set(trained)
    assert (split == "val").sum() == 1
    for query in data.queries.itertuples():
        assert query.text == released.loc[query.query, "text"]
    test = data.images[data.images["split"] == "test"]
    assert len(test) == test["label"].nunique() == 11
    lists = test.set_index("label")["category"]
    assert lists["B0SHARED"] == "shirt toptee"
    assert lists["B0VALDRESS0"] == "dress"
    assert data.info["protocol"] == "fashioniq/val-all"
    assert preset("fashioniq/val-all").drop_source
    assert "drawn with seed 0" in data.info["provenance"]["splits"]
    lines = data.info["left_out"]
    assert "images of the released test split, which has no targets: 12" in lines
    assert "queries without a target: 6" in lines
    seen = data.images[data.images["split"] == "train"]["label"]
    assert not set(seen) & set(data.images[data.images["split"] == "val"]["label"])


def test_rows_of_one_picture_share_its_place(root, photos):
    data = run(root, "--images", photos, "--size", 20)
    for label, rows in data.images.groupby("label"):
        assert len(rows[["part", "row"]].drop_duplicates()) == 1
        taken = data.take("photo", rows.index.to_numpy())
        assert taken.shape[1:] == (20, 20, 3)
        assert (taken == picture(label)[0, 0]).all()
    stored = sum(len(data.pixels("photo", part)) for part in set(data.images["part"]))
    assert stored == data.images["label"].nunique()


def test_it_trains_and_is_scored_by_every_rule(root, photos, monkeypatch, tmp_path):
    for name in ("RUNS", "RESULTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))
    data = run(root, "--images", photos, "--size", 32)
    trained = experiments.run(
        configure(
            "fashioniq",
            method="TIRG + DIM",
            model={"image_encoder": "convnet", "image_weights": "none", "embed_dim": 16},
            training={"steps": 3, "batch": 4, "evaluate_every": 3},
        ),
    )
    assert trained.record.steps == 3
    assert trained.record.task == "photo"
    assert trained.record.result["protocol"]["name"] == "fashioniq/val-all"
    assert trained.record.result["gallery"] == 11
    assert trained.record.result["queries"] == 6
    found = official_scores(trained)
    assert list(found) == [name for name, p in PRESETS.items() if p.pool and p.captions]
    # One of them by hand: the category's list, the source kept, both captions joined.
    part, expected = data.retrieval("test"), []
    categories = data.images["category"].to_numpy()[part.gallery]
    asked = data.queries[data.queries["split"] == "test"]["category"]
    queries, gallery = (
        x / np.linalg.norm(x, axis=1, keepdims=True)
        for x in (trained.features.queries, trained.features.gallery)
    )
    for q, category in enumerate(asked):
        here = [g for g in range(11) if category in categories[g].split()]
        assert len(here) == 4
        scores = {g: queries[q] @ gallery[g] for g in here}
        expected.append(1 + sum(s > scores[part.target[q]] + 1e-6 for s in scores.values()))
    results = found["fashioniq/original"]["categories"]
    assert [rank for c in results.values() for rank in c["ranks"]] == expected
    assert found["fashioniq/composeae-union"]["categories"]["dress"]["gallery"] == 11
    assert results["toptee"]["queries"] == 2
    assert found["fashioniq/val-union"]["categories"]["toptee"]["queries"] == 4  # one is empty


def test_a_missing_picture_says_what_it_costs(root, photos):
    (photos / "B0TWICE.png").unlink()
    message = r"B0TWICE .*is missing.*test/toptee 1 of 4 images, which 2 of its 2 queries.*"
    refused(root, f"{message}--allow-missing", "--images", photos)
    refused(root, "/shirt 1 of . images, which . of its . queries need", "--images", photos)


def test_missing_pictures_can_be_left_out_and_are_recorded(root, photos):
    (photos / "B0SHARED.png").unlink()
    (photos / "B0VALSHIRT2.png").unlink()
    data = run(root, "--images", photos, "--size", 8, "--allow-missing")
    coverage = data.info["coverage"]
    assert coverage["test/shirt"] == {"images": 4, "missing": 2, "queries": 2, "lost": 1}
    assert coverage["test/toptee"] == {"images": 4, "missing": 1, "queries": 2, "lost": 0}
    assert coverage["test/dress"]["missing"] == 0
    assert (data.queries["split"] == "test").sum() == 5
    for label, rows in data.images.groupby("label"):  # places are those of what is left
        assert (data.take("photo", rows.index.to_numpy()) == picture(label)[0, 0]).all()
    assert data.info["name"] == "fashioniq"
    assert preset(data.info["protocol"]).gallery.endswith("each once, 2 pictures missing")
    t = fashioniq_cirr.of_prepared(data)  # of itself the released validation split
    images = np.random.default_rng(0).normal(size=(len(t.images), 4))
    found = fashioniq_cirr.score(t, images, lambda _: images[:5], preset("fashioniq/original"))
    assert "3 images missing" in found["protocol"]["name"]  # one is missing from two lists


def test_either_ending_will_do_and_both_are_refused(root, photos):
    Image.fromarray(np.full((9, 9, 3), 7, np.uint8)).save(photos / "B0SHARED.jpg")
    refused(root, "B0SHARED.png differ in their endings alone", "--images", photos)
    (photos / "B0SHARED.png").unlink()
    data = run(root, "--images", photos, "--size", 8)
    row = data.images.index[data.images["label"] == "B0SHARED"].to_numpy()
    assert (data.take("photo", row) == 7).all()


def test_a_damaged_picture_is_named(root, photos):
    (photos / "B0SHARED.png").write_bytes((photos / "B0SHARED.png").read_bytes()[:-20])
    refused(root, "B0SHARED.png is no whole picture", "--images", photos)


def test_the_audit_refuses_other_counts(root, capsys):
    with pytest.raises(InputError, match=r"of 24 counts .*first triplets, train dress: 2, expect"):
        command_line.run(script.prepare, "--root", str(root), "--annotations-only")
    assert "expected 5,985" in capsys.readouterr().out
    assert not (paths.data() / "fashioniq").exists()


def test_the_audit_counts_what_it_says(root):
    counts = script.facts(annotations.fashioniq(root))
    assert list(counts) == list(script.EXPECTED)
    assert counts["captions, train and val"] == 24
    assert counts["empty captions, train and val"] == 1
    assert counts["test triplets with a target"] == 0
    assert counts["gallery of val dress, original"] == 4
    assert counts["gallery of val dress, images of its triplets (VAL)"] == 3
    assert counts["gallery of val, all categories, entries"] == 12
    assert counts["gallery of val, all categories, unique (ComposeAE)"] == 11
    assert counts["unique images of all splits"] == 34
    assert counts["images in train and val"] == 1
    assert counts["images in val shirt and val toptee"] == 1
    assert counts["val triplets whose target is in a training triplet"] == 1


def test_the_real_release_has_the_known_counts(real_data):
    counts = script.facts(annotations.fashioniq(real_data("fashioniq")))
    assert counts == script.EXPECTED


def test_a_second_run_opens_and_another_release_is_refused(root):
    before = run(root, "--annotations-only").manifest_hash
    assert run(root, "--annotations-only").manifest_hash == before
    path = root / "captions" / "cap.dress.val.json"
    path.write_text(path.read_text().replace("is red", "is blue"))
    with pytest.raises(InputError, match=r"prepared with other files; delete its dataset\.json"):
        run(root, "--annotations-only")


def test_the_manifest_names_its_files_and_no_folder_of_this_machine(root):
    info = run(root, "--annotations-only").info
    assert len(info["provenance"]["files"]) == 18
    assert info["provenance"]["kind"] == "released"
    assert "Community Data License Agreement" in info["licence"]
    assert str(root) not in json.dumps(info)


@pytest.mark.parametrize("inside", ["", "fashion-iq-master"])
def test_an_archive_of_the_annotations_will_do(root, tmp_path, inside):
    with zipfile.ZipFile(tmp_path / "iq.zip", "w") as file:
        for path in root.rglob("*.json"):
            file.write(path, PurePosixPath(inside, *path.relative_to(root).parts))
    command_line.run(
        script.prepare, "--archive", str(tmp_path / "iq.zip"), "--annotations-only", "--partial"
    )
    found = Prepared(paths.data() / "fashioniq")
    assert (
        found.info["tables_sha256"]
        == run(root, "--annotations-only", "--name", "fashioniq").info["tables_sha256"]
    )
    assert (paths.data() / "raw" / "fashioniq" / inside / "captions").is_dir()


def test_pictures_or_none_must_be_said(root):
    command_line.refused(script.prepare, "give --root, --archive", "--annotations-only")
    command_line.refused(
        script.prepare, "give one of --images, --image-features, --annotations-only", "--root", root
    )
    refused(root, "is no folder; --images names", "--images", root / "nowhere")
