"""What panels of image <-> text retrieval share: a text finds pictures, a picture finds texts."""

import time
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np

from cmir_repro.play import html
from cmir_repro.play.answers import Answer
from cmir_repro.play.panel import Panel, Thumbnails

PICTURES = 24  # to choose from


def spread(count: int) -> np.ndarray:
    """PICTURES of so many, at even distances: (n,) int64."""
    return np.unique(np.linspace(0, count - 1, PICTURES).astype(int))


class TwoWays(Panel):
    """A text and its pictures above a strip of pictures and the texts of one of them.

    What a panel of one system adds: `find`, `told`, `picture`.

    Args:
        choice: rows of the pictures to choose from.
        texts: what is typed and found, in words: "a sentence", "sentences".
        width: of the field that is typed into.
    """

    def __init__(self, choice: Sequence[int], texts: tuple[str, str], width: str) -> None:
        self.choice = list(map(int, choice))
        self._shown: dict[int, tuple[str, str]] = {}
        layout = widgets.Layout(width="100%", max_width=width)
        self.text = widgets.Text(continuous_update=False, layout=layout)
        self.text.observe(lambda change: self.ask(change["new"]), "value")
        self.strip = Thumbnails(*zip(*map(self.show, self.choice), strict=True), self.choose)
        self.pictures, self.texts = widgets.HTML(), widgets.HTML()
        typed, listed = texts
        super().__init__(
            [
                widgets.HTML(f"<b>Type {typed} and press Enter, get pictures</b>"),
                self.text,
                self.pictures,
                widgets.HTML(f"<b>Choose a picture, get {listed}</b>"),
                self.strip,
                self.texts,
            ]
        )

    def find(self, text: str) -> str:
        """The pictures that the model finds for a text, as HTML."""
        raise NotImplementedError

    def told(self, row: int) -> tuple[Answer, str]:
        """The texts that the model finds for a picture, and their HTML."""
        raise NotImplementedError

    def picture(self, row: int) -> tuple[np.ndarray, str]:
        """Pixels (h, w, 3) uint8 of a picture, and the picture in words."""
        raise NotImplementedError

    def ask(self, text: str) -> None:
        """Show the pictures that the model finds for a text."""
        started = time.perf_counter()
        self.pictures.value = self.find(text)
        self.milliseconds = 1000 * (time.perf_counter() - started)

    def choose(self, number: int) -> None:
        """Show the texts that the model finds for a picture of the strip."""
        self.strip.mark(number)
        row = self.choice[number]
        found, told = self.told(row)
        head = html.captioned(html.image(*self.show(row)), html.head_of(found))
        self.texts.value = (
            f'<table class="cmir-texts"><tr>{head}'
            f'<td style="padding-left:12px">{told}</td></tr></table>'
        )

    def show(self, row: int) -> tuple[str, str]:
        """Address and words of a picture, made once."""
        if row not in self._shown:
            pixels, words = self.picture(row)
            self._shown[row] = html.uri(pixels), words
        return self._shown[row]

    def still(self) -> str:
        return self.pictures.value + self.texts.value


def answered(
    text: str, known: Callable[[str], bool], unjudged: str, found: Answer, show: Callable
) -> str:
    """A text, unknown words struck out, and its pictures; `unjudged` where none is called right."""
    said = html.paragraph(f"“{html.words(text, known)}”")
    if found.right is None:
        said += html.paragraph(unjudged, muted=True)
    return said + html.answers([found], show)
