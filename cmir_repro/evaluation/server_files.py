"""The files that the servers of CIRR and CIRCO score: written, and checked before they are sent.

CIRR's server (Test-split_server.md of Cuberick-Orion/CIRR) wants two files, of recall and of recall
in the query's set; CIRCO's (README of miccunifi/CIRCO) one. Both are down for days at times, and
neither says what is wrong with a file.
"""

import json
from pathlib import Path
from typing import NamedTuple

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import write_text
from cmir_repro.core.protocol import preset
from cmir_repro.data.judged import Judged
from cmir_repro.data.readers.files import read_json
from cmir_repro.evaluation import judged as scoring
from cmir_repro.evaluation import judged_files, ranked_lists

LARGEST = 5 * 10**6  # bytes that CIRR's server takes
SORTED_FROM = 3  # places from which a list that is sorted by its ids looks like no ranking


class Server(NamedTuple):
    """What a server wants: its header, the places of a list, and what ids of images are in JSON."""

    header: dict[str, str]
    places: int
    kind: type


SERVERS = {
    "circo/official": Server({}, 50, int),
    "cirr/recall": Server({"version": "rc2", "metric": "recall"}, 50, str),
    "cirr/recall_subset": Server({"version": "rc2", "metric": "recall_subset"}, 3, str),
}


def write(file: Path, protocol: str, annotations: Path, source: Path, split: str = "test") -> dict:
    """Rank a source of `judged_files` (features, scores, lists), write the file and check it.

    Returns:
        As `check`.
    """
    one_of("protocol of a server", protocol, SERVERS)
    server, rule = SERVERS[protocol], preset(protocol)
    judged = judged_files.asked(protocol, annotations, split)
    given = judged_files.read_source(source, judged)
    lists = given.lists or scoring.top(judged, given.scores, rule, server.places, given.tolerance)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in server.header.items()]
    for name in (name for name in judged.ids.tolist() if name in lists):  # others may be there
        items = [server.kind(item) for item in lists[name].items[: server.places].tolist()]
        lines.append(f"{json.dumps(name)}: {json.dumps(items)}")
    write_text(Path(file), "{" + ",\n".join(lines) + "}\n")
    return check(file, protocol, annotations, split)


def check(file: Path, protocol: str, annotations: Path, split: str = "test") -> dict:
    """Refuse a file for what its server would refuse, or count wrongly, without saying so.

    Returns:
        "queries", "places"; and where the split has answers the "result" of `judged.summary`.

    Raises:
        InputError: the first fault, what to do about it, and where others have it how many.
    """
    one_of("protocol of a server", protocol, SERVERS)
    file, server = Path(file), SERVERS[protocol]
    judged = judged_files.asked(protocol, annotations, split)
    value = read_json(file, dict)
    for key, wanted in server.header.items():
        if value.get(key) != wanted:
            raise InputError(
                f"{file}: the key {key!r} must be {wanted!r}, got {value.get(key)!r:.40}; without "
                "it the server takes no file"
            )
    if server.header and file.stat().st_size > LARGEST:
        raise InputError(f"{file} has over 5 MB, which the server refuses; list fewer images")
    lists = ranked_lists.read(file)
    _check_queries(file, judged, lists)
    _check_lists(file, judged, value, server)
    found = {"queries": len(lists), "places": server.places}
    if all(map(len, judged.relevant)):
        rule = preset(protocol)
        found["result"] = scoring.summary(judged, scoring.of_lists(judged, lists, rule), rule)
    return found


def _check_queries(file: Path, judged: Judged, lists: dict) -> None:
    asked = judged.ids.tolist()
    missing, unknown = [x for x in asked if x not in lists], sorted(lists.keys() - set(asked))
    if missing:
        raise InputError(
            f"{file} lacks {len(missing)} of {len(asked)} queries, first {missing[0]!r}; the "
            "server wants all of them"
        )
    if unknown:
        raise InputError(
            f"{file} holds {len(unknown)} keys that are no query of the split, first "
            f"{unknown[0]!r}; is it of another split?"
        )


def _check_lists(file: Path, judged: Judged, value: dict, server: Server) -> None:
    members = {name: set(items.tolist()) for name, items in judged.galleries.items()}
    in_order = 0
    for row, name in enumerate(judged.ids.tolist()):
        items, place = value[name], f"{file}, query {name!r}"
        source, there = str(judged.source[row]), members[judged.gallery[row]]
        if len(items) != server.places:
            raise InputError(f"{place}: has {len(items)} images, the server wants {server.places}")
        if len(set(map(str, items))) < len(items):
            twice = next(item for i, item in enumerate(items) if item in items[:i])
            raise InputError(
                f"{place}: lists {twice!r} twice; the server refuses the file without naming it"
            )
        for item in items:
            if type(item) is not server.kind:
                kind = {int: "a whole number", str: "text"}[server.kind]
                raise InputError(f"{place}: {item!r:.40} must be {kind}, an id of an image")
            if str(item) not in there:
                raise InputError(
                    f"{place}: {item!r:.40} is not among the images that are ranked; is it of "
                    "another split?"
                )
        if server.header and source in items:
            raise InputError(
                f"{place}: lists the query's own reference {source!r}, which is never right and "
                "takes a place; leave it out"
            )
        in_order += len(items) >= SORTED_FROM and items in (sorted(items), sorted(items)[::-1])
    if server.places > SORTED_FROM and in_order == len(judged.ids):
        raise InputError(
            f"{file}: every list is in the order of its ids; the best image must come first"
        )


def text(file: Path, found: dict) -> str:
    """What `check` found, as text."""
    lines = [f"{file}: {found['queries']} queries with {found['places']} images each, as its "
             "server wants them"]  # fmt: skip
    return "\n".join([*lines, *([scoring.table(found["result"])] if "result" in found else [])])
