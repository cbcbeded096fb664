"""A function of a command as the command line calls it, in this process."""

from collections.abc import Callable

import pytest
import typer

from cmir_repro.core.errors import InputError
from cmir_repro.data.prepared import Prepared

USAGE = (InputError, typer.BadParameter)


def run(function: Callable, *arguments: object) -> Prepared:
    """What the function returns for arguments as they are typed."""
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return app([str(argument) for argument in arguments], standalone_mode=False)


def refused(function: Callable, message: str, *arguments: object) -> None:
    """The command refuses the arguments in one line that matches `message`."""
    with pytest.raises(InputError, match=message) as caught:
        run(function, *arguments)
    assert "\n" not in str(caught.value)
