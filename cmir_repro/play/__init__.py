"""Asking trained models by hand: what notebook 00 shows, in JupyterLab and as a page of voila."""

from cmir_repro.core import lazy

__getattr__, __dir__ = lazy.modules(__name__, __path__)
