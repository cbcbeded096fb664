"""What the panels have in common: thumbnails to click, and a still picture for saved notebooks."""

from collections.abc import Callable, Sequence

import ipywidgets as widgets


class Panel(widgets.VBox):
    """A panel that is seen without a kernel too: as HTML of the question and answer it shows."""

    def still(self) -> str:
        """What is shown where nothing runs: HTML."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: object) -> dict:
        still = {"text/html": self.still(), "text/plain": "A panel to ask a model."}
        return super()._repr_mimebundle_(**kwargs) | still


class Thumbnails(widgets.HBox):
    """A strip of pictures that are buttons; widgets have no picture that can be clicked.

    Args:
        addresses: of the pictures. told: each in words.
        chosen: called with the number of the picture that is clicked.
    """

    def __init__(
        self, addresses: Sequence[str], told: Sequence[str], chosen: Callable[[int], None]
    ) -> None:
        self.buttons = [
            widgets.Button(tooltip=text, layout=widgets.Layout(flex="0 0 auto")) for text in told
        ]
        strip = widgets.HBox(
            self.buttons, layout=widgets.Layout(overflow="auto hidden", width="100%")
        )
        style = widgets.HTML(layout=widgets.Layout(display="none"))
        super().__init__([style, strip])
        rules = []
        for number, (button, address) in enumerate(zip(self.buttons, addresses, strict=True)):
            name = f"cmir-{self.model_id}-{number}"
            button.add_class("cmir-thumbnail").add_class(name)
            rules.append(f".jupyter-widgets.{name}{{background-image:url({address})}}")
            button.on_click(lambda _, number=number: chosen(number))
        style.value = f"<style>{_LOOK}{''.join(rules)}</style>"

    def mark(self, number: int) -> None:
        """Show which picture is chosen."""
        for place, button in enumerate(self.buttons):
            (button.add_class if place == number else button.remove_class)("cmir-chosen")


_LOOK = """
.jupyter-widgets.cmir-thumbnail{width:90px;height:60px;margin:3px;padding:0;border-radius:4px;
background-size:cover;background-position:center;outline:1px solid #8a8a8a}
.jupyter-widgets.cmir-thumbnail:hover{outline:3px solid #7fb2e5}
.jupyter-widgets.cmir-thumbnail:focus-visible{outline:3px solid #1f6fbf}
.jupyter-widgets.cmir-thumbnail.cmir-chosen{outline:4px solid #1f6fbf}
"""
