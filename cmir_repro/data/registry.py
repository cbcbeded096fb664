"""The one list of data sets: which script makes which, what to type for it, and how to open it.

The list is read for the command line's help as well: what opens data is imported when it is called.
"""

import ast
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError

if TYPE_CHECKING:
    from cmir_repro.data.prepared import Prepared

CSS = "css"  # made here, without files of anybody


@dataclass(frozen=True)
class Script:
    """A script of data_scripts; its function `prepare` is the command `cmir prepare NAME`.

    module: imported when the script is wanted.
    makes: data set -> what to type after the command's name; empty where the user names the data.
    page: of docs/data, which says where to get the files.
    """

    module: str
    page: str
    makes: dict[str, str] = field(default_factory=dict)


_ROOT = "--root FOLDER"
_PICTURES = "--root FOLDER --images FOLDER"
_KARPATHY = "--karpathy dataset_{0}.json --images FOLDER --name {0}"
# By the name of the command.
SCRIPTS = {
    "css": Script("data_scripts.css", "css", {CSS: "", "css-released": _ROOT}),
    "fashion200k": Script(
        "data_scripts.fashion200k", "fashion200k", {"fashion200k": "--root FOLDER"}
    ),
    "mitstates": Script("data_scripts.mitstates", "mitstates", {"mitstates": "--root FOLDER"}),
    "fashioniq": Script("data_scripts.fashioniq", "fashioniq", {"fashioniq": _PICTURES}),
    "cirr": Script("data_scripts.cirr", "cirr", {"cirr": _PICTURES}),
    "captions": Script(
        "data_scripts.captions",
        "captions",
        {name: _KARPATHY.format(name) for name in ("flickr30k", "flickr8k", "coco")},
    ),
    "regions": Script("data_scripts.regions", "captions"),
    "mirflickr": Script(
        "data_scripts.mirflickr", "labelled", {"mirflickr": f"{_PICTURES} --labels FOLDER"}
    ),
    "nuswide": Script(
        "data_scripts.nuswide",
        "labelled",
        {
            "nuswide-tc21": f"{_PICTURES} --classes 21",
            "nuswide-tc10": f"{_PICTURES} --classes 10",
        },
    ),
    "wikipedia": Script("data_scripts.wikipedia", "labelled_files", {"wikipedia": _ROOT}),
    "hashing-files": Script("data_scripts.hashing_files", "labelled_files"),
    "coco-categories": Script("data_scripts.coco_categories", "labelled_files"),
    "labelled-csv": Script("data_scripts.labelled_csv", "labelled_files"),
    "css-x": Script("data_scripts.css_x", "css", {"css-x": ""}),
    "own-folder": Script("data_scripts.own_folder", "own_folder"),
}
OWN = "cmir prepare own-folder --name {} --csv FILE --images FOLDER"  # data that nobody knows


def script(command: str) -> Callable[..., "Prepared"]:
    """The function of a script, a key of SCRIPTS, with its options as keyword arguments."""
    return importlib.import_module(SCRIPTS[command].module).prepare


def summary(command: str) -> str:
    """The first line of what a script says of itself, read without importing it."""
    module = ast.parse(Path(find_spec(SCRIPTS[command].module).origin).read_text(encoding="utf-8"))
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    return ast.get_docstring(functions["prepare"]).splitlines()[0]


def how(name: str) -> str:
    """What to type to get a data set."""
    for command, made in SCRIPTS.items():
        if name in made.makes:
            return f"cmir prepare {command} {made.makes[name]}".strip()
    return OWN.format(name)


def prepared_here() -> list[str]:
    """Names of the data sets that can be opened."""
    return [CSS, *sorted(file.parent.name for file in paths.data().glob("*/dataset.json"))]


def check(name: str) -> None:
    """Refuse a data set that is not here.

    Raises:
        InputError: as above; the message says what to type, and what there is.
    """
    here = prepared_here()
    if name not in here:
        raise InputError(
            f"the data set {name!r} is not prepared yet; type: {how(name)} "
            f"(there are: {', '.join(here)})"
        )


def folder(name: str, scale: str = "mini") -> Path:
    """Where a data set lies, prepared or damaged.

    Raises:
        InputError: there is no such data set here; the message says how to get it.
    """
    if name == CSS:
        from cmir_repro.data.css import dataset as css

        return css.folder(scale)
    check(name)
    return paths.data() / name


def open(name: str, scale: str = "mini", device: str = "cpu", progress: bool = True) -> "Prepared":
    """The prepared data set of a name; CSS is generated and rendered if it is missing.

    Args:
        name: "css", or the name under which a script of SCRIPTS prepared a data set.
        scale: size of the generated CSS; other data sets have one size.
        device: torch device that renders CSS. progress: show a bar meanwhile.

    Raises:
        InputError: there is no such data set here; the message says how to get it.
    """
    check(name)
    if name == CSS:
        from cmir_repro.data.css import dataset as css

        return css.prepare(scale, device, progress)
    from cmir_repro.data.prepared import Prepared

    return Prepared(paths.data() / name)
