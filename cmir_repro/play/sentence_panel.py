"""Ask a model of image <-> sentence retrieval, in both directions."""

from html import escape

import numpy as np
from torch import nn

from cmir_repro.data.tokenizers import clean
from cmir_repro.evaluation.recall import unit_rows
from cmir_repro.experiments import shared
from cmir_repro.experiments.aai import ImageTextExperiment
from cmir_repro.play import answers, html, models
from cmir_repro.play.answers import Answer
from cmir_repro.play.two_ways import TwoWays, answered, spread

# What is shown first: a sentence of the test split and a picture, both of few objects.
SENTENCE = (
    "a tiny green cylinder at the top right, a big yellow sphere and a large yellow cylinder at "
    "the bottom center"
)
CHOSEN = 5
UNJUDGED = "This sentence is none of the data set's, so nobody has said which pictures are right."


class SentencePanel(TwoWays):
    """A sentence finds pictures, a picture finds sentences.

    Args:
        system: a model of AAI. experiment: that embeds by it.
        name: of the model.
    """

    def __init__(self, system: nn.Module, experiment: ImageTextExperiment, name: str) -> None:
        self.system, self.experiment, self.name = system, experiment, name
        self.pairs = experiment.task.split("test")
        found = experiment.embed(system, "test")
        self.images, self.sentences = (
            unit_rows(side, "gallery") for side in (found.images, found.sentences)
        )
        super().__init__(
            spread(len(self.pairs.image_ids)), ("a sentence", "sentences"), width="900px"
        )
        self.text.value = SENTENCE
        self.choose(min(CHOSEN, len(self.choice) - 1))

    def find(self, text: str) -> str:
        if not clean(text):
            return html.paragraph("Type a sentence that describes a picture.")
        own = [row for row, told in zip(self.pairs.image_of, self.pairs.texts, strict=True)
               if told == text.strip()]  # fmt: skip
        right = np.isin(np.arange(len(self.images)), own) if own else None
        found = answers.first(
            self.name, self.images, lambda: self.experiment.ask(self.system, text)[0], right
        )
        return answered(text, self.known, UNJUDGED, found, self.show)

    def known(self, word: str) -> bool:
        """Whether the model knows a word."""
        return not self.experiment.tokens.unknown(word)

    def told(self, row: int) -> tuple[Answer, str]:
        found = answers.first(
            self.name, self.sentences, lambda: self.images[[row]], self.pairs.image_of == row
        )
        rows = [
            _told(escape(self.pairs.texts[at]), bool(right))
            for at, right in zip(found.rows, found.right, strict=True)
        ]
        return found, f'<ul style="list-style:none;margin:0">{"".join(rows)}</ul>'

    def picture(self, row: int) -> tuple[np.ndarray, str]:
        pixels = self.experiment.data.take(self.experiment.task.view, self.pairs.images[[row]])[0]
        return pixels, self.pairs.texts[int(np.searchsorted(self.pairs.image_of, row))]


def _told(text: str, right: bool) -> str:
    color, mark = (html.RIGHT, "✓ right:") if right else (html.WRONG, "✗")
    return f'<li><span style="color:{color}">{mark}</span> {text}</li>'


def panel(name: str = models.SENTENCES) -> SentencePanel:
    """The panel of a shared model of AAI.

    Raises:
        InputError: there is no such model, or its data are not here.
    """
    found = shared.load(name)
    return SentencePanel(found.model, found.experiment(models.SCALE), found.record.method)
