"""Files for the servers of CIRR and CIRCO: written, scored offline, refused with the reason."""

import json

import numpy as np
import pytest
import tiny_benchmarks
import tiny_releases

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data.readers import benchmarks
from cmir_repro.evaluation import server_files
from cmir_repro.evaluation.features import save_features
from cmir_repro.evaluation.judged_files import score_files
from cmir_repro.evaluation.server_files import SERVERS, check, text, write

D = 5


@pytest.fixture(params=SERVERS)
def made(request, tmp_path, monkeypatch):
    """A release, features of both its splits, and the name of the protocol."""
    name = request.param
    root = (tiny_benchmarks.circo if name.startswith("circo") else tiny_releases.cirr)(tmp_path)
    if name == "cirr/recall":  # the tiny splits have eight images
        monkeypatch.setitem(SERVERS, name, SERVERS[name]._replace(places=7))
        short = preset(name).changed(cutoffs=(1, 5), measures=("R@1", "R@5"))
        monkeypatch.setattr(server_files, "preset", lambda _: short)
    return name, root, tmp_path


def features(made, split):
    name, root, folder = made
    judged = benchmarks.of_protocol(name)(root, split)
    draw = np.random.default_rng(0)
    for file, names in (("images", judged.images), ("queries", judged.ids)):
        save_features(folder / f"{file}.npz", names, draw.normal(size=(len(names), D)))
    return folder


@pytest.fixture
def file(made):
    """A good file of the test split."""
    name, root, folder = made
    write(folder / "out.json", name, root, features(made, "test"))
    return folder / "out.json"


def test_what_is_written_passes_and_has_no_answers(made, file):
    name, root, _ = made
    found = check(file, name, root)
    assert found == {"queries": len(json.loads(file.read_text())) - len(SERVERS[name].header),
                     "places": SERVERS[name].places}  # fmt: skip
    assert "as its server wants them" in text(file, found)


def test_on_val_it_is_scored_as_its_features_are(made):
    name, root, folder = made
    given = features(made, "val")
    found = write(folder / "val.json", name, root, given, "val")
    rule = server_files.preset(name)
    wanted = score_files(given, root, rule)
    assert found["result"]["metrics"] == wanted["metrics"]
    assert "gallery items" in text(folder / "val.json", found)


def edited(file, edit):
    value = json.loads(file.read_text())
    query = next(key for key in value if key not in ("version", "metric"))
    edit(value, query)
    file.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda v, q: v.pop(q), r"lacks 1 of \d+ queries, first '\d+'; the server wants all"),
        (lambda v, q: v.update(x=v[q]), "holds 1 keys that are no query of the split, first 'x'"),
        (lambda v, q: v[q].pop(), r"has \d+ images, the server wants"),
        (lambda v, q: v[q].__setitem__(1, v[q][0]), "twice; the server refuses the file without"),
        (lambda v, q: v[q].__setitem__(0, 1.5), "must be a list of ids"),
        (lambda v, q: v.update({q: "x"}), "must be a list of ids"),
    ],
)
def test_every_server_refuses(edit, message, made, file):
    name, root, _ = made
    edited(file, edit)
    with pytest.raises(InputError, match=message) as caught:
        check(file, name, root)
    assert "\n" not in str(caught.value)


def test_images_of_another_kind_or_split(made, file):
    name, root, _ = made
    other = {int: "5", str: 5}[SERVERS[name].kind]
    edited(file, lambda v, q: v[q].__setitem__(0, other))
    with pytest.raises(InputError, match=r"must be (a whole number|text), an id of an image"):
        check(file, name, root)
    strange = SERVERS[name].kind(5)
    edited(file, lambda v, q: v[q].__setitem__(0, strange))
    with pytest.raises(InputError, match="is not among the images that are ranked"):
        check(file, name, root)


def test_cirrs_header_and_reference(made, file):
    name, root, _ = made
    if not SERVERS[name].header:
        pytest.skip("CIRCO's files have no header, and may list the reference")
    judged = benchmarks.of_protocol(name)(root, "test")
    sources = dict(zip(judged.ids.tolist(), judged.source.tolist(), strict=True))
    edited(file, lambda v, q: v[q].__setitem__(0, sources[q]))
    with pytest.raises(InputError, match="lists the query's own reference"):
        check(file, name, root)
    edited(file, lambda v, q: v.update(metric="recal"))
    with pytest.raises(InputError, match="the key 'metric' must be 'recall"):
        check(file, name, root)
    edited(file, lambda v, q: v.pop("version"))
    with pytest.raises(InputError, match="the key 'version' must be 'rc2', got None"):
        check(file, name, root)


def test_lists_in_the_order_of_their_ids(made, file):
    name, root, _ = made
    if SERVERS[name].places == 3:
        pytest.skip("three images may well be in the order of their ids")

    def edit(value, _):
        for items in value.values():
            if isinstance(items, list):
                items.sort()

    edited(file, edit)
    with pytest.raises(InputError, match="every list is in the order of its ids"):
        check(file, name, root)


def test_too_large_for_the_server(made, file, monkeypatch):
    name, root, _ = made
    monkeypatch.setattr(server_files, "LARGEST", 10)
    if SERVERS[name].header:
        with pytest.raises(InputError, match="over 5 MB"):
            check(file, name, root)
    else:
        check(file, name, root)


def test_the_servers_are_those_of_the_releases():
    assert {name: server.places for name, server in SERVERS.items()} == {
        "circo/official": 50,
        "cirr/recall": 50,
        "cirr/recall_subset": 3,
    }
    with pytest.raises(InputError, match="allowed: circo/official, cirr/recall"):
        check("a.json", "cirr/official", "nowhere")
