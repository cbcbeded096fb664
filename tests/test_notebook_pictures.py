"""Every picture of the committed notebooks has a text for those who do not see it."""

from html.parser import HTMLParser

import nbformat
import pytest
from nbconvert import HTMLExporter

from cmir_repro import reproduce

NONE = "No description has been provided for this image"  # nbconvert puts it where there is none


class Images(HTMLParser):
    """The attributes of every image of a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found.append(dict(attributes))


def silent(notebook):
    """Images without a text on the page that nbconvert makes; their data are cut off."""
    images = Images()
    images.feed(HTMLExporter().from_notebook_node(notebook)[0])
    return [
        {key: str(value)[:40] for key, value in image.items()}
        for image in images.found
        if (image.get("alt") or "").strip() in ("", NONE)
    ]


@pytest.mark.parametrize("path", reproduce.notebooks(), ids=lambda path: path.stem)
def test_no_picture_is_without_alternative_text(path):
    assert not silent(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("alt", ["", 'alt=""', 'alt=" "'])
def test_a_picture_without_a_text_is_found(alt):
    assert len(silent(page(f'<img {alt} src="data:image/png;base64,iVBORw0KGgo=">'))) == 1
    assert not silent(page('<img alt="a scene" src="data:image/png;base64,iVBORw0KGgo=">'))


def page(html):
    """A notebook that shows a piece of HTML."""
    shown = nbformat.v4.new_output("display_data", {"text/html": html})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[shown])])
