"""Drop-downs that make the sentence of an edit."""

from collections.abc import Callable

import ipywidgets as widgets

from cmir_repro.data.css import edits, world
from cmir_repro.data.css.scenes import CELLS, COLORS, SHAPES, SHAPES_3D, SIZES
from cmir_repro.data.training_pairs import replacing
from cmir_repro.play.questions import Attributes, Questions, Scenes


class SceneMenus(widgets.HBox):
    """One drop-down a part of the sentence.

    Args:
        changed: called with the sentence when a reader changes one.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        shapes = [
            (f"{flat} ({solid})", flat) for flat, solid in zip(SHAPES, SHAPES_3D, strict=True)
        ]
        self.parts = {
            "verb": _menu("verb", list(world.FORMS), 100),
            "position": _menu("position", [("any", ""), *CELLS], 130),
            "size": _menu("size", [("any", ""), *SIZES], 90),
            "colour": _menu("colour", [("any", ""), *COLORS], 100),
            "shape": _menu("shape", [("any object", ""), *shapes], 150),
            "value": _menu("becomes", [*COLORS, *SIZES], 100),
        }
        self._changed, self._quiet = changed, False
        for menu in self.parts.values():
            menu.observe(self._told, "value")
        columns = [
            widgets.VBox([widgets.Label(menu.cmir_name), menu]) for menu in self.parts.values()
        ]
        super().__init__(columns, layout=widgets.Layout(flex_flow="row wrap"))

    def show(self, text: str, source: str) -> None:
        """Set the menus to a sentence; one that is not of the grammar leaves them as they are."""
        edit = edits.parse(text)
        if edit is None:
            return
        self._quiet = True
        for name, menu in self.parts.items():
            said = getattr(edit, name)
            if said or name != "value":
                menu.value = said
        self.parts["value"].disabled = edit.verb != "make"
        self._quiet = False

    def _told(self, _: object) -> None:
        if self._quiet:
            return
        parts = {name: menu.value for name, menu in self.parts.items()}
        if parts["verb"] == "add" and not parts["shape"]:
            parts["shape"] = SHAPES[0]  # what is added has a shape
        if parts["verb"] != "make":
            parts["value"] = ""
        self._changed(edits.Edit(**parts).text)


class AttributeMenus(widgets.HBox):
    """One drop-down an attribute, which has the source's value until a reader replaces one.

    Args:
        questions: of the data set. changed: as above.
    """

    def __init__(self, questions: Attributes, changed: Callable[[str], None]) -> None:
        self._questions, self._changed, self._quiet = questions, changed, False
        self.parts = {name: _menu(name, values, 150) for name, values in questions.values.items()}
        for menu in self.parts.values():
            menu.observe(self._told, "value")
        columns = [widgets.VBox([widgets.Label(name), menu]) for name, menu in self.parts.items()]
        super().__init__(columns, layout=widgets.Layout(flex_flow="row wrap"))

    def show(self, text: str, source: str) -> None:
        """Set the menus to the source's attributes and what a sentence replaces of them."""
        self._quiet = True
        self._of = self._questions.of_source(source)
        edit = self._questions.edit(source, text)
        for name, value in {**self._of, **dict([edit] if edit else [])}.items():
            self.parts[name].value = value
        self._quiet = False

    def _told(self, change: dict) -> None:
        before = self._of[change["owner"].cmir_name]
        if not self._quiet and change["new"] != before:
            self._changed(replacing(before, change["new"]))


class ListMenu(widgets.HBox):
    """One drop-down with the sentences that the data set has for the chosen picture.

    Args:
        questions: of the data set. changed: as above.
    """

    def __init__(self, questions: Questions, changed: Callable[[str], None]) -> None:
        self._questions, self._changed, self._quiet = questions, changed, False
        self.menu = _menu("edit", [""], 420)
        self.menu.observe(self._told, "value")
        super().__init__([widgets.VBox([widgets.Label("edit"), self.menu])])

    def show(self, text: str, source: str) -> None:
        """Offer the sentences of a source, this one chosen if it is among them."""
        self._quiet = True
        texts = self._questions.texts(source)
        own = [] if text in texts else [("(your own words)", text)]
        self.menu.options = [*own, *((one, one) for one in texts)]
        self.menu.value = text
        self._quiet = False

    def _told(self, change: dict) -> None:
        if not self._quiet and change["new"]:
            self._changed(change["new"])


def of(
    questions: Questions, changed: Callable[[str], None]
) -> SceneMenus | AttributeMenus | ListMenu:
    """The menus that fit a data set."""
    if isinstance(questions, Scenes):
        return SceneMenus(changed)
    if isinstance(questions, Attributes):
        return AttributeMenus(questions, changed)
    return ListMenu(questions, changed)


def _menu(name: str, options: list, width: int) -> widgets.Dropdown:
    pairs = [one if isinstance(one, tuple) else (one, one) for one in options]
    menu = widgets.Dropdown(options=pairs, layout=widgets.Layout(width=f"{width}px"))
    menu.cmir_name = name
    return menu
