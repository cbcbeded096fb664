"""Options that several scripts have, spelt once."""

import runpy
import sys
from pathlib import Path
from typing import Annotated

import typer

from cmir_repro.core.errors import InputError, check_seed, check_size

Folder = Annotated[Path, typer.Option(metavar="FOLDER", help="folder of the released files")]
Root = Annotated[Path | None, typer.Option(metavar="FOLDER", help="folder of the released files")]
Archives = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="zip or tar file, unpacked into it first; may be repeated"),
]
Archive = Annotated[
    Path | None, typer.Option(metavar="FILE", help="zip of the released files, unpacked first")
]
Images = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="folder with the pictures, or their shards")
]
ImageFeatures = Annotated[
    Path | None, typer.Option(metavar="FILE", help="of all images by id, instead of pictures")
]
AnnotationsOnly = Annotated[
    bool, typer.Option("--annotations-only", help="tables alone, no pixels")
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="leave out pictures that are not there")
]
Partial = Annotated[bool, typer.Option("--partial", help="take files with other counts")]
Size = Annotated[int, typer.Option(callback=check_size, help="side of the pictures in pixels")]
Name = Annotated[str | None, typer.Option(help="of the prepared data set")]
OwnName = Annotated[str, typer.Option(help="of the prepared data set, and of its folder")]
Seed = Annotated[int, typer.Option(callback=check_seed, help="of the splits")]
Val = Annotated[float, typer.Option(help="share for validation")]
Test = Annotated[float, typer.Option(help="share for the test")]
TrainImages = Annotated[int, typer.Option(help="images that are trained on")]
ValImages = Annotated[int, typer.Option(help="images for validation")]
TestImages = Annotated[int, typer.Option(help="images that are queries")]
Suffix = Annotated[str, typer.Option(help="added to an id for the file name, say .jpg")]
Csv = Annotated[Path, typer.Option(metavar="FILE", help="the table")]
Separator = Annotated[str | None, typer.Option(help="between columns: , ; | or tab")]
Pictures = Annotated[
    Path, typer.Option(metavar="FOLDER", help="folder with the pictures, or their shards")
]
Licence = Annotated[str, typer.Option(help="recorded")]
Source = Annotated[str | None, typer.Option(help="address they are from; recorded")]


def one_given(**given: object) -> str:
    """The one option that was given.

    Args:
        given: value by option, with _ for -.

    Raises:
        InputError: none or several were given.
    """
    names = {key: f"--{key.replace('_', '-')}" for key in given}
    here = [key for key, value in given.items() if value]
    if len(here) != 1:
        found = f", not {' and '.join(names[key] for key in here)}" if here else ""
        raise InputError(f"give one of {', '.join(names.values())}{found}")
    return here[0]


def names(text: str) -> tuple[str, ...]:
    """Names with commas between."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def as_command(file: str) -> None:
    """Make `python data_scripts/NAME.py ...` the command `cmir prepare NAME ...`.

    Args:
        file: the script's __file__.
    """
    sys.argv = ["cmir", "prepare", Path(file).stem.replace("_", "-"), *sys.argv[1:]]
    runpy.run_module("cmir_repro", run_name="__main__")
