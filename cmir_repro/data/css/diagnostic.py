"""CSS-X: edits of which every right answer and every telling wrong one is known.

What benchmarks of photographs cannot give: all valid answers, hard negatives of named kinds,
several sentences for one edit, chained edits. For each source a group of queries per form of edit;
the queries of a group are paraphrases: other descriptions of the same object, in the grammar that
training sentences have. All sizes and draws are our choice.

A scene is an int8 array (9, 4), see `scenes`; an object's description is a tuple of the names of
what is said of it, in the order of NAMED.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, one_of
from cmir_repro.data.css import world
from cmir_repro.data.css.scenes import (
    CELLS,
    COLOR,
    COLORS,
    EMPTY,
    FIELDS,
    SIZES,
    matching,
)

VERSION = 1  # of groups, sentences and candidates; raise it when any of them changes on purpose
PARAPHRASES = 3  # sentences a group at most
OTHER_SOURCES = 3  # sources on which a group's edit is also shown
FORMS = ("make colour", "make size", "remove", "add", "add, one thing unsaid", "two edits")
NAMED = ("place", "size", "colour", "shape")
_FIELDS = {name: field for name, (field, _) in FIELDS.items()}
_VALUES = {name: words for name, (_, words) in FIELDS.items()}
ANSWER = "answer"
# Kinds of hard negatives, each a scene that is wrong in one way only.
UNEDITED, ELSEWHERE = "unedited source", "same edit, other source"
WRONG = {name: f"wrong {name}" for name in ("colour", "shape", "size", "place")}
HALVES = ("first edit only", "second edit only")
KINDS = (ANSWER, UNEDITED, *WRONG.values(), ELSEWHERE, *HALVES)


class Group(NamedTuple):
    """One edit of one source.

    texts: its paraphrases. candidates: (kind, scene), the answers first; no scene twice.
    """

    form: str
    source: int
    texts: tuple[str, ...]
    candidates: tuple[tuple[str, np.ndarray], ...]


def groups(sources: int, seed: int) -> tuple[np.ndarray, list[Group]]:
    """Source scenes (N, 9, 4) int8, with the pairs of colour and shape of the test split, and at
    most one group of each form for each; a form that a scene does not allow is left out.
    """
    scenes = world.generate(sources, 0, "test", seed).scenes
    rng = np.random.Generator(np.random.Philox(key=[seed, VERSION]))
    made = (_group(form, number, scenes, rng) for number in range(len(scenes)) for form in FORMS)
    return scenes, [group for group in made if group is not None]


def _group(form: str, number: int, scenes: np.ndarray, rng: np.random.Generator) -> Group | None:
    scene = scenes[number]
    edit = _EDITS[form](scene, rng)
    if edit is None:
        return None
    texts, answers, negatives, elsewhere = edit
    others = [
        (ELSEWHERE, after)
        for other in rng.permutation(len(scenes))
        if other != number and (after := elsewhere(scenes[other])) is not None
    ][:OTHER_SOURCES]
    found = [(ANSWER, answer) for answer in answers]
    found += [(UNEDITED, scene), *negatives, *others]
    candidates, seen = [], set()
    for kind, one in found:
        key = world.labels(one[None])[0]
        if key not in seen and _allowed(one):
            seen.add(key)
            candidates.append((kind, one))
    return Group(form, number, tuple(texts), tuple(candidates))


def _make(field: str, scene: np.ndarray, rng: np.random.Generator):
    """An object gets another colour or size; a wrong place is another object that gets it."""
    cell = _draw(rng, np.flatnonzero(scene[:, COLOR] != EMPTY))
    values = [v for v in range(len(_VALUES[field])) if v != scene[cell, _FIELDS[field]]]
    values = [v for v in values if _allowed(_with(scene, cell, **{field: v}))]
    if not values:
        return None
    value = values[rng.integers(len(values))]
    after = _with(scene, cell, **{field: value})
    said = _descriptions(scene, cell, rng)
    texts = [f"make {_words(scene[cell], cell, what)} {_VALUES[field][value]}" for what in said]

    def elsewhere(other: np.ndarray) -> np.ndarray | None:
        match = _match(other, scene[cell], cell, said[0])
        changed = other.copy()
        changed[match, _FIELDS[field]] = value
        return changed if match.any() and (changed != other).any() else None

    wrong = [(WRONG["place"], _with(scene, c, **{field: value})) for c in _others(scene, cell)[:2]]
    return texts, [after], [*_wrong_values(scene, after, cell, rng), *wrong], elsewhere


def _remove(scene: np.ndarray, rng: np.random.Generator):
    """An object goes; a wrong place is another object that goes."""
    cell = _draw(rng, np.flatnonzero(scene[:, COLOR] != EMPTY))
    said = _descriptions(scene, cell, rng)
    texts = [f"remove {_words(scene[cell], cell, what)}" for what in said]

    def elsewhere(other: np.ndarray) -> np.ndarray | None:
        match = _match(other, scene[cell], cell, said[0])
        return _without(other, match) if match.any() else None

    wrong = [(WRONG["place"], _without(scene, c)) for c in _others(scene, cell)[:3]]
    return texts, [_without(scene, cell)], wrong, elsewhere


def _add(scene: np.ndarray, rng: np.random.Generator, unsaid: bool = False):
    """A new object; with one thing unsaid every value of it is right."""
    free = np.flatnonzero(scene[:, COLOR] == EMPTY)
    if len(free) < 2:
        return None
    allowed = np.argwhere(world.allowed_pairs("test"))
    color, shape = allowed[rng.integers(len(allowed))]
    thing = np.array([color, shape, rng.integers(len(SIZES)), 0], dtype=np.int8)
    cell = _draw(rng, free)
    left_out = ("place", "size", "colour")[rng.integers(3)] if unsaid else ""
    said = tuple(name for name in NAMED if name != left_out)
    words = _words(thing, cell, tuple(name for name in said if name != "place"))
    text = f"add {words}" + (f" to {CELLS[cell]}" if "place" in said else "")
    first = _put(scene, cell, thing)
    answers = [first]
    if left_out == "place":
        answers += [_put(scene, c, thing) for c in free if c != cell]
    elif left_out:
        values = range(len(_VALUES[left_out]))
        answers += [_with(first, cell, **{left_out: v}) for v in values]
        answers = [one for one in answers if _allowed(one)]

    def elsewhere(other: np.ndarray) -> np.ndarray | None:
        return _put(other, cell, thing) if other[cell, COLOR] == EMPTY else None

    wrong = _wrong_values(scene, first, cell, rng)  # what is an answer too is left out later
    if left_out != "place":
        wrong += [(WRONG["place"], _put(scene, c, thing)) for c in free if c != cell][:2]
    return [text], answers, wrong, elsewhere


def _two(scene: np.ndarray, rng: np.random.Generator):
    """An object is recoloured and another removed, in one sentence after the other: the grammar
    of edits has no word between them. On other sources the two places are edited.
    """
    there = np.flatnonzero(scene[:, COLOR] != EMPTY)
    one, two = rng.permutation(there)[:2]
    values = [
        v
        for v in range(len(COLORS))
        if v != scene[one, COLOR] and _allowed(_with(scene, one, colour=v))
    ]
    if not values:
        return None
    value = values[rng.integers(len(values))]
    recoloured = _with(scene, one, colour=value)
    text = (
        f"make {_words(scene[one], one, NAMED)} {COLORS[value]} "
        f"remove {_words(scene[two], two, NAMED)}"
    )

    def elsewhere(other: np.ndarray) -> np.ndarray | None:
        a, b = (_match(other, scene[cell], cell, ("place",)) for cell in (one, two))
        if not (a.any() and b.any()) or other[one, COLOR] == value:
            return None
        return _without(_with(other, one, colour=value), two)

    after = _without(recoloured, two)
    wrong = _wrong_values(scene, after, one, rng)
    halves = [(HALVES[0], recoloured), (HALVES[1], _without(scene, two))]
    return [text], [after], [*halves, *wrong], elsewhere


_EDITS = {
    "make colour": lambda scene, rng: _make("colour", scene, rng),
    "make size": lambda scene, rng: _make("size", scene, rng),
    "remove": _remove,
    "add": _add,
    "add, one thing unsaid": lambda scene, rng: _add(scene, rng, unsaid=True),
    "two edits": _two,
}


def _descriptions(scene: np.ndarray, cell: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Descriptions that fit this object of the scene and no other, in random order."""
    every = [what for n in range(1, len(NAMED) + 1) for what in combinations(NAMED, n)]
    only = [what for what in every if _match(scene, scene[cell], cell, what).sum() == 1]
    return [only[i] for i in rng.permutation(len(only))[:PARAPHRASES]]


def _match(scene: np.ndarray, thing: np.ndarray, cell: int, what: Sequence[str]) -> np.ndarray:
    """(9,) bool: the objects that a description fits."""
    values = {name: thing[_FIELDS[name]] for name in what if name != "place"}
    return matching(scene, cell if "place" in what else None, **values)


def _words(thing: np.ndarray, cell: int, what: Sequence[str]) -> str:
    """As `world` says it: place, size, colour, and the shape or "object"."""
    said = [
        CELLS[cell] if name == "place" else _VALUES[name][thing[_FIELDS[name]]]
        for name in NAMED
        if name in what
    ]
    return " ".join(said if "shape" in what else [*said, "object"])


def _wrong_values(
    scene: np.ndarray, after: np.ndarray, cell: int, rng: np.random.Generator
) -> list[tuple[str, np.ndarray]]:
    """The answer with another colour, shape or size of the edited object: neither the right value
    nor, where the source has the object, the old one.
    """
    wrong = []
    for name in ("colour", "shape", "size"):
        taken = {one[cell, _FIELDS[name]] for one in (scene, after)}
        values = [v for v in rng.permutation(len(_VALUES[name])) if v not in taken]
        changed = [_with(after, cell, **{name: v}) for v in values]
        wrong += [(WRONG[name], one) for one in changed if _allowed(one)][:1]
    return wrong


def _others(scene: np.ndarray, cell: int) -> list[int]:
    return [c for c in np.flatnonzero(scene[:, COLOR] != EMPTY).tolist() if c != cell]


def _with(scene: np.ndarray, cell: int, **values: int) -> np.ndarray:
    changed = scene.copy()
    for name, value in values.items():
        changed[cell, _FIELDS[name]] = value
    return changed


def _put(scene: np.ndarray, cell: int, thing: np.ndarray) -> np.ndarray:
    changed = scene.copy()
    changed[cell] = thing
    return changed


def _without(scene: np.ndarray, cells: int | np.ndarray) -> np.ndarray:
    changed = scene.copy()
    changed[cells] = EMPTY
    return changed


def _allowed(scene: np.ndarray) -> bool:
    return bool(world.permitted(scene, world.allowed_pairs("test")))


def _draw(rng: np.random.Generator, of: np.ndarray) -> int:
    return int(of[rng.integers(len(of))])


def by_group(found: Sequence[Group]) -> Iterator[tuple[int, str, np.ndarray]]:
    """(group, kind, scene) of every candidate, group by group."""
    for number, group in enumerate(found):
        for kind, scene in group.candidates:
            yield number, kind, scene


class Roles(NamedTuple):
    """What every picture is to every query; Q queries, G pictures.

    kind: (Q, G) int8, an index of KINDS, or -1 where the picture is no candidate of the query.
    same_source: (Q, G) bool, whether the picture shows the query's source, edited or not.
    group: (Q,) int64. form: (Q,) str.
    """

    kind: np.ndarray
    same_source: np.ndarray
    group: np.ndarray
    form: np.ndarray


def roles(queries: pd.DataFrame, images: Sequence[str], candidates: pd.DataFrame) -> Roles:
    """The roles that the tables of a prepared CSS-X give.

    Args:
        queries: columns edit (the group), source, form.
        images: ids of the gallery.
        candidates: columns group, image, kind.

    Raises:
        InputError: a kind or a picture is unknown.
    """
    column = pd.Series(np.arange(len(images)), index=list(images))
    for kind in candidates["kind"].unique():
        one_of("candidates.parquet: kind", kind, KINDS)
    lost = ~candidates["image"].isin(column.index)
    if lost.any():
        raise InputError(
            f"candidates.parquet names {candidates.loc[lost, 'image'].iloc[0]!r}, which is no "
            "picture of the gallery; prepare css-x again"
        )
    groups, group_of = np.unique(queries["edit"], return_inverse=True)
    at = candidates["group"].map(pd.Series(np.arange(len(groups)), index=groups)).to_numpy()
    columns = column[candidates["image"]].to_numpy()
    kind = np.full((len(groups), len(images)), -1, dtype=np.int8)
    kind[at, columns] = candidates["kind"].map(KINDS.index).to_numpy()
    source_of = queries.groupby("edit")["source"].first()[groups]
    sources, source_at = np.unique(source_of, return_inverse=True)
    shows = np.zeros((len(sources), len(images)), dtype=bool)
    own = (candidates["kind"] != ELSEWHERE).to_numpy()
    shows[source_at[at[own]], columns[own]] = True
    return Roles(
        kind[group_of], shows[source_at][group_of], group_of, queries["form"].to_numpy(dtype=str)
    )
