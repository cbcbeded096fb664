"""Reproducibility companion for cross-modal image retrieval; `import cmir_repro as cmir`.

The functions of `__all__` are those of `cmir_repro.api`, imported when one is first asked for: the
command line, evaluation and this import need no torch.
"""

import importlib
import os

__version__ = "0.1.0"
__all__ = ["load", "plot", "prepare", "run", "score", "table"]

# Idle OpenMP threads spin by default. Where another process wants the same core, two spinning
# threads were measured to train two to ten times slower than two that sleep. This is read when
# torch is loaded, so it is set here, and yields to a setting of the user's.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> object:
    """A function of the API on first use."""
    if name not in __all__:
        raise AttributeError(f"cmir_repro has no {name!r}; it offers {', '.join(__all__)}")
    # By name: modules that read the version here do not thereby depend on the API.
    return getattr(importlib.import_module("cmir_repro.api"), name)
