"""What everything stands on: settings, errors, files, folders, protocols, device."""

from cmir_repro.core import lazy

__getattr__, __dir__ = lazy.modules(__name__, __path__)
