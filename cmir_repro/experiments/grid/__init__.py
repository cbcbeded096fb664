"""The experiment grid: run what the ledgers lack, the most wanted first, in the time there is.

cells       which there are, in their order
cell        one of them, alone at it
settings    where they run: a YAML file
drive       cells to workers, until all are done or time is out
local, cluster   the workers
estimates, assumed   how long it will take
filling     all of it, for the command line
"""

from cmir_repro.experiments.grid.cells import ALL, SEEDS, cells, command
from cmir_repro.experiments.grid.filling import Filled, fill

__all__ = ["ALL", "SEEDS", "Filled", "cells", "command", "fill"]
