"""A protocol is a value: frozen, checked, stored whole, and never mixed."""

import dataclasses
import json

import pytest

from cmir_repro.errors import InputError
from cmir_repro.protocol import PRESETS, Protocol, only_protocol, preset


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
