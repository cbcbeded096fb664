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
    "scoring": 1,  # embedding of a split, average precision and its metrics
    "recall": 2,  # ranks and recall; 2: a tie is the expected hit, not a hit of the expected rank
    # Systems, with encoders, critics, fusion encoder and objectives.
    "dim": 1,
    "aai": 1,
    "crcgs": 1,
    "cca-itq": 1,
    "dcmh": 1,
    "training-free": 1,  # queries composed of two towers' features
}


def scored(config: RunConfig) -> dict[str, int]:
    """Component -> version, of the components that decide how anything is scored as this run is."""
    # The only pictures that are made here are those of "css".
    rendered = ["rendering"] if config.dataset == "css" else []
    ranked = ["recall"] if "recall" in config.components() else []
    return {name: VERSIONS[name] for name in ("data", "scoring", *rendered, *ranked)}


def used(config: RunConfig) -> dict[str, int]:
    """Component -> version, of the components that decide this run's numbers."""
    parts = config.components()
    own = {
        name: VERSIONS[name] if kind is None else getattr(kind, "version", 1)
        for name, kind in parts.items()
    }
    return scored(config) | {"training": VERSIONS["training"]} | own
