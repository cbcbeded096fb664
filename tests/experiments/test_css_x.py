"""CSS-X from preparation to a diagnosis: of a run, and of feature files."""

import numpy as np
import pytest
import tiny_runs

import cmir_repro as cmir
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data import registry
from cmir_repro.data.css import world
from cmir_repro.evaluation.features import save_features
from cmir_repro.experiments import css_x


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("CMIR_HOME", str(tmp_path_factory.mktemp("home")))
    yield cmir.prepare("css-x", sources=4)
    patch.undo()


def test_what_is_prepared_opens_again_with_pictures_of_its_scenes(prepared):
    assert registry.open("css-x").manifest_hash == prepared.manifest_hash
    assert cmir.prepare("css-x", sources=4).manifest_hash == prepared.manifest_hash
    assert prepared.images["label"].is_unique
    assert prepared.pixels("3d", "test").shape == (len(prepared.images), 60, 90, 3)
    row = prepared.images.iloc[-1]
    drawn = cmir.data.css.render_2d.render_2d(world.from_label(row["label"])[None])
    assert np.array_equal(prepared.take("2d", np.array([len(prepared.images) - 1])), drawn)
    with pytest.raises(InputError, match="sources"):
        cmir.prepare("css-x", sources=5)


def features(tmp_path, prepared, queries):
    test = prepared.retrieval("test")
    gallery = np.eye(len(test.gallery_ids))
    files = tmp_path / "q.npz", tmp_path / "g.npz"
    save_features(files[0], test.query_ids, queries(test, gallery))
    save_features(files[1], test.gallery_ids, gallery)
    return files


def test_features_that_know_the_target_confuse_nothing(tmp_path, prepared):
    files = features(tmp_path, prepared, lambda test, gallery: gallery[test.target])
    found = css_x.of_files(*files, preset("css-x"))
    assert (found.recall["value"] == 100).all()
    assert (found.confused["value"] == 0).all()
    assert found.wording["value"] == 0
    assert "same edit, other source" in css_x.text(found)
    assert css_x.as_dict(found)["recall"][0]["value"] == 100


def test_features_of_the_source_prefer_it_always(tmp_path, prepared):
    files = features(tmp_path, prepared, lambda test, gallery: gallery[test.source])
    found = css_x.of_files(*files, preset("css-x"))
    confused = found.confused.set_index("kind")["value"]
    assert confused["unedited source"] == 100
    first = found.recall.set_index(["pool", "metric"])["value"]
    assert first["everything", "R@1"] == first["the same source", "R@1"] == 0


@pytest.mark.usefixtures("tiny_css")
def test_a_run_of_css_is_diagnosed_and_others_are_refused():
    data = cmir.prepare("css-x", sources=2)
    run = tiny_runs.make("dim")
    found = css_x.of_run(run)
    assert found.forms["queries"].sum() == len(data.queries)
    assert found.recall["value"].between(0, 100).all()
    run.experiment.config = run.experiment.config.model_copy(update={"dataset": "photos"})
    with pytest.raises(InputError, match="not dim on photos"):
        css_x.of_run(run)
