"""Settings chosen by validation data: candidates of a system's presets, trained and validated only.

A candidate is a run as any other, with the same name, folder and checkpoints, that ends before the
test data are looked at: its record (`kind` "search") holds the validation figures and no metric.
Whoever wants its test figures names it as a method, and its training is not repeated. A candidate
that is a method of the tables and was run is not run again: its log has the same figures.
"""

import pandas as pd

from cmir_repro.core.errors import InputError
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.experiments.run import trained

FIGURE = "val selection"  # what chooses the step, and the setting


def search(
    config: RunConfig, *, device: str = "cpu", progress: bool = True, command: str = "unknown"
) -> ledger.Record:
    """Train and validate one candidate; arguments and errors as of `run.run`.

    Raises:
        InputError: also where the data hold nothing to validate on.
    """
    ledger.reset_peak_memory(device)
    with trained(config, device, progress) as (experiment, job, system):
        if experiment.config.train.selection != "val":
            raise InputError(f"{config.dataset} has no validation data to choose a setting by")
        found = validation(job.log().to_dict("records"))
        found |= {"examples": experiment.examples("val")}
        return job.searched(system, {"validation": found}, command)


def validation(log: list[dict]) -> dict:
    """The validation figures of a run's log: those of the best step and those of the last.

    Args:
        log: rows as `loop.train` writes them.

    Returns:
        "best" and "last", each "step" and the figures by name, in percent.

    Raises:
        InputError: nothing was validated.
    """
    rows = [row for row in log if pd.notna(row.get(FIGURE))]
    if not rows:
        raise InputError('there is no validation figure in the log; selection must be "val"')
    # The first of equals, as training keeps it.
    return {
        which: {"step": int(row["step"])}
        | {key.removeprefix("val "): x for key, x in row.items() if key.startswith("val ")}
        for which, row in (("best", max(rows, key=lambda row: row[FIGURE])), ("last", rows[-1]))
    }
