"""Ask a label-based model: tags find pictures, a picture finds tags."""

import numpy as np
import torch
from torch import nn

from cmir_repro.evaluation.recall import unit_rows
from cmir_repro.experiments import shared
from cmir_repro.experiments.crcgs import LabelExperiment
from cmir_repro.play import answers, html, models
from cmir_repro.play.answers import Answer
from cmir_repro.play.two_ways import TwoWays, answered, spread

FIRST = "red cube"
UNJUDGED = "These tags name no category, so nobody has said which pictures are right."


class TagPanel(TwoWays):
    """Tags find pictures of the database; a picture of the test split finds tags.

    A picture is right where it has a category that the tags name ("red cube" by "red" and "cube",
    or by "redcube"); a tag is right where it is one of the picture's own, or helps to name one of
    its categories.

    Args:
        system: a model of CRCGS. experiment: that embeds by it.
        name: of the model.
    """

    def __init__(self, system: nn.Module, experiment: LabelExperiment, name: str) -> None:
        self.system, self.experiment, self.name = system, experiment, name
        self.found = experiment.task.labelled
        self.images = unit_rows(experiment.gallery(system)[1], "gallery")
        self.tags = unit_rows(self._tags(), "tags")
        choice = self.found.query[spread(len(self.found.query))]
        super().__init__(choice, ("tags", "tags"), width="520px")
        self.text.value = FIRST
        self.choose(0)

    def find(self, text: str) -> str:
        known = [word for word in text.lower().split() if self.known(word)]
        if not known:
            return html.paragraph(
                f"“{html.words(text, self.known)}” Type tags that the model knows, say "
                f"{', '.join(self.found.words[:12])}."
            )
        found = answers.first(
            self.name,
            self.images,
            lambda: self.experiment.ask(self.system, *known)[0],
            self.right(known),
        )

        def show(row: int) -> tuple[str, str]:
            return self.show(int(self.found.database[row]))

        return answered(text, self.known, UNJUDGED, found, show)

    def known(self, word: str) -> bool:
        """Whether the model knows a tag."""
        return word.lower() in self.found.words

    def right(self, tags: list[str]) -> np.ndarray | None:
        """(G,) bool: pictures of the database with a category that the tags name; None: of none."""
        named = [
            set(category.split()) <= set(tags) or category.replace(" ", "") in tags
            for category in self.found.categories
        ]
        return self.found.labels[self.found.database][:, named].any(1) if any(named) else None

    def told(self, row: int) -> tuple[Answer, str]:
        found = answers.first(self.name, self.tags, lambda: self._vector(row), self.true(row))
        tags = [
            _told(self.found.words[at], bool(right))
            for at, right in zip(found.rows, found.right, strict=True)
        ]
        return found, " ".join(tags)

    def picture(self, row: int) -> tuple[np.ndarray, str]:
        task = self.experiment.task
        pixels = task.data.take(task.view, self.found.images[[row]])[0]
        tags = np.array(self.found.words)[self.found.text[row] > 0]
        return pixels, f"tagged {', '.join(tags)}"

    def true(self, row: int) -> np.ndarray:
        """(D,) bool: the tags that fit a picture; its own are some of them."""
        categories = np.array(self.found.categories)[self.found.labels[row]].tolist()
        named = {word for name in categories for word in (*name.split(), name.replace(" ", ""))}
        return np.isin(self.found.words, list(named)) | (self.found.text[row] > 0)

    @torch.no_grad()
    def _vector(self, row: int) -> np.ndarray:
        return self.system.encode_images(self.experiment.task.images(np.array([row]))).numpy()

    @torch.no_grad()
    def _tags(self) -> np.ndarray:
        """(D, E): every tag as if it were the only one."""
        return self.system.eval().encode_texts(torch.eye(len(self.found.words))).numpy()


def _told(tag: str, right: bool) -> str:
    color, mark = (html.RIGHT, "✓") if right else (html.WRONG, "✗")
    style = f"border:2px solid {color};border-radius:10px;padding:1px 8px;margin:2px"
    return f'<span style="{style};display:inline-block">{mark} {tag}</span>'


def panel(name: str = models.TAGS) -> TagPanel:
    """The panel of a shared model of CRCGS.

    Raises:
        InputError: there is no such model, or its data are not here.
    """
    found = shared.load(name)
    return TagPanel(found.model, found.experiment(models.SCALE), found.record.method)
