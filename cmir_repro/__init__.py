"""Reproducibility companion for cross-modal image retrieval; the notebooks import it."""

import os

__version__ = "0.1.0"

# Idle OpenMP threads spin by default. Where another process wants the same core, two spinning
# threads were measured to train two to ten times slower than two that sleep. This is read when
# torch is loaded, so it is set here, and yields to a setting of the user's.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
