"""Raw layouts of releases; nothing is written."""

from cmir_repro.core import lazy

__getattr__, __dir__ = lazy.modules(__name__, __path__)
