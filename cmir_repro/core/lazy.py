"""Packages whose modules are imported when they are first named: `cmir.losses.metric` just works.

As in SciPy (and Scientific Python's SPEC 1), so that a dotted name is the path of its source file
and importing a package loads nothing that is not used.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable


def modules(package: str, path: Iterable[str]) -> tuple[Callable, Callable]:
    """What a package's `__init__` binds to `__getattr__` and `__dir__`.

    Args:
        package: its `__name__`.
        path: its `__path__`.

    Raises:
        AttributeError: by `__getattr__`, for what is no module of the package; names those it has.
    """
    found = [module.name for module in pkgutil.iter_modules(path)]
    there = sorted(name for name in found if not name.startswith("_"))

    def load(name: str) -> object:
        if name not in there:
            raise AttributeError(f"{package} has no {name!r}; its modules are {', '.join(there)}")
        return importlib.import_module(f"{package}.{name}")

    return load, lambda: there
