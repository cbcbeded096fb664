"""A protocol is a value: frozen, checked, stored whole, and never mixed."""

import dataclasses
import json

import pytest

from cmir_repro.errors import InputError
from cmir_repro.protocol import ALIASES, CAPTIONS, PRESETS, Protocol, only_protocol, preset


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
    with pytest.raises(InputError, match=r"'css'.*tirg/css, tirg/fashion200k"):
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
