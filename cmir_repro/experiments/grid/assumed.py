"""How long a cell at scale paper takes before any was run: a model of cost, on one GPU.

    seconds = batches x operations of a batch / RATE + optimiser steps x HOST

The numbers are assumptions (our choice) until a record knows better. Validation and scoring come
on top. Other scales are run so soon that nobody need guess.
"""

from cmir_repro.experiments.presets.base import RunConfig

# Floating-point operations of a batch as the presets have it, forward and backward, of the dearest
# method; tests/benchmarks/bench_cost.py counts them.
OPERATIONS = {"dim": 3.8e12, "aai": 1.4e13, "crcgs": 5e10}
RATE = 2e13  # a second: what such nets keep up in 16 bits on a card of the kind of an A100
HOST = 0.02  # seconds an optimiser step, of drawing a batch and of launching kernels


def seconds(cell: RunConfig) -> float | None:
    """Of training a cell; None where the model says nothing."""
    if cell.scale != "paper":
        return None
    batches = min(cell.train.steps, cell.updates())  # none where a model is fitted
    return batches * OPERATIONS[cell.system] / RATE + cell.updates() * HOST
