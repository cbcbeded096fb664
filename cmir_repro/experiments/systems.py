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

    presets: a module with SCALES, TASKS, METHODS, SEARCH, `known`, `groups`, `configure`,
        `default_task`.
    config: what `configure` returns; its `system` is the key of SYSTEMS.
    """

    presets: ModuleType
    config: type[RunConfig]
    experiment: type[Experiment]


SYSTEMS = {
    "dim": System(dim, dim.DIMRun, ComposedExperiment),
    "aai": System(aai, aai.AAIRun, ImageTextExperiment),
    "crcgs": System(crcgs, crcgs.CRCGSRun, LabelExperiment),
}
