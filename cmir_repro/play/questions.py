"""What can be asked of a data set for composed retrieval, and what is right."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cmir_repro.data import registry
from cmir_repro.data.css import dataset as css
from cmir_repro.data.css import edits, render_3d, world
from cmir_repro.data.css.scenes import CELLS, COLOR, COLORS, EMPTY, SHAPE, SHAPES_3D, SIZE, SIZES
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.training_pairs import replacing

SOURCES = 24  # pictures to choose from


@dataclass(frozen=True)
class Truth:
    """What is known of the right answers to a query.

    said: a sentence for the reader.
    right: (G,) bool over the gallery; None where nobody has said what is right.
    picture: (h, w, 3) uint8, a right one; None where there is none.
    added: its name, where it is not in the gallery and has to be put there.
    """

    said: str
    right: np.ndarray | None = None
    picture: np.ndarray | None = None
    added: str = ""


class Questions:
    """The queries of a data set's test split: sources, their sentences, and what is right.

    Attributes:
        sources: ids of pictures to choose from.
        ids: (G,) str, of the gallery.
    """

    def __init__(self, data: Prepared, task: str) -> None:
        self.data, self.part = data, data.retrieval("test")
        self.source_view, self.view = data.views_of(task)
        self.ids = self.part.gallery_ids
        self._row = {name: row for row, name in enumerate(self.ids.tolist())}
        asked = np.unique(self.part.source)
        few = asked[np.unique(np.linspace(0, len(asked) - 1, SOURCES).astype(int))]
        self.sources = self.ids[few].tolist()
        self._texts: dict[str, list[str]] = {}
        for source, text in zip(self.ids[self.part.source].tolist(), self.part.texts, strict=True):
            self._texts.setdefault(source, []).append(text)

    def texts(self, source: str) -> list[str]:
        """The sentences that the data set has for a source."""
        return list(dict.fromkeys(self._texts[source]))

    def picture(self, row: int, source: bool = False) -> np.ndarray:
        """(h, w, 3) uint8 of a row of the gallery, as the models read it."""
        view = self.source_view if source else self.view
        return self.data.take(view, self.part.gallery[[row]])[0]

    def row(self, name: str) -> int:
        """Of a picture in the gallery."""
        return self._row[name]

    def describe(self, row: int) -> str:
        """A picture of the gallery in words."""
        return f"picture {self.ids[row]}"

    def truth(self, source: str, text: str) -> Truth:
        """What is right, as far as the data set says it."""
        row = self.row(source)
        asked = [
            q for q in np.flatnonzero(self.part.source == row) if self.part.texts[q] == text.strip()
        ]
        if not asked:
            return Truth(
                "The data set does not have this query, so nobody has said which answers are right."
            )
        every = np.arange(len(self.ids))
        right = self.part.right(np.array(asked), np.tile(every, (len(asked), 1))).any(axis=0)
        return Truth(_count(right), right, self.picture(int(np.flatnonzero(right)[0])))


class Scenes(Questions):
    """CSS as it is made here: any edit of the grammar can be asked, and its answer be drawn."""

    def __init__(self, data: Prepared, task: str) -> None:
        super().__init__(data, task)
        bases = css.SCALES[data.info["scale"]].bases[1]
        self._scenes = world.generate(bases, 0, "test", css.WORLD_SEED).scenes
        self._pictures: dict[tuple[str, str], np.ndarray] = {}
        self._numbers = self.data.images["row"].to_numpy()[self.part.gallery]

    def describe(self, row: int) -> str:
        scene = world.from_label(self.part.gallery_labels[row])
        said = [
            f"{SIZES[thing[SIZE]]} {COLORS[thing[COLOR]]} {SHAPES_3D[thing[SHAPE]]} {CELLS[cell]}"
            for cell, thing in enumerate(scene)
            if thing[COLOR] != EMPTY
        ]
        return ", ".join(said) or "no object"

    def applies(self, source: str, text: str) -> bool:
        """Whether a sentence is one of the grammar and changes this source."""
        edit = edits.parse(text)
        return edit is not None and bool(edit.answers(self._scene(source)))

    def truth(self, source: str, text: str) -> Truth:
        """What is right by the rules of the world; what no picture shows is drawn."""
        edit = edits.parse(text)
        if edit is None:
            return Truth(
                "This is no sentence of the grammar, so nobody has said which answers are right. "
                "The models answer all the same."
            )
        answers = edit.answers(self._scene(source))
        if not answers:
            return Truth(_why_not(edit), np.zeros(len(self.ids), dtype=bool))
        labels = world.labels(np.stack(answers))
        right = np.isin(self.part.gallery_labels, labels)
        more = f" The sentence leaves {len(labels)} scenes open." if len(labels) > 1 else ""
        if right.any():
            return Truth(_count(right) + more, right, self.picture(int(np.argmax(right))))
        one = int(_number(labels[0]) % len(labels))
        drawn = self._drawn(source, labels[one], answers[one])
        return Truth(
            "No picture of the gallery shows this, so the target was drawn just now and put "
            f"among them.{more}",
            right,
            drawn,
            f"{source} {labels[one]}",
        )

    def _scene(self, source: str) -> np.ndarray:
        return self._scenes[self._numbers[self.row(source)]]

    def _drawn(self, source: str, label: str, scene: np.ndarray) -> np.ndarray:
        """The picture of a scene, cubes turned like those of its source; drawn once."""
        if (source, label) not in self._pictures:
            size, like = css.SCALES[self.data.info["scale"]], int(self._numbers[self.row(source)])
            jitter = render_3d.draw_jitter(css.WORLD_SEED * 2 + 1, [_number(label)], [like])
            shown = render_3d.render_3d(scene[None], jitter, width=size.width, height=size.height)
            self._pictures[source, label] = shown[0].cpu().numpy()
        return self._pictures[source, label]


class Attributes(Questions):
    """Photographs with attributes: any one can be replaced, and what is then right is known.

    Attributes:
        values: attribute -> its values in the gallery, sorted.
    """

    def __init__(self, data: Prepared, task: str) -> None:
        super().__init__(data, task)
        columns = data.info["training_pairs"]["columns"]
        here = data.images.iloc[self.part.gallery]
        self._of = pd.DataFrame(
            {name: here[name].astype(str).str.lower().to_numpy() for name in columns}
        )
        self.values = {name: sorted(self._of[name].unique()) for name in columns}

    def describe(self, row: int) -> str:
        return ", ".join(f"{name}: {value}" for name, value in self._of.iloc[row].items())

    def of_source(self, source: str) -> dict[str, str]:
        """The attributes of a source."""
        return self._of.iloc[self.row(source)].to_dict()

    def edit(self, source: str, text: str) -> tuple[str, str] | None:
        """The attribute that a sentence replaces, and by what; None for all other sentences."""
        for name, value in self.of_source(source).items():
            for other in self.values[name]:
                if other != value and text.strip() == replacing(value, other):
                    return name, other
        return None

    def truth(self, source: str, text: str) -> Truth:
        """What is right by the attributes; other sentences as far as the data set says it."""
        edit = self.edit(source, text)
        if edit is None:
            return super().truth(source, text)
        wanted = {**self.of_source(source), edit[0]: edit[1]}
        right = (self._of == pd.Series(wanted)).all(axis=1).to_numpy()
        shown = self.picture(int(np.argmax(right))) if right.any() else None
        return Truth(_count(right), right, shown)


def of(data: Prepared, task: str) -> Questions:
    """The questions of a data set."""
    if (data.info.get("training_pairs") or {}).get("rule") == "attributes":
        return Attributes(data, task)
    rendered = data.info["provenance"]["kind"] == "rendered" and data.info["name"] == registry.CSS
    return Scenes(data, task) if rendered else Questions(data, task)


def _count(right: np.ndarray) -> str:
    count = int(right.sum())
    if not count:
        return f"None of the {len(right):,} pictures of the gallery shows this."
    if count == 1:
        return f"One of the {len(right):,} pictures of the gallery shows this."
    return f"{count} of the {len(right):,} pictures of the gallery show this."


def _why_not(edit: edits.Edit) -> str:
    if edit.verb == "add":
        return (
            "The sentence changes nothing in this picture: the place is taken. No answer is right."
        )
    return (
        "The sentence changes nothing in this picture: no object fits it, or all are like that "
        "already. No answer is right."
    )


def _number(label: str) -> int:
    """Of a scene: far above those of the pictures of the data set."""
    return 2**40 + int.from_bytes(hashlib.sha256(label.encode()).digest()[:5], "little")
