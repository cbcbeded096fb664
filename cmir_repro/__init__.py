"""Reproducibility companion for cross-modal image retrieval; `import cmir_repro as cmir`.

The functions of `__all__` are those of `cmir_repro.api`. Everything else is named by its source
file: `cmir.losses.contrastive` is cmir_repro/losses/contrastive.py. Both are imported when they are
first named, so the command line, evaluation and this import need no torch.
"""

import importlib
import os

from cmir_repro.core import lazy

__version__ = "0.1.0"
__all__ = ["load", "plot", "prepare", "run", "score", "table"]

# Idle OpenMP threads spin by default. Where another process wants the same core, two spinning
# threads were measured to train two to ten times slower than two that sleep. This is read when
# torch is loaded, so it is set here, and yields to a setting of the user's.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


_module, _modules = lazy.modules(__name__, __path__)


def __getattr__(name: str) -> object:
    """A function of the API, a package or a module, on first use."""
    if name in __all__:
        # By name: modules that read the version here do not thereby depend on the API.
        return getattr(importlib.import_module("cmir_repro.api"), name)
    if name in _modules():
        return _module(name)
    there = f"functions {', '.join(__all__)} and the modules {', '.join(_modules())}"
    raise AttributeError(f"cmir_repro has no {name!r}; it offers the {there}")


def __dir__() -> list[str]:
    return [*__all__, *_modules()]
