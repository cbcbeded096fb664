"""What training needs of a system, whatever nets and losses it is made of."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

# Parameters that are trained alike, the factor on the configured learning rate, and further
# arguments of the optimiser.
Group = tuple[list[nn.Parameter], float, dict]


class System(Protocol):
    """An `nn.Module` that is trained by one optimiser step a batch.

    `forward` gives the losses of a batch, each () float: "loss", whose gradient trains, and its
    parts by name, which are logged. What it draws, it draws from the generator. Where several
    processes train, each has a share of the batch and gathers what it has encoded (`core.
    distributed`); an attribute `gathered` names the children that see the whole batch only.
    """

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """The losses of a batch, arrays by name as the experiment makes them."""

    def parameter_groups(self, config) -> list[Group]:
        """All that is trained, under a `TrainConfig`."""


class AlternatingSystem(Protocol):
    """An `nn.Module` of which every batch trains parts in turn, each with its own optimiser.

    So a generative adversarial net. Of what a batch's turns tell, the log holds the mean; its
    "loss" is that of the last turn.
    """

    def turns(self, step: int) -> Sequence[str]:
        """The optimiser steps that the batch of a step makes, in order, by the part they train."""

    def forward(
        self, batch: dict[str, Tensor], generator: torch.Generator, turn: str
    ) -> dict[str, Tensor]:
        """The losses of a batch in one of its turns."""

    def parameter_groups(self, config) -> dict[str, list[Group]]:
        """All that is trained, by part."""
