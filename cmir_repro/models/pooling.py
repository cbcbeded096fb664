"""From a set of vectors to one: aggregators, and the sets made smaller that train them.

All aggregators are called `pooler(tokens (B, N, D), lengths (B,))` and give the vector (B, D) and
the coefficients (B, N) that say what each place weighs; lengths are at least 1 and nothing in
padding counts. `version` is raised when a pooler's numbers move: see versions.VERSIONS.
Letters: B sets, N places of the largest, D width.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cmir_repro.core.errors import one_of
from cmir_repro.models.text import TwoWayGRU
from cmir_repro.models.token_set import TokenSet, real_positions


class Mean(nn.Module):
    """The mean of the set; each place weighs one over the length."""

    version = 1

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        real = real_positions(lengths, tokens.shape[1])
        coefficients = real / lengths[:, None]  # (B, N) float32
        return _weigh(coefficients, tokens.masked_fill(~real[..., None], 0)), coefficients


class Max(nn.Module):
    """The largest value of each dimension; places have no weights, so there are no coefficients."""

    version = 1

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, None]:
        real = real_positions(lengths, tokens.shape[1])
        return tokens.masked_fill(~real[..., None], -math.inf).amax(1), None


class First(nn.Module):
    """The first vector: the CLS token of encoders that have one."""

    version = 1

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        coefficients = torch.zeros(tokens.shape[:2], device=tokens.device)
        coefficients[:, 0] = 1
        return tokens[:, 0], coefficients


class GPO(nn.Module):
    """Generalised pooling operator: learned weights of the largest value, the second largest, ...

    Chen et al. 2021, "Learning the best pooling strategy for visual semantic embedding", as the
    code of woodfrog/vse_infty computes it: a two-way GRU reads sinusoidal encodings of the places
    0..n-1, a layer without bias makes a score of each state, a softmax with temperature 0.1 the
    weights; they meet the set's values sorted in each dimension on its own. So the weights depend
    on n and on the place in the order, never on the values. 12,704 parameters.

    The weights are computed in float32 even under autocast: the temperature would multiply the
    rounding of 16 bits by ten.
    """

    version = 1

    WIDTH = 32  # of the encodings and of the states
    TEMPERATURE = 0.1

    def __init__(self) -> None:
        super().__init__()
        self.gru = TwoWayGRU(self.WIDTH, self.WIDTH)
        self.score = nn.Linear(self.WIDTH, 1, bias=False)

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        B, N = tokens.shape[:2]
        if N <= B:  # fewer sizes than sets: the weights of every size once, then a look-up
            sizes = torch.arange(1, N + 1, device=lengths.device)
            # Not [lengths - 1]: several threads would add the gradients of a size in any order.
            theta = self._weights(sizes, N).index_select(0, lengths - 1)  # (B, N)
        else:
            theta = self._weights(lengths, N)
        padding = ~real_positions(lengths, N)[..., None]
        # Minus infinity is below every value in any precision, and so sorts behind.
        ordered = _descending(tokens.masked_fill(padding, -math.inf))
        return _weigh(theta, ordered.masked_fill(padding, 0)), theta

    @torch.no_grad()
    def coefficients(self, length: int) -> Tensor:
        """The weights for sets of one size, largest value first: (length,) float, sum 1."""
        return self._weights(torch.tensor([length], device=self.score.weight.device), length)[0]

    def _weights(self, sizes: Tensor, N: int) -> Tensor:
        """Set sizes (R,) -> weights (R, N), zero beyond the size."""
        weight = self.score.weight
        with torch.autocast(weight.device.type, enabled=False):
            places = _encodings(N, self.WIDTH, weight.device).to(weight.dtype)[None]
            # The score is linear, so it may come before the directions meet; onward, all sizes
            # read the same places.
            onward, back, turned = self.gru.directions(places, sizes)
            onward, back = self.score(onward).squeeze(-1), self.score(back).squeeze(-1)
            scores = (onward + back.gather(1, turned)) / (2 * self.TEMPERATURE)  # (R, N)
            scores = scores.masked_fill(~real_positions(sizes, N), -math.inf)
            return scores.softmax(1, torch.promote_types(scores.dtype, torch.float32))


POOLERS: dict[str, type[nn.Module]] = {"mean": Mean, "max": Max, "cls": First, "gpo": GPO}


def drop_vectors(
    tokens: Tensor,
    lengths: Tensor,
    generator: torch.Generator,
    p: float = 0.2,
    kind: str = "regions",
    has_cls: bool = False,
) -> TokenSet:
    """Image sets with some vectors left out, for training only (size augmentation, vse_infty).

    Args:
        tokens, lengths: (B, N, D) and (B,), the sets.
        generator: draws on the CPU.
        p: "regions": the chance of each vector to go. "grids": each picture draws u from [0, 1);
            above p its vectors go with chance p * u, else they all stay.
        has_cls: the first vector is not drawn for and stays.

    Returns:
        The vectors that stay, in their order; N is the same. Where all would go, the one with the
        luckiest draw stays (our choice; the reference may empty a set).

    Raises:
        InputError: unknown kind.
    """
    one_of("kind of image set", kind, ("regions", "grids"))
    B, N = tokens.shape[:2]
    chance = torch.full((B, 1), p)
    if kind == "grids":
        u = torch.rand(B, 1, generator=generator)
        chance = torch.where(u > p, p * u, 0.0)
    draws = torch.rand(B, N, generator=generator).to(tokens.device)
    may_go = real_positions(lengths, N)
    if has_cls:
        may_go[:, 0] = False
    goes = may_go & (draws < chance.to(tokens.device)) & ~_luckiest(draws, may_go)
    return _without(tokens, lengths, goes)


def drop_words(
    input_ids: Tensor,
    lengths: Tensor,
    generator: torch.Generator,
    *,
    special: Sequence[int],
    mask: int,
    vocabulary: int,
    pad: int = 0,
    p: float = 0.2,
) -> tuple[Tensor, Tensor]:
    """Sentences with words hidden, changed or left out, for training only (as in vse_infty).

    Each word is chosen with chance p; of the chosen 50% become `mask`, 10% any token of the
    vocabulary, 40% go. The reference chooses whole words; word pieces are here chosen one by one
    (our simplification), and one word at least does not go (our choice).

    Args:
        input_ids, lengths: (B, L) int64 and (B,), the sentences.
        generator: draws on the CPU.
        special: ids that are no words, as those of start and end; they are never chosen.
        mask: id of the mask.
        vocabulary: count of all ids.
        pad: what fills the places that become free.

    Returns:
        input_ids (B, L) int64 and lengths (B,).
    """
    draws = torch.rand(input_ids.shape, generator=generator).to(input_ids.device)
    anything = torch.randint(vocabulary, input_ids.shape, generator=generator).to(input_ids.device)
    real = real_positions(lengths, input_ids.shape[1])
    word = real & ~torch.isin(input_ids, torch.tensor(special, device=input_ids.device))
    goes = word & (draws < 0.4 * p) & ~_luckiest(draws, word)
    hidden = word & (draws >= 0.4 * p) & (draws < 0.9 * p)
    changed = word & (draws >= 0.9 * p) & (draws < p)
    input_ids = torch.where(changed, anything, input_ids).masked_fill(hidden, mask)
    kept = _without(input_ids[..., None], lengths, goes)
    return kept.tokens[..., 0].masked_fill(~kept.real, pad), kept.lengths


def _weigh(coefficients: Tensor, values: Tensor) -> Tensor:
    """Weighted sum over the places, (B, N) and (B, N, D) -> (B, D) in the values' precision."""
    return torch.einsum("bn,bnd->bd", coefficients.to(values.dtype), values)


def _descending(x: Tensor) -> Tensor:
    """Each dimension of (B, N, D) sorted on its own, the largest value first."""
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return x.sort(dim=1, descending=True).values
    # NumPy sorts with the processor's vector instructions, in a third of torch's time or less.
    columns = x.detach().transpose(1, 2).numpy()
    if not x.requires_grad:
        return torch.from_numpy(np.sort(columns)[..., ::-1].copy()).transpose(1, 2)
    order = np.argsort(columns)[..., ::-1].copy()
    return x.gather(1, torch.from_numpy(order).transpose(1, 2))


def _encodings(N: int, width: int, device: torch.device) -> Tensor:
    """Sine and cosine of the places 0..N-1 in turn, (N, width) float32 (Vaswani et al. 2017)."""
    j = torch.arange(0, width, 2, device=device)
    angles = torch.arange(N, device=device)[:, None] * 10000.0 ** (-j / width)  # (N, width / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def _luckiest(draws: Tensor, among: Tensor) -> Tensor:
    """(B, N) bool: the largest draw of each row's True places; nothing where there is none."""
    draws = draws.masked_fill(~among, -1)
    return among & (draws == draws.amax(1, keepdim=True))


def _without(tokens: Tensor, lengths: Tensor, goes: Tensor) -> TokenSet:
    """The sets (B, N, D) without the places marked (B, N), the rest moved together."""
    stays = real_positions(lengths, tokens.shape[1]) & ~goes
    order = (~stays).byte().argsort(dim=1, stable=True)[..., None]  # (B, N, 1)
    return TokenSet.padded(tokens.gather(1, order.expand_as(tokens)), stays.sum(1))
