"""Shards of features by a saved model: whole or not at all, made once, readable by every system."""

import numpy as np
import pytest
import tiny_folder
import tiny_pretrained as tiny
from typer.testing import CliRunner

from cmir_repro.cli import app
from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.feature_store import FeatureStore
from cmir_repro.experiments import embed as embedding
from cmir_repro.experiments.embed import embed, images_of, texts_of
from cmir_repro.experiments.presets.dim import configure
from cmir_repro.experiments.run import run
from cmir_repro.models.pretrained import Pretrained


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return str(tiny.save(tmp_path_factory.mktemp("clip"), "clip"))


def go(source, folder, out, texts=False, **more):
    return embed(source, Pretrained(folder, "cpu", texts), out, progress=False, **more)


@pytest.fixture
def pictures(tmp_path):
    root = tmp_path / "pictures"
    for number, name in enumerate(("b.jpg", "a.png", "sub/c.JPG")):
        tiny_folder.save(root / name, number)
    return root


def test_pictures_of_a_folder_are_known_by_their_names(pictures, clip, tmp_path):
    store = FeatureStore(go(images_of(pictures), clip, tmp_path / "out", shard=2))
    assert sorted(store.ids) == ["a", "b", "c"]
    assert store.shape == (6,)
    model = Pretrained(clip, "cpu", False)
    source = images_of(pictures)
    for row, name in enumerate(source.ids):
        alone = model.images(source.take([row]), False)[0]
        found = store.take(store.rows_of([name], "images"))[0]
        np.testing.assert_allclose(found, alone, rtol=2e-3, atol=1e-3)  # float16


def test_two_pictures_of_one_name_are_known_by_their_paths(pictures):
    tiny_folder.save(pictures / "sub" / "a.png", 7)
    assert sorted(images_of(pictures).ids) == ["a", "b", "sub/a", "sub/c"]


def test_it_goes_on_where_it_was_stopped(pictures, clip, tmp_path, monkeypatch):
    out, written = tmp_path / "out", []
    source, real = images_of(pictures), embedding.save_shard

    def stop_at_second(path, *rest):
        if written:
            raise KeyboardInterrupt
        written.append(path.name)
        real(path, *rest)

    monkeypatch.setattr(embedding, "save_shard", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        go(source, clip, out, shard=2)
    assert written == ["features-00000-of-00002.safetensors"]
    with pytest.raises(InputError, match="out lacks 1 of 2 shards, first features-00001-of-00002"):
        FeatureStore(out)
    monkeypatch.setattr(embedding, "save_shard", real)
    first = (out / written[0]).stat().st_mtime_ns
    go(source, clip, out, shard=2)
    assert (out / written[0]).stat().st_mtime_ns == first
    assert len(FeatureStore(out)) == 3


def test_a_folder_of_other_features_is_refused(pictures, clip, tmp_path):
    out = go(images_of(pictures), clip, tmp_path / "out")
    with pytest.raises(InputError, match=r"out holds features of something else .grid False"):
        go(images_of(pictures), clip, out, grid=True)
    other = str(tiny.save(tmp_path / "other", "clip", seed=1))
    with pytest.raises(InputError, match=r"something else .weights"):
        go(images_of(pictures), other, out)


def test_texts_are_their_own_ids_or_have_them_in_a_csv(clip, tmp_path):
    lines = tmp_path / "texts.txt"
    lines.write_text("make the red cube blue\nremove a sphere\nremove a sphere\n")
    store = FeatureStore(go(texts_of(lines), clip, tmp_path / "out", texts=True, grid=True))
    assert store.ids == ["make the red cube blue", "remove a sphere"]
    assert (store.shape, store.lengths.tolist()) == ((7, tiny.WIDTH), [7, 5])
    table = tmp_path / "texts.csv"
    table.write_text("id,text\nq1,remove a sphere\nq2,make the red cube blue\n")
    assert FeatureStore(go(texts_of(table), clip, tmp_path / "out2", texts=True)).ids == [
        "q1",
        "q2",
    ]
    table.write_text("id,text\nq1,remove a sphere\nq1,red\n")
    with pytest.raises(InputError, match=r"texts.csv: id 'q1' occurs twice"):
        texts_of(table)


@pytest.mark.parametrize("text", ["", "..."])
def test_a_text_without_a_word_is_named_with_its_file_and_id(tmp_path, text):
    table = tmp_path / "texts.csv"
    table.write_text(f"id,text\nq1,remove a sphere\nq2,{text}\n")
    with pytest.raises(InputError, match=r"texts\.csv: the text of id 'q2' has no word") as caught:
        texts_of(table)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("grid", [False, True])
def test_a_model_trains_on_what_was_embedded_of_its_data(tiny_css, clip, tmp_path, grid):
    images = go(images_of(tiny_css.folder), clip, tmp_path / "images", grid=grid, shard=50)
    texts = go(texts_of(tiny_css.folder), clip, tmp_path / "texts", texts=True, grid=grid)
    assert set(texts_of(tiny_css.folder).ids) >= set(tiny_css.queries["text"])
    for task in ("3d-3d", "2d-3d"):
        config = configure(
            task=task, method="TIRG + DIM", training={"steps": 1, "batch": 8},
            model={"embed_dim": 8}, image_features=images, text_features=texts,
        )  # fmt: skip
        assert run(config, progress=False).record.result["queries"] > 0


def test_numbers_that_float16_cannot_hold_are_refused(pictures, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(
        Pretrained, "images", lambda self, some, grid: np.full((len(some), 3), 1e6, np.float32)
    )
    with pytest.raises(InputError, match=r"gives numbers for '\w' that float16 cannot hold"):
        go(images_of(pictures), clip, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.safetensors"))
    go(images_of(pictures), clip, tmp_path / "other", precision="float32")


def test_places_without_pictures_or_texts_are_refused(tmp_path):
    with pytest.raises(InputError, match="neither a prepared data set nor a folder of pictures"):
        images_of(tmp_path / "none")
    with pytest.raises(InputError, match=r"has no pictures; their names end in .jpg"):
        images_of(tmp_path)
    with pytest.raises(InputError, match=r"nor a .txt or .csv file of texts"):
        texts_of(tmp_path)
    (tmp_path / "x.txt").write_text("\n")
    with pytest.raises(InputError, match=r"x.txt has no texts"):
        texts_of(tmp_path / "x.txt")


def test_the_lines_of_the_page_write_what_the_command_writes(pictures, clip, tmp_path):
    page = (paths.checkout() / "docs" / "features.md").read_text(encoding="utf-8")
    lines = page.partition("```python\n")[2].partition("```")[0]
    files = [pictures / "a.png", pictures / "b.jpg"]
    out = tmp_path / "by_hand.safetensors"
    exec(lines, {"folder": clip, "paths": files, "out": out})
    by_hand = FeatureStore(out)
    store = FeatureStore(go(images_of(pictures), clip, tmp_path / "out"))
    rows = store.rows_of(by_hand.ids, "images")
    np.testing.assert_allclose(by_hand.take(np.arange(2)), store.take(rows), rtol=1e-2, atol=1e-2)


def test_the_command_writes_shards_and_refuses_in_one_line(clip, tmp_path):
    (tmp_path / "texts.txt").write_text("make the red cube blue\nremove a sphere\n")
    typed = ["embed", str(tmp_path / "texts.txt"), "--model", clip, "--device", "cpu", "--out"]
    done = CliRunner().invoke(app, [*typed, str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "features of 2 texts" in done.stdout
    assert FeatureStore(tmp_path / "out").ids == ["make the red cube blue", "remove a sphere"]
    typed[3] = str(tmp_path / "none")
    lost = CliRunner().invoke(app, [*typed, str(tmp_path / "out")])
    assert lost.exit_code == 2
    assert lost.stderr.startswith("error: no whole AutoTokenizer in the folder")
