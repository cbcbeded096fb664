"""Tables, published numbers, plots and pages, from records."""

from cmir_repro.core import lazy

__getattr__, __dir__ = lazy.modules(__name__, __path__)
