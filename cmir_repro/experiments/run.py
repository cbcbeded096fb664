"""Every run's way, whatever its system: found again, resumed or trained, then scored, recorded."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from cmir_repro.experiments import identity, ledger, same_data
from cmir_repro.experiments.experiment import Experiment, Run, say
from cmir_repro.experiments.job import Job, alone
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.training import together


@contextmanager
def trained(
    config: RunConfig, device: str, progress: bool
) -> Iterator[tuple[Experiment, Job, nn.Module]]:
    """A run as far as its training: experiment, job and net; nobody else is at it meanwhile.

    Raises:
        LostProcess: of several processes that train it another one is gone.
    """
    with together.ending_together(), _trained(config, device, progress) as found:
        yield found


@contextmanager
def _trained(
    config: RunConfig, device: str, progress: bool
) -> Iterator[tuple[Experiment, Job, nn.Module]]:
    together.start(device)
    together.agree("config", config.model_dump(mode="json"))
    with together.first_before_others():
        experiment = SYSTEMS[config.system].experiment(config, device, progress)
    # The name is that of what was asked for, so that asking again, or a grid, finds the run.
    name, config = identity.name(config), experiment.suit()
    if said := same_data.unlike(
        config.dataset, config.scale, experiment.data.info.get("tables_sha256", "unknown")
    ):
        say(said)
    with alone(name):
        job = Job(
            config,
            experiment.data,
            experiment.protocol,
            device,
            experiment.selections[config.train.selection],
            name,
            **experiment.facts(),
        )
        torch.manual_seed(config.train.seed)  # initial weights
        system = experiment.build()
        experiment.fit(system, job)
        yield experiment, job, system


def run(
    config: RunConfig, *, device: str = "cpu", progress: bool = True, command: str = "unknown"
) -> Run:
    """Train and score one model, or load it if this very run is finished already.

    A broken-off run goes on where it stopped; one made by other code, from other data or on
    another kind of device is made anew. What the data are too few for is changed and said, see
    `Experiment.suit`. Where another process is at this run, wait for it.

    Args:
        config: from a system's `configure`.
        device: "cpu" or "cuda".
        progress: whether bars are shown.
        command: what to type to get this run, for the record.

    Raises:
        InputError: data, task and configuration do not go together.
        TrainingError: training cannot go on.
    """
    ledger.reset_peak_memory(device)
    with trained(config, device, progress) as (experiment, job, system):
        features = experiment.features(system, job)
        queries, result = experiment.score(features)
        record = job.record(system, result, queries, command)
    return Run(record, job.log(), system, experiment, features, queries)
