"""Versions of all that decides a run's numbers, which are part of the run's identity.

Whoever moves numbers raises the version of what moved; whoever only moves code raises nothing, and
finished runs stay valid. tests/golden proves which of the two it was. A compositor or pooler has
its version in its class, a reader's own as well; without one it is 1. Which ones a run uses its
configuration says: `RunConfig.components`.
"""

from cmir_repro.experiments.presets.base import RunConfig

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


def scored(dataset: str) -> dict[str, int]:
    """Component -> version, of the components that decide how anything is scored on a data set."""
    # The only pictures that are made here are those of "css".
    names = ["data", "scoring", *(["rendering"] if dataset == "css" else [])]
    return {name: VERSIONS[name] for name in names}


def used(config: RunConfig) -> dict[str, int]:
    """Component -> version, of the components that decide this run's numbers."""
    parts = config.components()
    own = {
        name: VERSIONS[name] if kind is None else getattr(kind, "version", 1)
        for name, kind in parts.items()
    }
    return scored(config.dataset) | {"training": VERSIONS["training"]} | own
