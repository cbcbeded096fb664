"""A function of a command as the command line calls it, in this process."""

from collections.abc import Callable

import pytest
import typer
from typer.testing import CliRunner

from cmir_repro.cli import app
from cmir_repro.core.errors import InputError
from cmir_repro.data.prepared import Prepared

USAGE = (InputError, typer.BadParameter)


def cmir(*arguments: object, **options):
    """What became of a whole command line."""
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False, **options)


def said(*arguments: object) -> str:
    """What a command line prints where all is well."""
    result = cmir(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def complaint(*arguments: object) -> str:
    """The one line for what cannot be used."""
    result = cmir(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def run(function: Callable, *arguments: object) -> Prepared:
    """What the function returns for arguments as they are typed."""
    single = typer.Typer(add_completion=False)
    single.command()(function)
    return single([str(argument) for argument in arguments], standalone_mode=False)


def refused(function: Callable, message: str, *arguments: object) -> None:
    """The command refuses the arguments in one line that matches `message`."""
    with pytest.raises(InputError, match=message) as caught:
        run(function, *arguments)
    assert "\n" not in str(caught.value)
