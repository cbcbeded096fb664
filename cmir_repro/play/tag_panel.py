"""Ask a label-based model: tags find pictures, a picture finds tags."""

import time

import ipywidgets as widgets
import numpy as np
import torch
from torch import nn

from cmir_repro.evaluation.recall import unit_rows
from cmir_repro.experiments import shared
from cmir_repro.experiments.crcgs import LabelExperiment
from cmir_repro.play import answers, html, models
from cmir_repro.play.panel import Panel, Thumbnails

PICTURES = 24  # to choose from
FIRST = "red cube"


class TagPanel(Panel):
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
        self._shown: dict[int, tuple[str, str]] = {}
        few = np.unique(np.linspace(0, len(self.found.query) - 1, PICTURES).astype(int))
        self.choice = self.found.query[few]
        self.text = widgets.Text(continuous_update=False, layout=widgets.Layout(width="520px"))
        self.text.observe(lambda change: self.ask(change["new"]), "value")
        self.strip = Thumbnails(*zip(*map(self._show, self.choice), strict=True), self._chosen)
        self.pictures, self.told = widgets.HTML(), widgets.HTML()
        super().__init__(
            [
                widgets.HTML("<b>Type tags and press Enter, get pictures</b>"),
                self.text,
                self.pictures,
                widgets.HTML("<b>Choose a picture, get tags</b>"),
                self.strip,
                self.told,
            ]
        )
        self.text.value = FIRST
        self._chosen(0)

    def ask(self, text: str) -> None:
        """Show the pictures that the model finds for tags."""
        started = time.perf_counter()
        known = [word for word in text.lower().split() if self.known(word)]
        if not known:
            self.pictures.value = html.paragraph(
                f"“{html.words(text, self.known)}” Type tags that the model knows, say "
                f"{', '.join(self.found.words[:12])}."
            )
            return
        right = self.right(known)
        found = answers.first(
            self.name,
            self.images,
            lambda: self.experiment.ask(self.system, *known)[0],
            right,
        )
        said = html.paragraph(f"“{html.words(text, self.known)}”")
        if right is None:
            said += html.paragraph(
                "These tags name no category, so nobody has said which pictures are right.", True
            )
        show = lambda row: self._show(self.found.database[row])  # noqa: E731
        self.pictures.value = said + html.answers([found], show)
        self.milliseconds = 1000 * (time.perf_counter() - started)

    def known(self, word: str) -> bool:
        """Whether the model knows a tag."""
        return word.lower() in self.found.words

    def still(self) -> str:
        return self.pictures.value + self.told.value

    def right(self, tags: list[str]) -> np.ndarray | None:
        """(G,) bool: pictures of the database with a category that the tags name; None: of none."""
        named = [
            set(category.split()) <= set(tags) or category.replace(" ", "") in tags
            for category in self.found.categories
        ]
        return self.found.labels[self.found.database][:, named].any(1) if any(named) else None

    def _chosen(self, number: int) -> None:
        """Show the tags that the model finds for a picture."""
        self.strip.mark(number)
        row = int(self.choice[number])
        found = answers.first(self.name, self.tags, lambda: self._vector(row), self.true(row))
        address, alt = self._show(row)
        tags = " ".join(
            _told(self.found.words[at], bool(right))
            for at, right in zip(found.rows, found.right, strict=True)
        )
        self.told.value = (
            '<table class="cmir-tags"><tr>'
            + html.captioned(html.image(address, alt), html.head_of(found))
            + f'<td style="padding-left:12px">{tags}</td></tr></table>'
        )

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

    def _show(self, row: int) -> tuple[str, str]:
        if row not in self._shown:
            task = self.experiment.task
            picture = task.data.take(task.view, self.found.images[[row]])[0]
            tags = np.array(self.found.words)[self.found.text[row] > 0]
            self._shown[row] = html.uri(picture), f"tagged {', '.join(tags)}"
        return self._shown[row]


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
