"""What the committed notebooks use of the package; nothing is executed."""

import ast
import importlib
import re

import nbformat
import pytest

import cmir_repro as cmir

COMMITTED = cmir.reproduce.notebooks()
MOST_NAMES = 6
# A query is a query: the field's words, in what a reader sees.
WORDS = re.compile(r"\b(asks|buys?|told apart|as filed|judged?)\b")


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
        assert not WORDS.search(cell.source), cell.source
