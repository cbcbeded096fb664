"""Versions of all that decides a run's numbers, which are part of the run's identity.

Whoever moves numbers raises the version of what moved; whoever only moves code raises nothing, and
finished runs stay valid. tests/golden proves which of the two it was. A compositor or pooler has
its version in its class, a reader's own as well; without one it is 1.
"""

from cmir_repro.core.config import Config
from cmir_repro.experiments.presets.aai import AAIRun
from cmir_repro.experiments.presets.dim import DIMRun
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.models.pooling import POOLERS

VERSIONS = {
    "data": 1,  # generated world, splits, drawn pairs, batches, tokens, ready and frozen features
    "rendering": 1,  # pictures of the generated scenes
    "training": 1,  # the loop, its optimisers and schedules, selection
    "scoring": 1,  # embedding of a split, ranks and their metrics
    # Systems, with encoders, critics, fusion encoder and objectives.
    "dim": 1,
    "aai": 1,
    "crcgs": 1,
    "cca-itq": 1,
    "dcmh": 1,
}


def used(config: Config) -> dict[str, int]:
    """Component -> version, of the components that decide this run's numbers."""
    names = ["data", "training", "scoring"]
    if config.dataset == "css":  # the only pictures that are made here
        names.append("rendering")
    parts = {}
    if isinstance(config, DIMRun):
        names.append("dim")
        parts["compositor", config.model.compositor] = COMPOSITORS[config.model.compositor]
    elif isinstance(config, AAIRun):
        names.append("aai")
        parts["pooler", config.model.pooler] = POOLERS[config.model.pooler]
    else:
        names.append("crcgs" if config.model else config.baseline.kind)
    found = {name: VERSIONS[name] for name in names}
    return found | {" ".join(key): getattr(kind, "version", 1) for key, kind in parts.items()}
