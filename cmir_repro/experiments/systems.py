"""The systems there are: the one place where they are listed."""

from types import ModuleType
from typing import NamedTuple

from cmir_repro.experiments.aai import ImageTextExperiment
from cmir_repro.experiments.crcgs import LabelExperiment
from cmir_repro.experiments.dim import ComposedExperiment
from cmir_repro.experiments.experiment import Experiment
from cmir_repro.experiments.presets import aai, crcgs, dim
from cmir_repro.experiments.presets.base import RunConfig


class System(NamedTuple):
    """A system's configurations and what makes runs of them.

    presets: a module with METHODS, SCALES, `configure` and `default_task`.
    config: what `configure` returns.
    """

    presets: ModuleType
    config: type[RunConfig]
    experiment: type[Experiment]


SYSTEMS = {
    "dim": System(dim, dim.DIMRun, ComposedExperiment),
    "aai": System(aai, aai.AAIRun, ImageTextExperiment),
    "crcgs": System(crcgs, crcgs.CRCGSRun, LabelExperiment),
}


def name_of(config: RunConfig) -> str:
    """The key of SYSTEMS that a configuration belongs to."""
    return next(name for name, system in SYSTEMS.items() if isinstance(config, system.config))


def system_of(config: RunConfig) -> System:
    """The system that a configuration belongs to."""
    return SYSTEMS[name_of(config)]
