"""Ask models of composed retrieval: a picture to start from, and what is to change in it."""

import time
from collections.abc import Sequence
from html import escape

import ipywidgets as widgets

from cmir_repro.data.tokenizers import tokens_of
from cmir_repro.play import html, menus, models, questions
from cmir_repro.play.answers import Answer, Composed
from cmir_repro.play.panel import Panel, Thumbnails
from cmir_repro.play.questions import Questions, Scenes, Truth


class ComposedPanel(Panel):
    """Thumbnails, menus, a text, and a row of answers a model.

    Args:
        models: that answer.
        questions: of their data set.
        source, text: that are asked first; "": the first source, and its first sentence.
    """

    def __init__(
        self, models: Sequence[Composed], questions: Questions, source: str = "", text: str = ""
    ) -> None:
        self.models, self.questions = list(models), questions
        self.source = source or questions.sources[0]
        self.sources = [self.source, *(one for one in questions.sources if one != self.source)]
        self._shown: dict[tuple, tuple[str, str]] = {}
        told = [self._show(questions.row(name), source=True) for name in self.sources]
        for model in self.models:  # while the panel loads, so that a click is answered at once
            for name in self.sources:
                model.read(name)
        self.strip = Thumbnails(*zip(*told, strict=True), self._chosen)
        self.menus = menus.of(questions, self.ask)
        self.text = widgets.Text(
            description="or type it, and press Enter:",
            continuous_update=False,
            style={"description_width": "initial"},
            layout=widgets.Layout(width="660px", max_width="100%"),
        )
        self.text.observe(self._typed, "value")
        self.query, self.found = widgets.HTML(), widgets.HTML()
        super().__init__(
            [
                widgets.HTML("<b>1. Choose a picture</b>"),
                self.strip,
                widgets.HTML("<b>2. Say what should change</b>"),
                self.menus,
                self.text,
                self.query,
                widgets.HTML("<b>3. See what each model answers</b>"),
                self.found,
            ]
        )
        self.ask(text or questions.texts(self.source)[0])

    def ask(self, text: str) -> None:
        """Ask all models, and show their answers."""
        started = time.perf_counter()
        self.words = text
        self._mark()
        if not tokens_of(text):
            self.query.value = html.paragraph("Type what should change in the picture.")
            return
        truth = self.questions.truth(self.source, text)
        added = (truth.added, truth.picture) if truth.added else None
        answers = [model.answer(self.source, text, truth.right, added) for model in self.models]
        self.query.value = self._query(text, truth)
        self.found.value = self._found(answers, truth)
        self.milliseconds = 1000 * (time.perf_counter() - started)

    def still(self) -> str:
        return self.query.value + self.found.value

    def known(self, word: str) -> bool:
        """Whether every model knows the word."""
        return not any(model.experiment.tokens.unknown(word) for model in self.models)

    def _chosen(self, number: int) -> None:
        self.source = self.sources[number]
        kept = isinstance(self.questions, Scenes) and self.questions.applies(
            self.source, self.words
        )
        self.ask(self.words if kept else self.questions.texts(self.source)[0])

    def _typed(self, change: dict) -> None:
        if change["new"] != self.words:
            self.ask(change["new"])

    def _mark(self) -> None:
        """Let thumbnails, menus and text show the query."""
        self.strip.mark(self.sources.index(self.source))
        self.text.value = self.words
        self.menus.show(self.words, self.source)

    def _query(self, text: str, truth: Truth) -> str:
        address, told = self._show(self.questions.row(self.source), source=True)
        cells = [html.captioned(html.image(address, f"source: {told}"), "source")]
        said = html.words(text, self.known)
        note = html.paragraph(f'<span style="font-size:16px">“{said}”</span>')
        unknown = [word for word in text.split() if not self.known(word)]
        if unknown:
            note += html.paragraph(
                "A word that is struck out is unknown to the models: they cannot tell it from any "
                "other unknown word."
            )
        note += html.paragraph(escape(truth.said), muted=True)
        cells.append(f'<td style="padding:2px 12px;max-width:520px">{note}</td>')
        if truth.picture is not None:
            target = html.image(html.uri(truth.picture), "true target", html.RIGHT)
            cells.append(html.captioned(target, "true target"))
        return f'<table class="cmir-query"><tr>{"".join(cells)}</tr></table>'

    def _found(self, answers: list[Answer], truth: Truth) -> str:
        def show(row: int) -> tuple[str, str]:
            if row == len(self.questions.ids):
                return html.uri(truth.picture), "the target, drawn just now"
            return self._show(row)

        return html.answers(answers, show)

    def _show(self, row: int, source: bool = False) -> tuple[str, str]:
        """Address and words of a picture, made once."""
        if (row, source) not in self._shown:
            picture = self.questions.picture(row, source)
            self._shown[row, source] = html.uri(picture), self.questions.describe(row)
        return self._shown[row, source]


def panel(dataset: str = "css") -> ComposedPanel:
    """The panel of a data set, its models loaded, or trained where they are not yet.

    Raises:
        InputError: the data or the models are not here.
    """
    found = models.composed(dataset)
    experiment = found[0].experiment
    asked = questions.of(experiment.data, experiment.config.task)
    first = (models.SOURCE, models.TEXT) if isinstance(asked, Scenes) else ()
    return ComposedPanel(found, asked, *first)
