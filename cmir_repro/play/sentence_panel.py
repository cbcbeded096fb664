"""Ask a model of image <-> sentence retrieval, in both directions."""

import time
from html import escape

import ipywidgets as widgets
import numpy as np
from torch import nn

from cmir_repro.data.tokenizers import clean
from cmir_repro.evaluation.recall import unit_rows
from cmir_repro.experiments import shared
from cmir_repro.experiments.aai import ImageTextExperiment
from cmir_repro.play import answers, html, models
from cmir_repro.play.panel import Panel, Thumbnails

PICTURES = 24  # to choose from
# What is shown first: a sentence of the test split and a picture, both of few objects.
SENTENCE = (
    "a tiny green cylinder at the top right, a big yellow sphere and a large yellow cylinder at "
    "the bottom center"
)
CHOSEN = 5


class SentencePanel(Panel):
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
        self._shown: dict[int, tuple[str, str]] = {}
        count = len(self.pairs.image_ids)
        self.choice = np.unique(np.linspace(0, count - 1, PICTURES).astype(int)).tolist()
        self.text = widgets.Text(
            continuous_update=False, layout=widgets.Layout(width="100%", max_width="900px")
        )
        self.text.observe(lambda change: self.ask(change["new"]), "value")
        self.strip = Thumbnails(*zip(*map(self._show, self.choice), strict=True), self._chosen)
        self.pictures, self.told = widgets.HTML(), widgets.HTML()
        super().__init__(
            [
                widgets.HTML("<b>Type a sentence and press Enter, get pictures</b>"),
                self.text,
                self.pictures,
                widgets.HTML("<b>Choose a picture, get sentences</b>"),
                self.strip,
                self.told,
            ]
        )
        self.text.value = SENTENCE
        self._chosen(min(CHOSEN, len(self.choice) - 1))

    def ask(self, text: str) -> None:
        """Show the pictures that the model finds for a sentence."""
        started = time.perf_counter()
        if not clean(text):
            self.pictures.value = html.paragraph("Type a sentence that describes a picture.")
            return
        own = [row for row, told in zip(self.pairs.image_of, self.pairs.texts, strict=True)
               if told == text.strip()]  # fmt: skip
        right = np.isin(np.arange(len(self.images)), own) if own else None
        found = answers.first(
            self.name, self.images, lambda: self.experiment.ask(self.system, text)[0], right
        )
        said = html.paragraph(f"“{html.words(text, self.known)}”")
        if not own:
            said += html.paragraph(
                "This sentence is none of the data set's, so nobody has said which pictures are "
                "right.",
                muted=True,
            )
        self.pictures.value = said + html.answers([found], self._show)
        self.milliseconds = 1000 * (time.perf_counter() - started)

    def known(self, word: str) -> bool:
        """Whether the model knows a word."""
        tokens = getattr(self.experiment.tokens, "tokens", None)
        return tokens is None or all(part in tokens for part in clean(word).split())

    def still(self) -> str:
        return self.pictures.value + self.told.value

    def _chosen(self, number: int) -> None:
        """Show the sentences that the model finds for a picture."""
        self.strip.mark(number)
        row = self.choice[number]
        found = answers.first(
            self.name, self.sentences, lambda: self.images[[row]], self.pairs.image_of == row
        )
        address, alt = self._show(row)
        rows = "".join(
            _told(escape(self.pairs.texts[at]), bool(right))
            for at, right in zip(found.rows, found.right, strict=True)
        )
        self.told.value = (
            '<table class="cmir-sentences"><tr>'
            + html.captioned(html.image(address, alt), html.head_of(found))
            + f'<td><ul style="list-style:none;margin:0">{rows}</ul></td></tr></table>'
        )

    def _show(self, row: int) -> tuple[str, str]:
        if row not in self._shown:
            picture = self.experiment.data.take(self.experiment.task.view, self.pairs.images[[row]])
            first = int(np.searchsorted(self.pairs.image_of, row))
            self._shown[row] = html.uri(picture[0]), self.pairs.texts[first]
        return self._shown[row]


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
