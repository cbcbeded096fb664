"""Which run a configuration is: its name, and whether the ledger holds it as it would be now."""

import ast
import inspect

from cmir_repro.core.config import Config
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import ledger, versions
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.experiments.presets.dim import DIMRun
from cmir_repro.models.compositors import COMPOSITORS


def name(config: Config) -> str:
    """The run's name in the ledger and of its folder."""
    return ledger.run_name(
        config.dataset,
        config.task,
        config.scale,
        config.method,
        config.train.seed,
        config.model_dump(mode="json"),
    )


def searched(run: str) -> str:
    """What a run is called in the ledger where it was validated only."""
    return f"{run}-search"


def held(config: RunConfig) -> ledger.Record | None:
    """The record of this run, made by the versions as they are, of either ledger.

    For a search the run itself will do: it was validated too.
    """
    now = versions.used(config), own_digest(config)
    runs = [name(config), *([searched(name(config))] if config.search else [])]
    for run in runs:
        for origin in ledger.ORIGINS:
            if ledger.exists(run, origin):
                record = ledger.read(run, origin)
                if (record.versions, record.code.get("own", "")) == now:
                    return record
    return None


def current(config: RunConfig) -> bool:
    """Whether one of the ledgers holds this run, see `held`."""
    return held(config) is not None


def own_digest(config: Config) -> str:
    """Digest of a reader's own compositor, "" of one of ours.

    Nobody keeps golden traces of it, so its text stands for its version: editing it makes a new
    run. Comments and docstrings do not count.
    """
    if not isinstance(config, DIMRun):
        return ""
    ours = "cmir_repro", "torch", "builtins"
    kinds = COMPOSITORS[config.model.compositor].__mro__
    texts = [_source(kind) for kind in kinds if kind.__module__.partition(".")[0] not in ours]
    return ledger.code_hash(texts) if texts else ""


def _source(kind: type) -> str:
    """The text of a class; for one of a notebook, which has no file, from its cell.

    Raises:
        InputError: there is no text, as of what was typed at a prompt.
    """
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        function = next(f for f in vars(kind).values() if inspect.isfunction(f))
        try:
            cell = ast.parse("".join(inspect.findsource(function)[0]))
        except OSError as error:
            raise InputError(
                f"the source of {kind.__name__} cannot be read, and a run is known by it; write "
                "the class into a file or a notebook"
            ) from error
        classes = (node for node in ast.walk(cell) if isinstance(node, ast.ClassDef))
        return next(ast.unparse(node) for node in classes if node.name == kind.__name__)
