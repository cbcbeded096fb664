"""How every command of `cmir` behaves: refusals of one line, help that fits a screen.

And options that several modules of commands have.
"""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import unwritable, write_json

if TYPE_CHECKING:
    from cmir_repro.core.protocol import Protocol

INTERRUPTED = 130  # the status after Ctrl-C; what cannot be used is 2
UNWRITABLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOTDIR,
}  # fmt: skip
RESULT = (".json",)  # what a result is written as
Preset = Annotated[str, typer.Option(metavar="NAME", help="a wrong name lists those there are")]
Ties = Annotated[
    str | None, typer.Option(help="mean, best or worst; default: what the protocol says")
]


class Commands(TyperGroup):
    """Commands whose every refusal is one line."""

    def main(self, args=None, prog_name=None, **extra):
        """Run what was typed; ends the process with its status."""
        extra["standalone_mode"] = False
        try:
            # What a script prepared, or the status of an Exit, comes back as a value.
            status = super().main(args, "cmir", **extra)
            sys.exit(status if isinstance(status, int) else 0)
        except InputError as error:
            message = str(error)
        except typer.TyperException as error:
            message = _usage(error)
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            message = str(unwritable(error.filename or paths.home(), error.strerror))
        except typer.Abort:
            sys.exit(INTERRUPTED)
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
        sys.exit(2)

    def resolve_command(self, ctx, args):
        """The command of a name; an unknown one is answered with those there are."""
        there = self.list_commands(ctx)
        if args[0] not in there and not args[0].startswith("-"):
            raise InputError(
                f"{args[0]!r} is no command of {ctx.command_path}; there are: {', '.join(there)}"
            )
        return super().resolve_command(ctx, args)


def _usage(error: typer.TyperException) -> str:
    """What typer says of a wrong option, and where the right ones are listed."""
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "cmir"
    if type(error).__name__ == "NoArgsIsHelpError":
        commands = ", ".join(context.command.list_commands(context))
        return f"what should {where} do? {commands}; type: {where} --help"
    message = error.format_message()
    return f"{message[0].lower()}{message[1:].rstrip('.')}; type: {where} --help"


def group(**options) -> typer.Typer:
    return typer.Typer(
        cls=options.pop("cls", Commands),
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
        **options,
    )


class Scripts(Commands):
    """The commands of data/registry; a script is imported when its command is wanted."""

    def list_commands(self, ctx) -> list[str]:
        from cmir_repro.data.registry import SCRIPTS

        return list(SCRIPTS)

    def get_command(self, ctx, cmd_name):
        from cmir_repro.data.registry import SCRIPTS, script

        if cmd_name not in SCRIPTS:
            return None
        one = typer.Typer(add_completion=False, rich_markup_mode=None)
        one.command(cmd_name)(script(cmd_name))
        return typer.main.get_command(one)

    def format_commands(self, ctx, formatter) -> None:
        from cmir_repro.data.registry import SCRIPTS, summary

        names = list(SCRIPTS)
        room = formatter.width - max(map(len, names)) - 6
        lines = [(name, shortened(summary(name), room)) for name in names]
        with formatter.section("Data sets"):
            formatter.write_dl(lines)


def shortened(text: str, room: int) -> str:
    """As many words of a text as fit."""
    if len(text) <= room:
        return text
    return text[: room - 2].rsplit(" ", 1)[0].rstrip(" ,:;") + " …"


@contextmanager
def trained() -> Iterator[None]:
    """Training that cannot go on is told in one line as well, and so is one that was stopped."""
    from cmir_repro.training.loop import TrainingError

    try:
        yield
    except TrainingError as error:
        raise InputError(str(error)) from error
    except KeyboardInterrupt as stop:
        # The loop names the step that it kept; before and after it, nothing new is to be kept.
        kept = "stopped; the same command goes on from the last step that was kept, if there is one"
        print(str(stop) or kept, file=sys.stderr)
        raise


def chosen(name: str, ties: str | None, scorer: str) -> "Protocol":
    """The protocol of --protocol and --ties, for a command of core.scorers."""
    from cmir_repro.core.protocol import TIES
    from cmir_repro.core.scorers import preset_of

    found = preset_of(name, scorer)
    if not ties:
        return found
    one_of("ties", ties, TIES)
    return found.changed(ties=ties)


def finish(result: dict, table: str, out: Path | None) -> None:
    """Write a result as JSON where that was asked for, and print its table."""
    if out:
        write_json(out, result)
    print(table)
