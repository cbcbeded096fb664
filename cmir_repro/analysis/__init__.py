"""The modality gap, projections, and what the released CRCGS code computes."""

from cmir_repro.core import lazy

__getattr__, __dir__ = lazy.modules(__name__, __path__)
