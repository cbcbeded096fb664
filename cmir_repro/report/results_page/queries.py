"""What each query of a set looks like: picture, text, and its right answer; and what is found."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cmir_repro.data.labelled import labelled
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.sentences import image_text, pairs
from cmir_repro.report.results_page.album import NONE, Album

# Of one query: places of its picture and its answer's in the album, its text, its answer's text.
Shown = tuple[int, str, int, str]
Item = tuple[int, str]  # picture and text of something that is found
NOTHING: Shown = (NONE, "", NONE, "")


class Looks(NamedTuple):
    """How queries and items of a task look; both are given a direction and an id."""

    query: Callable[[str, str], Shown]
    item: Callable[[str, str], Item]


def looks(asked: dict, album: Album) -> Looks | None:
    """How the queries of a set of `records.asked_sets` look; None where its data are not here.

    Raises:
        InputError: the data here lack what the task needs.
    """
    data = album.data(asked["dataset"], asked["scale"], asked["tables"])
    return data and _LOOKS[asked["system"]](data, asked["scale"], asked["task"], album)


def _composed(data: Prepared, scale: str, task: str, album: Album) -> Looks:
    source_view, target_view = data.views_of(task)
    table = data.queries[data.queries["split"] == "test"].set_index("query")
    told = {q: (r["source"], r["text"], r["target"]) for q, r in table.to_dict("index").items()}

    def query(direction: str, name: str) -> Shown:
        if name not in told:
            return NOTHING
        source, text, target = told[name]
        pictured = album.add(data, scale, source_view, source)
        return pictured, text, album.add(data, scale, target_view, target), ""

    return Looks(query, lambda _, name: (album.add(data, scale, target_view, name), ""))


def _image_text(data: Prepared, scale: str, name: str, album: Album) -> Looks:
    task = image_text(data, name)
    part = pairs(data, task.table, "test")
    own = part.image_ids[part.image_of].tolist()
    text = dict(zip(part.sentence_ids.tolist(), part.texts, strict=True))
    image = dict(zip(part.sentence_ids.tolist(), own, strict=True))
    first = dict(zip(own[::-1], part.texts[::-1], strict=True))

    def query(direction: str, name: str) -> Shown:
        if direction == "i2t":
            return album.add(data, scale, task.view, name), "", NONE, first.get(name, "")
        target = album.add(data, scale, task.view, image.get(name, ""))
        return NONE, text.get(name, ""), target, ""

    def item(direction: str, name: str) -> Item:
        if direction == "i2t":
            return NONE, text[name]
        return album.add(data, scale, task.view, name), ""

    return Looks(query, item)


def _labels(data: Prepared, scale: str, name: str, album: Album) -> Looks:
    task = labelled(data, name)
    row = {name: n for n, name in enumerate(task.ids.tolist())}
    tags, categories = np.array(task.words), np.array(task.categories)

    def text(name: str) -> str:
        there = task.kind == "tags" and name in row
        return " ".join(tags[task.text[row[name]] > 0].tolist()) if there else ""

    def query(direction: str, name: str) -> Shown:
        if name not in row:
            return NOTHING
        of = ", ".join(categories[task.labels[row[name]]].tolist())
        if direction == "i2t":
            return album.add(data, scale, task.view, name), "", NONE, of
        return NONE, text(name), NONE, of

    def item(direction: str, name: str) -> Item:
        if direction == "i2t":
            return NONE, text(name)
        return album.add(data, scale, task.view, name), ""

    return Looks(query, item)


_LOOKS = {"dim": _composed, "aai": _image_text, "crcgs": _labels}
