"""A user's own methods, compositors and features become rows beside those of the tables."""

import numpy as np
import pytest
import tiny_labels
import tiny_runs
import torch
from made_up_records import keep, made_up

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.features import save_features
from cmir_repro.experiments import grid, ledger, own
from cmir_repro.experiments.presets import aai, crcgs, dim
from cmir_repro.experiments.run import run
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.models.compositors import COMPOSITORS, Compositor


class Mine(Compositor):
    """Image and text, half each."""

    def __init__(self, channels, embed_dim):
        super().__init__()

    def forward(self, image, text, head):
        return (image.vector + text.vector) / 2


@pytest.fixture(autouse=True)
def home(tiny_css, monkeypatch):
    monkeypatch.setitem(COMPOSITORS, "mine", Mine)  # taken out again afterwards
    COMPOSITORS.pop("mine")


# Methods


def test_a_registered_method_is_configured_run_and_found_as_a_row():
    own.register_method("dim", "Narrow", {"compositor": "tirg", "embed_dim": 8})
    assert dim.configure(method="Narrow").model.embed_dim == 8
    record = run(dim.configure(method="Narrow", training=tiny_runs.TRAINING), progress=False).record
    assert (record.kind, record.system) == ("run", "dim")
    (method, records), *others = own.rows("dim", "css", "mini", "3d-3d").items()
    assert (method, [r.run for r in records], others) == ("Narrow", [record.run], [])
    assert own.rows("dim", "css", "paper", "3d-3d") == {}
    assert own.rows("aai", "css", "mini", "3d-3d") == {}


def test_a_registered_method_is_in_the_grid_only_where_it_is_named():
    own.register_method("aai", "Wide", {"width": 384})
    assert {cell.method for cell in grid.cells("aai")} == set(aai.METHODS)
    assert [cell.model.width for cell in grid.cells("aai", methods=["Wide"])] == [384] * 3


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_name_of_the_tables_is_refused(system):
    (taken,) = list(SYSTEMS[system].presets.METHODS)[:1]
    with pytest.raises(InputError, match=f"have a method '{taken}' of their own"):
        own.register_method(system, taken, {})
    with pytest.raises(InputError, match="have a method '' of their own"):
        own.register_method(system, "", {})


def test_settings_that_do_not_fit_are_refused_and_not_kept():
    with pytest.raises(InputError, match="unknown key 'width'; allowed: image_encoder"):
        own.register_method("dim", "Narrow", {"width": 8})
    with pytest.raises(InputError, match="system 'dum' is unknown; allowed: dim, aai, crcgs"):
        own.register_method("dum", "Narrow", {})
    with pytest.raises(InputError, match="method 'Narrow' is unknown"):
        dim.configure(method="Narrow")


def test_settings_are_changed_by_registering_again_and_both_keep_their_rows():
    for width in (8, 16):
        own.register_method("dim", "Narrow", {"embed_dim": width})
        for seed in (0, 1):
            config = dim.configure(method="Narrow", seed=seed).model_dump(mode="json")
            keep(made_up("Narrow", seed, config=config, run=f"narrow-{width}-{seed}"))
    found = own.rows("dim", "css", "mini", "3d-3d")
    assert sorted([r.seed for r in records] for records in found.values()) == [[0, 1], [0, 1]]
    assert all(row.startswith("Narrow (") for row in found)
    own.register_method("crcgs", "Narrow", {"hidden": 8})
    assert crcgs.configure(method="Narrow").model.hidden == 8
    assert dim.configure(method="Narrow").model.embed_dim == 16


def test_runs_that_nobody_registered_are_no_rows():
    keep(made_up("TIRG"))
    keep(made_up("Some trial", config={"method": "Some trial"}))
    assert own.rows("dim", "css", "mini", "3d-3d") == {}


def test_a_registered_compositor_trains_with_and_without_dim():
    own.register_compositor("mine", Mine, "My fusion")
    for method, bound in (("My fusion", False), ("My fusion + DIM", True)):
        config = dim.configure(method=method, model={"embed_dim": 8}, training=tiny_runs.TRAINING)
        done = run(config, progress=False)
        assert type(done.system.compositor) is Mine
        assert ("bound A" in done.losses()) == bound
    assert list(own.rows("dim", "css", "mini", "3d-3d")) == ["My fusion", "My fusion + DIM"]
    own.register_compositor("mine", Mine, "My fusion")  # as a cell that is run twice does


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        ("tirg", Mine, "the name 'tirg' is that of TIRG"),
        ("mine", "Mine", "must be a class derived from Compositor"),
        ("mine", torch.nn.Linear, "must be a class derived from Compositor"),
    ],
)
def test_what_is_no_compositor_of_ones_own_is_refused(key, kind, message):
    with pytest.raises(InputError, match=message):
        own.register_compositor(key, kind, "My fusion")


# Features


def saved(folder, **files):
    """Feature files in another order than the data's: name -> path."""
    out = {}
    for name, (ids, features) in files.items():
        order = np.random.default_rng(0).permutation(len(ids))
        out[name] = folder / f"{name}.npz"
        save_features(out[name], np.asarray(ids, dtype=str)[order], np.asarray(features)[order])
    return out


def of_run(system, folder):
    """A tiny run, and its features as files."""
    done = tiny_runs.make(system)
    found = done.features
    if system == "dim":
        part = done.task.split("test")
        queries = (part.query_ids, found.queries)
        return done, saved(folder, queries=queries, gallery=(part.gallery_ids, found.gallery))
    if system == "aai":
        pairs = done.task.split("test")
        images = (pairs.image_ids, found.images)
        return done, saved(folder, images=images, sentences=(pairs.sentence_ids, found.sentences))
    ids, sides = done.task.labelled.ids, {"images": found.images, "texts": found.texts}
    return done, saved(folder, **{name: (ids, side["cosine"]) for name, side in sides.items()})


@pytest.mark.parametrize("system", SYSTEMS)
def test_features_are_scored_as_the_run_they_come_from(system, tmp_path):
    done, files = of_run(system, tmp_path)
    record = own.record_scores(system, "My features", files)
    assert (record.kind, record.origin, record.config) == ("features", "own", {})
    assert record.result["metrics"] == done.record.result["metrics"]
    assert record.result["protocol"] == done.record.result["protocol"]
    assert record.data["tables"] == done.record.data["tables"]
    assert record.files.keys() == set(files)
    kept, wanted = ledger.queries(record.run), ledger.queries(done.record.run)
    if system == "crcgs":  # the run has codes, too
        wanted = wanted[wanted["scoring"] == "cosine"]
    assert kept.equals(wanted)
    assert ledger.read(record.run) == record
    found = own.rows(system, "css", "mini", record.task)
    assert found == {"My features": [record]}


def test_whole_numbers_are_codes(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    tiny_labels.write(tmp_path / "data")
    ids = SYSTEMS["crcgs"].experiment(crcgs.configure("tiny-labels"), progress=False)
    ids = ids.task.labelled.ids
    codes = np.random.default_rng(0).integers(0, 2, (2, len(ids), 6))
    files = saved(tmp_path, images=(ids, codes[0]), texts=(ids, codes[1]))
    record = own.record_scores("crcgs", "My codes", files, "tiny-labels")
    assert list(record.result["by_scoring"]) == ["hamming-6"]
    signs = saved(tmp_path, images=(ids, codes[0]), texts=(ids, 2.0 * codes[1] - 1))
    again = own.record_scores("crcgs", "My signs", signs, "tiny-labels")
    assert again.result["metrics"] == record.result["metrics"]
    for texts, said in (
        (codes[1] + 3, r"images\.npz and .*texts\.npz: texts code row"),
        (codes[1] + 0.5, "images are codes and texts are features; give codes of both"),
        (codes[1] * 0.0, "images are codes and texts are features"),
    ):
        files = saved(tmp_path, images=(ids, codes[0]), texts=(ids, texts))
        with pytest.raises(InputError, match=said):
            own.record_scores("crcgs", "My codes", files, "tiny-labels")


def test_seeds_of_features_share_a_row_and_another_try_has_its_own(tmp_path):
    for seed, run_name in ((0, "a-1"), (1, "a-2"), (1, "a-3")):
        keep(made_up("Mine", seed, run=run_name, kind="features", config={}))
    found = own.rows("dim", "css", "mini", "3d-3d")
    assert {row: [r.run for r in records] for row, records in found.items()} == {
        "Mine (features)": ["a-1", "a-2"],
        "Mine (3)": ["a-3"],
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": {"queries": "q.npz"}}, "dim are the files queries, gallery; got queries"),
        ({"method": "TIRG"}, "have a method 'TIRG' of their own"),
        ({"dataset": "bags"}, "'bags' is not prepared yet"),
        ({"task": "4d"}, "task of css '4d' is unknown"),
        ({"files": {"queries": "q.npz", "gallery": "g.npz"}}, "q.npz"),
    ],
)
def test_what_cannot_be_recorded_is_refused_in_one_line(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    ids = {"queries": (["a"], np.ones((1, 2))), "gallery": (["b"], np.ones((1, 2)))}
    given = {"system": "dim", "method": "Mine", "files": saved(tmp_path, **ids), **change}
    with pytest.raises(InputError, match=message) as error:
        own.record_scores(**given)
    assert "\n" not in str(error.value)
    assert not (paths.results() / "records").exists()


def test_features_of_other_ids_are_refused(tmp_path):
    files = saved(tmp_path, queries=(["a"], np.ones((1, 2))), gallery=(["b"], np.ones((1, 2))))
    with pytest.raises(InputError, match=r"lacks .* expected ids"):
        own.record_scores("dim", "Mine", files)
