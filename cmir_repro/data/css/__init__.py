"""The generated world: scenes, edits, sentences, tags, and their pictures."""

from cmir_repro.core import lazy

__getattr__, __dir__ = lazy.modules(__name__, __path__)
