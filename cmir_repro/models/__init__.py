"""Nets: encoders, compositors, pooling, fusion, critics, towers."""

from cmir_repro.core import lazy

__getattr__, __dir__ = lazy.modules(__name__, __path__)
