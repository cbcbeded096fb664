"""Links of the checkout as the book needs them: anchors of its own kind, and none to a folder."""

import re
from pathlib import Path

import nbformat
from sphinx.application import Sphinx

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("source-read", _adapt)
    return {"parallel_read_safe": True}


def _adapt(app: Sphinx, name: str, source: list[str]) -> None:
    page = Path(app.env.doc2path(name))

    def adapted(link: re.Match) -> str:
        text, target = link.groups()
        if target.startswith("#") and page.suffix == ".ipynb":
            # JupyterLab keeps the capitals of a heading, the book's anchors are GitHub's.
            anchor = re.sub(r"[^\w\-]", "", target[1:].lower())
            return f"[{text}](#{anchor})"
        if "://" not in target and (page.parent / target).is_dir():
            return text
        return link[0]

    if page.suffix != ".ipynb":
        source[0] = LINK.sub(adapted, source[0])
        return
    notebook = nbformat.reads(source[0], as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(adapted, cell.source)
    source[0] = nbformat.writes(notebook)
