"""What the committed notebooks use of the package and say; none is executed."""

import ast
import importlib
import re

import nbformat
import pytest

import cmir_repro as cmir
from cmir_repro.core import paths

COMMITTED = cmir.reproduce.notebooks()
MOST_NAMES = 6
SOLUTIONS = paths.checkout() / "notebooks" / "exercises" / "solutions.md"
# Words of earlier drafts -> the field's: a query is a query, in what a reader sees.
WORDS = {
    r"asks": "is the query",
    r"buys?|bought": "gains",
    r"t(?:ell|old) apart": "no detectable difference",
    r"as filed": "under the label",
    r"judge[sd]?(?!\.py)": "discriminator, is scored",
    r"likeness": "similarity",
    r"deceives?": "adversarial loss",
}
# Spelt out where a notebook's prose has them first.
ABBREVIATIONS = {
    "TIRG": "text-image residual gating",
    "DIM": "deep mutual information maximisation",
    "AAI": "adequate alignment and interaction",
    "CRCGS": "generative features and support-set",
    "CSS": "colour, shape, size",
    "GPO": "generalised pooling operator",
    "ITC": "image-text contrast",
    "IMS": "intra-modal separability",
    "LMIM": "local mutual information maximisation",
    "ITM": "image-text matching",
    "MLM": "masked language modelling",
    "RSUM": "sum of",
    "MAP": "mean average precision",
    "CCA": "canonical correlation analysis",
    "ITQ": "iterative quantisation",
    "PCA": "principal component analysis",
    "UMAP": "uniform manifold approximation and projection",
}
FENCED = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MODULE = re.compile(r"(?<!\[)`(cmir_repro/[\w/]+\.py)`")


@pytest.fixture(params=COMMITTED, ids=lambda path: path.stem)
def cells(request):
    return nbformat.read(request.param, as_version=4).cells


def code(cells):
    """The source of all code cells."""
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")


def imported(source):
    """(module, name, alias) of each name that is imported from the package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found = [("", name.name, name.asname) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [(node.module, name.name, name.asname) for name in node.names]
        else:
            continue
        yield from (one for one in found if f"{one[0] or one[1]}.".startswith("cmir_repro."))


def dotted(source):
    """Every `cmir.a.b` of a source and its beginnings, as tuples of names."""
    chains = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        while isinstance(node, ast.Attribute):
            names, node = [node.attr, *names], node.value
        if names and isinstance(node, ast.Name) and node.id == "cmir":
            chains.add(tuple(names))
    return sorted(chains)


def test_every_way_to_import_is_counted():
    source = (
        "import numpy, cmir_repro as c\nfrom cmir_repro import a\nif 1:\n    import cmir_repro.b"
    )
    assert list(imported(source)) == [
        ("", "cmir_repro", "c"), ("cmir_repro", "a", None), ("", "cmir_repro.b", None),
    ]  # fmt: skip
    assert dotted("cmir.a.b(cmir._c).d") == [("_c",), ("a",), ("a", "b")]


def test_a_notebook_imports_at_most_six_names_and_hides_none(cells):
    names = list(imported(code(cells)))
    assert len(names) <= MOST_NAMES, names
    for module, name, alias in names:
        assert alias is None or (module, name, alias) == ("", "cmir_repro", "cmir")
        assert not any(part.startswith("_") for part in f"{module}.{name}".split("."))


def test_what_a_notebook_names_is_public_and_there(cells):
    for names in dotted(code(cells)):
        found = cmir
        for name in names:
            assert not name.startswith("_"), names
            if not (isinstance(found, type(cmir))):
                break  # an attribute of a class or of a result
            found = getattr(found, name)
    for module, name, _ in imported(code(cells)):
        if module:
            assert hasattr(importlib.import_module(module), name)


def test_prose_comments_and_titles_use_the_words_of_the_field(cells):
    for cell in cells:
        assert not (found := unusual(cell.source)), found


def unusual(source):
    """(words that are not the field's, what the field says) in a text."""
    return [
        (found[0], instead)
        for words, instead in WORDS.items()
        for found in re.finditer(rf"\b(?:{words})\b", source, re.IGNORECASE)
    ]


def test_names_of_files_are_no_words():
    assert unusual("Two clouds can be told apart, which a sentence asks.")
    assert not unusual("`evaluation/judged.py` reads relevance judgements; it was asked before")


def prose(cells):
    """The source of all markdown cells, without code and headings."""
    texts = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    texts = re.sub(r"^#+ .*$", "", texts, flags=re.MULTILINE)
    return re.sub(r"```.*?```|`[^`]*`", "``", texts, flags=re.DOTALL)


def test_every_abbreviation_is_spelt_out_where_it_comes_first(cells):
    text = prose(cells)
    for short, long in ABBREVIATIONS.items():
        if first := re.search(rf"\b{short}\b", text):
            spelt = re.sub(r"[*\s]+", " ", text[: text.index("\n\n", first.end()) + 1]).lower()
            assert long in spelt, f"{short} is not spelt out: {text[: first.end()][-80:]!r}"


def test_the_first_screen_has_the_question_its_answer_and_the_contents(cells):
    first = cells[0].source
    assert "?**" in first, "no question in bold letters"
    assert "**Contents.**" in first
    wanted = [one for one in headings(cells) if one[0] == 2]
    linked = re.findall(r"\]\(#([^)\s]+)\)", first.partition("**Contents.**")[2])
    assert linked == [anchor for _, anchor in wanted]


def headings(cells):
    """(level, anchor as JupyterLab makes it) of each heading."""
    for cell in cells:
        if cell.cell_type == "markdown":
            source = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
            for marks, title in re.findall(r"^(#+) (.*)$", source, re.MULTILINE):
                yield len(marks), title.replace("`", "").replace(" ", "-")


def test_links_lead_somewhere_and_modules_are_links(cells):
    anchors = {anchor for _, anchor in headings(cells)}
    for cell in cells:
        if cell.cell_type != "markdown":
            continue
        assert not MODULE.search(cell.source), MODULE.findall(cell.source)
        assert "![](" not in cell.source, "a picture without a text for those who cannot see it"
        for link in LINK.findall(cell.source):
            if link.startswith("#"):
                assert link[1:] in anchors, link
            elif "://" not in link:
                file = paths.checkout() / "notebooks" / link.partition("#")[0]
                assert file.exists(), link


def test_a_reader_is_told_what_to_read_next(cells):
    last = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert last.rfind("**What to read next.**") > last.rfind("\n## "), "no hint after the last part"


def test_exercises_have_solutions_whose_code_names_what_is_there():
    text = SOLUTIONS.read_text(encoding="utf-8")
    for notebook in COMMITTED:
        source = code_free(notebook)
        if "## Exercises" in source:
            number = notebook.stem[:2]
            part = source.partition("## Exercises")[2].partition("**What to read next.**")[0]
            wanted = re.findall(r"^(\d)\. ", part, re.MULTILINE)
            solved = re.split(r"^## ", text, flags=re.MULTILINE)
            (mine,) = [one for one in solved if one.startswith(number)]
            assert re.findall(r"^\*\*(\d)\. ", mine, re.MULTILINE) == wanted, notebook.stem
    blocks = [nbformat.v4.new_code_cell(block) for block in FENCED.findall(text)]
    test_what_a_notebook_names_is_public_and_there(blocks)


@pytest.mark.parametrize("number", ["05", "08", "09", "11"])
def test_solutions_that_need_neither_model_nor_ledger_run(number):
    start, *parts = re.split(r"^## ", SOLUTIONS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (part,) = [one for one in parts if one.startswith(number)]
    names = {}
    for block in [*FENCED.findall(start), *FENCED.findall(part)]:
        exec(block, names)


def code_free(notebook):
    """The markdown of a committed notebook."""
    cells = nbformat.read(notebook, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
