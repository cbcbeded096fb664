"""The same panel for photographs that the reader prepared; shown where there are some."""

import ipywidgets as widgets

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import read_json
from cmir_repro.data import registry
from cmir_repro.play import composed_panel, html
from cmir_repro.play.panel import Panel

NONE = (
    "No photographs are prepared here. <code>cmir prepare own-folder --help</code> says how a "
    "folder of yours and a table of attributes become a data set; it then appears in this place."
)


class Photographs(Panel):
    """A list of data sets; the models of the chosen one are trained, or found, on demand.

    Args:
        names: of prepared data sets.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.choice = widgets.Dropdown(options=names, description="data set")
        self.button = widgets.Button(description="Ask its models", button_style="primary")
        self.progress, self.below = widgets.Output(), widgets.VBox()
        self.button.on_click(lambda _: self.load())
        said = widgets.HTML(
            html.paragraph(
                "The first time, four small models are trained on it, a minute each at most; then "
                "they are found in your ledger."
            )
        )
        shown = [said, widgets.HBox([self.choice, self.button]), self.progress, self.below]
        super().__init__(shown if names else [widgets.HTML(html.paragraph(NONE))])

    def load(self) -> None:
        """Show the panel of the chosen data set; what is wrong with it stands in its place."""
        self.button.disabled = True
        try:
            with self.progress:
                self.below.children = [composed_panel.panel(self.choice.value)]
            self.progress.clear_output()
        except InputError as error:
            self.below.children = [widgets.HTML(html.paragraph(html.escape(str(error))))]
        finally:
            self.button.disabled = False

    def still(self) -> str:
        there = f"Prepared here: {', '.join(map(html.escape, self.names))}."
        return html.paragraph(there if self.names else NONE)


def names() -> list[str]:
    """Prepared data sets of photographs with queries of a picture and a text."""
    found = []
    for name in registry.prepared_here():
        file = paths.data() / name / "dataset.json"
        if name != registry.CSS and file.is_file():
            told = read_json(file)
            asked = told.get("counts", {}).get("test", {}).get("queries", 0)
            if told.get("provenance", {}).get("kind") != "rendered" and asked:
                found.append(name)
    return found


def panel() -> Photographs:
    """The panel of the photographs that are prepared here."""
    return Photographs(names())
