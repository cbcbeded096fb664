"""Parameters of a notebook: what its cell declares, and whether the values that it is given fit.

Papermill runs a notebook on its defaults when a name is misspelt, and hands on a text where a list
is meant: both would come out as a result, or much later as an error of something else.
"""

import ast
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cmir_repro.core.errors import InputError, check_seed

INJECTED = "# Parameters\n"  # how the cell begins that papermill puts behind the declaring one
HOW = "with papermill, -y 'NAME: VALUE' gives a list and -r NAME VALUE a text"  # -p guesses


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return _whole(value) or (isinstance(value, float) and math.isfinite(value))


class Kind(NamedTuple):
    """What a parameter may be, in words and as a test of a value."""

    said: str
    fits: Callable[[object], bool]


KINDS = {
    "bool": Kind("True or False", lambda value: isinstance(value, bool)),
    "int": Kind("a whole number", _whole),
    "float": Kind("a number", _number),
    "str": Kind("a text", lambda value: isinstance(value, str)),
    "list": Kind("a list", lambda value: isinstance(value, list)),
}


class Parameter(NamedTuple):
    """A declared parameter: the name of its kind, of KINDS, and its default."""

    kind: str
    default: object


def declared(source: str) -> dict[str, Parameter]:
    """The parameters that a cell declares, each as `NAME: KIND = LITERAL`.

    Returns:
        name -> parameter; empty if anything else is in the cell.
    """
    found = {}
    for statement in _statements(source):
        kind = getattr(getattr(statement, "annotation", None), "id", None)
        if not isinstance(statement, ast.AnnAssign) or kind not in KINDS:
            return {}
        try:
            found[statement.target.id] = Parameter(kind, ast.literal_eval(statement.value))
        except (AttributeError, ValueError, TypeError):
            return {}
    return found


def check(known: dict[str, Parameter], given: dict[str, object]) -> None:
    """All that is wrong with the values given to a notebook, in one line.

    Raises:
        InputError: a name is not declared, a value is of another kind, a list is empty or has other
            elements than its default, or a seed is out of bounds.
    """
    faults = [fault for name in given if (fault := _fault(known, name, given[name]))]
    if faults:
        raise InputError("; ".join(faults))


def check_cells(cells: Sequence[str]) -> None:
    """Check the parameters of a running notebook by the sources of the cells that it ran.

    The declaring cell may have been edited by hand, or papermill's follows it.

    Raises:
        InputError: see `check`.
    """
    place = next((n for n in reversed(range(len(cells))) if declared(cells[n])), None)
    if place is None:
        return
    known = declared(cells[place])
    check(known, {name: parameter.default for name, parameter in known.items()})
    after = cells[place + 1] if place + 1 < len(cells) else ""
    if after.startswith(INJECTED):
        set_there = [s for s in _statements(after) if isinstance(s, ast.Assign)]
        check(known, {ast.unparse(s.targets[0]): _literal(s.value) for s in set_there})


def _fault(known: dict[str, Parameter], name: str, value: object) -> str:
    """What is wrong with one value; empty if nothing is."""
    if name not in known:
        return f"parameter {name!r} is unknown; allowed: {', '.join(known)}"
    parameter = known[name]
    kind = KINDS[parameter.kind]
    said = f"parameter {name} = {value!r:.60} must be"
    if not kind.fits(value):
        return f"{said} {kind.said}, as {parameter.default!r:.60}; {HOW}"
    if parameter.kind == "list":
        if not value:
            return f"{said} a list of at least one, as {parameter.default!r:.60}"
        of = isinstance(parameter.default, list) and parameter.default
        element = of and KINDS.get(type(of[0]).__name__)
        if element and not all(map(element.fits, value)):
            return f"{said} a list, each of it {element.said}, as {of!r:.60}; {HOW}"
    if name.endswith(("seed", "seeds")):
        try:
            for seed in value if isinstance(value, list) else [value]:
                check_seed(seed)
        except InputError as error:
            return f"parameter {name}: {error}"
    return ""


def _literal(node: ast.expr) -> object:
    """The value of a literal; what is none, such as papermill's float("nan"), as its source."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return ast.unparse(node)


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError):  # magics, shell lines
        return []
