"""Training pairs drawn on the fly, from an index that is built once over the images of a split.

A rule, as `dataset.json` has it under "training_pairs", says which images make a pair:

    {"rule": "siblings", "column": "caption", "removal": "word"}    Fashion200k
    {"rule": "attributes", "columns": ["colour", "type"]}           tables of attributes
    {"rule": "same-noun", "noun": "noun", "adjective": "adjective"}  MIT-States

The first two are one idea: captions with a common parent. A parent is what is left of a caption
without one word, or of an image's attributes without one. An image is drawn, then a parent of
its caption, then another caption of that parent, then an image of it; each time uniformly.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from cmir_repro.core.errors import InputError, one_of

REMOVALS = ("word", "substring")


class Pairs(NamedTuple):
    """n drawn pairs. source, target: (n,) int64, rows of the images given to `build`."""

    source: np.ndarray
    target: np.ndarray
    texts: list[str]


class Siblings:
    """Captions with a common parent. C captions, E (caption, parent) pairs, each given once.

    Args:
        caption: (N,) int, the caption of each image.
        child, parent: (E,) int, the caption and the parent of each pair.
        group: (E,) int; of the pairs of a parent, those of one group are no siblings.
        phrase: makes the sentences from (n,) places of the source's and the target's pairs.
        sentences: what the vocabulary is built from.

    Raises:
        InputError: no image has a sibling.
    """

    def __init__(
        self,
        caption: np.ndarray,
        child: np.ndarray,
        parent: np.ndarray,
        group: np.ndarray,
        phrase: Callable[[np.ndarray, np.ndarray], list[str]],
        sentences: list[str],
    ) -> None:
        self._order = np.lexsort((group, parent))
        self._phrase, self._sentences = phrase, sentences
        parent, group = parent[self._order], group[self._order]
        new_parent = np.diff(parent, prepend=-1) != 0
        self._start, stop = _runs(new_parent)
        self._own_start, own_stop = _runs(new_parent | (np.diff(group, prepend=-1) != 0))
        self._own = own_stop - self._own_start
        self._others = stop - self._start - self._own  # (E,) siblings, for this parent
        count = caption.max(initial=-1) + 1
        self._child = child[self._order]
        places = np.flatnonzero(self._others)
        self._places = _Lists(self._child[places], places, count)
        self._images = _Lists(caption, np.arange(len(caption)), count)
        self._caption = caption
        self.sources = np.flatnonzero(self._places.lengths[caption])  # rows with a sibling
        if not len(self.sources):
            raise InputError(
                f"none of the {len(caption):,} images has one that differs in a single word or "
                "value, so no training pair can be drawn"
            )

    def draw(self, count: int, rng: np.random.Generator) -> Pairs:
        """`count` pairs; sources uniform over the images that have a sibling."""
        return self.draw_from(self.sources[rng.integers(len(self.sources), size=count)], rng)

    def draw_from(self, source: np.ndarray, rng: np.random.Generator) -> Pairs:
        """A pair for each of the rows `source` (n,) int64, which must be among `self.sources`."""
        here = self._places.pick(self._caption[source], rng)
        there = self._start[here] + rng.integers(self._others[here])
        there += np.where(there >= self._own_start[here], self._own[here], 0)  # skip own group
        target = self._images.pick(self._child[there], rng)
        return Pairs(source, target, self._phrase(self._order[here], self._order[there]))

    def sentences(self) -> list[str]:
        """What the vocabulary is built from."""
        return self._sentences

    def texts(self) -> list[str]:
        """Every text that a pair can have, sorted."""
        found: set[str] = set()
        for start, stop in itertools.pairwise([*np.unique(self._start), len(self._start)]):
            places = np.arange(start, stop)
            here, there = (part.ravel() for part in np.meshgrid(places, places))
            siblings = self._own_start[here] != self._own_start[there]
            here, there = self._order[here[siblings]], self._order[there[siblings]]
            found.update(self._phrase(here, there))
        return sorted(found)


class SameNoun:
    """MIT-States' pairs: the text is the wanted adjective, two pairs in a row share the source.

    Args:
        caption: (N,) int, the caption ("adjective noun") of each image.
        noun: (C,) int, the noun of each caption.
        adjectives: (C,) str.
        sentences: the captions.
    """

    def __init__(
        self, caption: np.ndarray, noun: np.ndarray, adjectives: np.ndarray, sentences: list[str]
    ) -> None:
        self._caption, self._noun, self._adjectives = caption, noun, adjectives
        self._sentences = sentences
        self._captions = _Lists(noun, np.arange(len(noun)), noun.max(initial=-1) + 1)
        self._images = _Lists(caption, np.arange(len(caption)), len(noun))

    def draw(self, count: int, rng: np.random.Generator) -> Pairs:
        """`count` pairs; pairs 2i and 2i + 1 have one source, uniform over the images.

        The wanted adjectives are uniform over the noun's, the source's own among them; those of
        the two pairs differ where the noun has two.
        """
        source = rng.integers(len(self._caption), size=(count + 1) // 2)
        noun = self._noun[self._caption[source]]
        number = self._captions.lengths[noun]
        first = rng.integers(number)
        # A hop of 1 .. number - 1 places never lands on the first adjective.
        second = (first + 1 + rng.integers(np.maximum(number - 1, 1))) % number
        place = self._captions.start[noun][:, None] + np.stack([first, second], axis=1)  # (n/2, 2)
        wanted = self._captions.items[place.reshape(-1)[:count]]
        target = self._images.pick(wanted, rng)
        return Pairs(np.repeat(source, 2)[:count], target, self._adjectives[wanted].tolist())

    def sentences(self) -> list[str]:
        """The captions: what the vocabulary is built from."""
        return self._sentences

    def texts(self) -> list[str]:
        """Every text that a pair can have, sorted: the adjectives."""
        return sorted(set(self._adjectives.tolist()))


def build(rule: dict, images: pd.DataFrame) -> Siblings | SameNoun:
    """The index of a rule over the images of one split; same images, same index.

    Args:
        rule: see the top of this file; "removal" is "word" where it is not given.
        images: the rows of the split, with the columns that the rule names.

    Raises:
        InputError: a rule or key is unknown, a column is missing or has an empty value, or no
            image has a sibling.
    """
    settings = dict(rule)
    name = settings.pop("rule", None)
    one_of("training_pairs rule", name, _RULES)
    make, needed, optional = _RULES[name]
    for key in settings:
        one_of(f"key of the training_pairs rule {name}:", key, (*needed, *optional))
    missing = [key for key in needed if key not in settings]
    if missing:
        raise InputError(f"the training_pairs rule {name} lacks {', '.join(missing)}")
    return make(images, **settings)


def _siblings(images: pd.DataFrame, column: str, removal: str = "word") -> Siblings:
    """Captions that are the same but for one word (Vo et al. 2019, google/tirg).

    "word" (our choice) removes whole words, and siblings differ in the word removed, not in its
    place only. "substring" is the reference: it removes the word's letters wherever they stand,
    and then takes the first words that the other caption has not. The reference favours parents
    with many captions a little; here parents are drawn uniformly under both.
    """
    one_of("removal", removal, REMOVALS)
    caption, captions = pd.factorize(_column(images, column))
    words = [text.split() for text in captions]
    child = np.repeat(np.arange(len(words)), [len(row) for row in words])
    if removal == "word":
        parents = [
            " ".join(row[:place] + row[place + 1 :]) for row in words for place in range(len(row))
        ]
    else:
        parents = [
            text.replace(word, "").replace("  ", " ").strip()
            for text, row in zip(captions, words, strict=True)
            for word in row
        ]
    parent = pd.factorize(np.array(parents, dtype=object))[0]
    # A caption that says a word twice reaches the same parent twice.
    once = np.unique(child * len(parents) + parent, return_index=True)[1]
    removed = np.array([word for row in words for word in row], dtype=object)[once]
    child, parent = child[once], parent[once]

    def by_word(here: np.ndarray, there: np.ndarray) -> list[str]:
        return _replace(removed[here], removed[there])

    def by_first_difference(here: np.ndarray, there: np.ndarray) -> list[str]:
        pairs = [(words[a], words[b]) for a, b in zip(child[here], child[there], strict=True)]
        return _replace([_first(a, b) for a, b in pairs], [_first(b, a) for a, b in pairs])

    if removal == "word":
        return Siblings(
            caption, child, parent, pd.factorize(removed)[0], by_word, captions.tolist()
        )
    return Siblings(caption, child, parent, child, by_first_difference, captions.tolist())


def _attributes(images: pd.DataFrame, columns: list[str]) -> Siblings:
    """Images equal in all of K columns but one; upper and lower case are alike (our choice)."""
    if not isinstance(columns, list | tuple) or not columns:
        raise InputError(f"training_pairs columns are {columns!r}, expected a list of names")
    values = np.stack([_lowered(images, name) for name in columns], axis=1)  # (N, K) str
    codes = np.stack([pd.factorize(value)[0] for value in values.T], axis=1)
    _, first, caption = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    caption = caption.reshape(-1)
    codes, values = codes[first], values[first]  # (C, K), a row for each caption
    count = len(codes)
    parents = []
    for place in range(len(columns)):
        rest = np.delete(codes, place, axis=1)
        parents.append(np.unique(rest, axis=0, return_inverse=True)[1].reshape(-1) + place * count)
    child = np.tile(np.arange(count), len(columns))
    changed = values.T.reshape(-1)  # (K * C,), the value that the parent lacks
    sentences = [" ".join(row) for row in values]
    return Siblings(
        caption,
        child,
        np.concatenate(parents),
        child,
        lambda here, there: _replace(changed[here], changed[there]),
        [*sentences, "replace with"],  # so that no word of a query is unknown
    )


def _same_noun(images: pd.DataFrame, noun: str, adjective: str) -> SameNoun:
    """MIT-States (Vo et al. 2019, google/tirg)."""
    nouns, adjectives = _column(images, noun), _column(images, adjective)
    pairs = pd.MultiIndex.from_arrays([adjectives, nouns])
    caption, distinct = pd.factorize(pairs)
    if not len(distinct):
        raise InputError("there is no image to draw pairs from")
    return SameNoun(
        caption,
        pd.factorize(distinct.get_level_values(1))[0],
        distinct.get_level_values(0).to_numpy(dtype=object),
        [f"{a} {n}" for a, n in distinct],
    )


_RULES = {  # name -> builder, keys it needs, keys it may have
    "siblings": (_siblings, ("column",), ("removal",)),
    "attributes": (_attributes, ("columns",), ()),
    "same-noun": (_same_noun, ("noun", "adjective"), ()),
}


class _Lists:
    """Lists of different lengths in one array: those of key k are items[start[k] : start[k+1]]."""

    def __init__(self, keys: np.ndarray, items: np.ndarray, count: int) -> None:
        self.items = items[np.argsort(keys, kind="stable")]
        self.lengths = np.bincount(keys, minlength=count)
        self.start = np.cumsum(self.lengths) - self.lengths

    def pick(self, keys: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One item of each key's list, uniformly."""
        return self.items[self.start[keys] + rng.integers(self.lengths[keys])]


def _runs(new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the run of each place starts and stops; `new` is True at each first place."""
    starts = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    return starts[run], np.append(starts[1:], len(new))[run]


def _first(words: list[str], others: list[str]) -> str:
    """The first word that is not among the others, the last word if all are (google/tirg)."""
    return next((word for word in words if word not in others), words[-1])


def replacing(before: str, after: str) -> str:
    """The sentence that replaces a word, or the value of an attribute."""
    return f"replace {before} with {after}"


def _replace(before: np.ndarray | list[str], after: np.ndarray | list[str]) -> list[str]:
    return [*map(replacing, before, after)]


def _lowered(images: pd.DataFrame, name: str) -> np.ndarray:
    return np.array([value.lower() for value in _column(images, name)], dtype=object)


def _column(images: pd.DataFrame, name: str) -> np.ndarray:
    """(N,) str, as objects."""
    if not isinstance(name, str) or name not in images:
        raise InputError(f"training pairs need the column {name!r}, the images table lacks it")
    values = images[name].to_numpy(dtype=object)
    for row, value in enumerate(values):
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"column {name}, row {row}: {value!r} is no word; fill it in")
    return values
