"""A protocol is a value: frozen, checked, stored whole, and never mixed."""

import dataclasses
import json

import numpy as np
import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import (
    ALIASES,
    CAPTIONS,
    PRESETS,
    Protocol,
    hashed,
    incomplete,
    only_protocol,
    preset,
)
from cmir_repro.core.scorers import names
from cmir_repro.evaluation import recall as evaluate


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name):
    stored = json.loads(json.dumps(preset(name).as_dict()))
    assert Protocol.from_dict(stored) == preset(name)
    assert stored["name"] == name


@pytest.mark.parametrize("name", ["tirg/css", "tirg/fashion200k", "tirg/mitstates"])
def test_tirg_leaves_the_source_out_and_reports_its_cutoffs(name):
    assert preset(name).drop_source
    assert preset(name).cutoffs == (1, 5, 10, 50, 100)


def test_an_unknown_preset_lists_what_there_is():
    with pytest.raises(InputError, match=r"'css'.*tirg/css"):
        preset("css")


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("tirg/css").ties = "best"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ties", "lucky"),
        ("tie_tolerance", -1e-6),
        ("tie_tolerance", float("nan")),
        ("cutoffs", (5, 1)),
        ("cutoffs", (1, 1)),
        ("cutoffs", (0, 1)),
        ("cutoffs", ()),
        ("cutoffs", (1.5,)),
        ("cutoffs", 10),
        ("drop_source", "yes"),
        ("relevance", ""),
        ("aggregate", "median"),
        ("pool", "everything"),
        ("captions", "shuffled"),
        ("subset_cutoffs", (3, 1)),
    ],
)
def test_impossible_values_are_refused(field, value):
    with pytest.raises(InputError, match=field):
        dataclasses.replace(preset("tirg/css"), **{field: value})


@pytest.mark.parametrize(("edit", "message"), [({"tiez": "mean"}, "unknown tiez"), ({}, "ties")])
def test_a_record_must_have_exactly_the_fields(edit, message):
    stored = preset("tirg/css").as_dict()
    del stored["ties"]
    if edit:
        stored["ties"] = "mean"
    with pytest.raises(InputError, match=message):
        Protocol.from_dict({**stored, **edit})


def test_a_changed_protocol_says_so_in_its_name():
    css = preset("tirg/css")
    assert css.changed(ties="worst").name == "tirg/css[ties=worst]"
    assert css.changed(ties="worst").ties == "worst"
    assert css.changed(ties="mean") is css


def test_a_column_takes_one_protocol():
    css = preset("tirg/css")
    assert only_protocol([css, css.as_dict()]) == css
    with pytest.raises(InputError, match=r"drop_source \(True and False\)"):
        only_protocol([css, dataclasses.replace(css, drop_source=False).as_dict()])
    with pytest.raises(InputError, match="name"):
        only_protocol([css, preset("tirg/mitstates")])
    with pytest.raises(InputError, match="at least one"):
        only_protocol([])


@pytest.mark.parametrize(
    ("name", "relevance"),
    [("own/same-caption", "same caption"), ("own/target", "the target image")],
)
def test_own_pictures_are_scored_as_tirg_scores(name, relevance):
    wanted = dataclasses.replace(preset("tirg/css"), name=name, relevance=relevance)
    assert preset(name) == wanted


def test_a_field_that_does_not_apply_is_not_stored():
    stored = preset("tirg/css").as_dict()
    assert sorted(stored) == sorted(
        ["name", "gallery", "drop_source", "relevance", "cutoffs", "ties", "tie_tolerance",
         "similarity", "aggregate"]
    )  # fmt: skip
    assert preset("cirr/official").as_dict()["subset_cutoffs"] == [1, 2, 3]


# Gallery, reference left out, queries a triplet: the matrix of codebases, row by row.
MATRIX = {
    "fashioniq/original": ("category", False, 1),
    "fashioniq/val-union": ("triplets", True, 2),
    "fashioniq/cosmo": ("category", True, 2),
    "fashioniq/cosmo-val": ("triplets", True, 2),
    "fashioniq/artemis": ("category", True, 2),
    "fashioniq/composeae-union": ("all categories", False, 1),
    "fashioniq/clip4cir": ("category", False, 1),
    "fashioniq/searle": ("category", False, 1),
    "fashioniq/magiclens": ("category", False, 1),
}


@pytest.mark.parametrize("name", MATRIX)
def test_the_fashioniq_matrix(name):
    protocol = preset(name)
    found = protocol.pool, protocol.drop_source, len(CAPTIONS[protocol.captions])
    assert found == MATRIX[name]
    assert protocol.aggregate == "mean over categories"
    assert protocol.cutoffs == (10, 50)


def test_no_two_presets_are_the_same_measurement():
    """Rows that are one are aliases, so that their results may share a column."""
    rules = [{**p.as_dict(), "name": ""} for p in PRESETS.values() if p.pool]
    assert all(rules.count(rule) == 1 for rule in rules)
    for alias, name in ALIASES.items():
        assert alias not in PRESETS
        assert preset(alias) is PRESETS[name]


def test_a_column_does_not_mix_fields_that_one_side_lacks():
    cirr = preset("cirr/official")
    other = dataclasses.replace(cirr, subset_cutoffs=None)
    for pair in ([cirr, other], [other, cirr]):
        with pytest.raises(InputError, match="subset_cutoffs"):
            only_protocol(pair)


# Images in the split, images ranked together, folds averaged.
BOTH = {
    "flickr30k-1k": (1000, None, None),
    "coco-5k": (5000, None, None),
    "coco-1k-5fold": (5000, 1000, 5),
    "coco-1k-first-fold": (5000, 1000, 1),
    "own/image-sentence": (None, None, None),
    "css/image-sentence": (None, None, None),
}


def test_the_presets_of_images_and_sentences():
    for name, sizes in BOTH.items():
        protocol = preset(name)
        assert (protocol.images, protocol.fold, protocol.folds) == sizes
        assert protocol.sentences == (5 if protocol.images else None)
        assert protocol.cutoffs == (1, 5, 10)
        assert not protocol.drop_source
    assert [name for name, p in PRESETS.items() if p.direction == "both"] == list(BOTH)
    stored = preset("coco-1k-5fold").as_dict()
    assert {key: stored[key] for key in ("direction", "fold", "folds", "images", "sentences")} == {
        "direction": "both", "fold": 1000, "folds": 5, "images": 5000, "sentences": 5
    }  # fmt: skip
    assert "fold" not in preset("coco-5k").as_dict()


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("coco-5k", {"direction": "i2t"}, "direction 'i2t' is unknown"),
        ("coco-5k", {"direction": None}, "aggregate 'each direction, .* does not go with"),
        ("coco-5k", {"aggregate": "mean over queries"}, "aggregate 'mean over queries' does not"),
        ("tirg/css", {"direction": "both"}, "does not go with direction 'both'"),
        ("tirg/css", {"fold": 10, "folds": 1}, "fold applies to protocols with direction"),
        ("coco-5k", {"fold": 1000}, "go together"),
        ("coco-1k-5fold", {"fold": None}, "go together"),
        ("coco-1k-5fold", {"folds": 0}, "folds must be a whole number from 1, got 0"),
        ("coco-1k-5fold", {"fold": 1000.0}, "fold must be a whole number"),
        ("coco-1k-5fold", {"folds": 6}, "6 folds of 1000 images exceed 5000"),
        ("coco-5k", {"images": True}, "images must be a whole number"),
        ("coco-5k", {"sentences": "5"}, "sentences must be a whole number"),
    ],
)
def test_impossible_folds_and_directions_are_refused(name, edit, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(preset(name), **edit)


def test_five_folds_and_the_first_do_not_share_a_column():
    with pytest.raises(InputError, match=r"folds \(5 and 1\)"):
        only_protocol([preset("coco-1k-5fold"), preset("coco-1k-first-fold").as_dict()])


def test_incomplete_data_have_a_protocol_of_their_own_name():
    name = incomplete("fashioniq/clip4cir", "3 pictures missing")
    found = preset(name)
    assert found.name == name
    assert found.name.startswith("fashioniq/original[gallery=")
    assert found.gallery == f"{preset('fashioniq/original').gallery}, 3 pictures missing"
    assert Protocol.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    with pytest.raises(InputError, match=r"differ in name .*, gallery"):
        only_protocol([found, preset("fashioniq/original")])
    with pytest.raises(InputError, match="'tirg/other' is unknown"):
        preset("tirg/other[gallery=all]")


@pytest.mark.parametrize("name", ["fashioniq/val-all", "cirr/val-all"])
def test_what_trained_runs_are_scored_by_promises_nothing_that_is_not_measured(name):
    """One gallery, one query a triplet, no subsets: all of it is in evaluate.score."""
    protocol = preset(name)
    assert protocol.aggregate == "mean over queries"
    assert protocol.drop_source
    assert protocol.pool is protocol.captions is protocol.subset_cutoffs is None
    assert {1, 5, 10, 50} <= set(protocol.cutoffs)


@pytest.mark.parametrize(("name", "similarity"), [("", "cosine"), ("/hamming", "hamming")])
def test_average_precision_is_always_of_both_depths(name, similarity):
    protocol = preset(f"map-all{name}")
    assert preset(f"map-at-queries{name}") is protocol
    assert protocol.similarity == similarity
    assert protocol.depths == ("all", "queries")
    assert protocol.relevance == "shares at least one category"
    assert not protocol.drop_source
    assert protocol.as_dict()["depths"] == ["all", "queries"]
    assert names("labels") == ["map-all", "map-all/hamming", "map-pairs", "map-pairs/hamming"]


def test_codes_keep_what_the_data_lack():
    name = incomplete("map-all", "3 pictures missing")
    assert hashed(name).name == name.replace("map-all", "map-all/hamming")
    assert hashed(name).gallery == preset(name).gallery
    with pytest.raises(InputError, match="'tirg/css/hamming' is unknown"):
        hashed("tirg/css")


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("map-all", {"depths": None}, "does not go with depths None"),
        ("tirg/css", {"depths": ("all",)}, "aggregate 'mean over queries' does not go with depths"),
        ("map-all", {"depths": ()}, "depths must be"),
        ("map-all", {"depths": ("all", "all")}, "each once"),
        ("map-all", {"depths": ("half",)}, "depths must be"),
        ("map-all", {"depths": (0,)}, "depths must be"),
        ("map-all", {"depths": "all"}, "depths must be"),
        ("map-all", {"similarity": "dot"}, "similarity 'dot' is unknown"),
        ("map-all", {"drop_source": True}, "drop_source does not go with depths"),
    ],
)
def test_impossible_depths_are_refused(name, edit, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(preset(name), **edit)


def test_recall_is_not_measured_under_the_protocol_of_average_precision():
    one = np.ones((2, 3))
    ranks = np.ones(2)
    pool = evaluate.pool(np.zeros(2, int), np.zeros(2, int), None, preset("map-all"))
    with pytest.raises(InputError, match="aggregate 'mean average precision over queries'"):
        evaluate.summary(ranks, preset("map-all"), 0, pool)
    with pytest.raises(InputError, match="similarity 'hamming'"):
        evaluate.ranks(one, one, [0, 0], [0, 0], None, preset("map-all/hamming"))
