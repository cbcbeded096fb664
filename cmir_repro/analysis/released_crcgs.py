"""What the released code of CRCGS computes where this package computes something else.

For comparison (notebook 13): nothing is trained or scored with these. Re-made in our own words from
what the code does (repository Hambaobao/CRCGS). The released contrast, which can be trained with,
is `losses.crcgs.released_contrast`. Letters: B batch, C categories, K converted space,
Q queries, N database items, L bits.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.hamming import as_codes
from cmir_repro.evaluation.recall import unit_rows
from cmir_repro.losses.cosine import cosine


def shared_by_loops(labels: Tensor) -> Tensor:
    """How many categories samples share, counted one by one: (B, C) 0/1 -> (B, B) float.

    The same as `labels.common`, in B * C * B steps.
    """
    B, C = labels.shape
    shared = torch.zeros(B, B)
    for i in range(B):
        for c in range(C):
            if labels[i, c]:
                for j in range(B):
                    if labels[j, c]:
                        shared[i, j] += 1
    return shared


def support_loss_unguarded(a: Tensor, b: Tensor, labels: Tensor, tau: float) -> Tensor:
    """`losses.crcgs.support_loss` of a batch without a guard.

    A sample without categories divides 0 by 0, and one NaN is enough for the mean; if all features
    are 0 the logarithm of 0 is taken.

    Args:
        a, b: (B, K) float. labels: (B, C) 0/1. tau: above 0.

    Returns:
        () float, NaN or infinite as the case may be.
    """
    E = (cosine(a, b) / tau).exp()  # (B, B)
    N = labels.float() @ labels.float().T

    def near(x: Tensor, weights: Tensor, others: Tensor) -> Tensor:
        support = weights @ others / weights.sum(1, keepdim=True)
        return F.cosine_similarity(x, support, dim=1, eps=1e-6).mean()

    return -((near(a, N * E, b) + near(b, N * E.T, a)) / 2).log()


class Forces(NamedTuple):
    """How steeply a loss asks for other cosines, per anchor: what scales its gradients."""

    pull: np.ndarray  # (n,) at its partner's
    push: np.ndarray  # (n,) at the others', summed over them


def contrast_forces(
    cosines: np.ndarray, tau: float, q: float, others: int, normalised: bool = False
) -> Forces:
    """Pull and push of the released contrast where an anchor's cosines are all the same.

    The derivatives of -log E / (E + q) and of -log q / (E + q), with E = exp(cos / tau).

    Args:
        cosines: (n,) float.
        tau: above 0. q: above 0. others: in the batch, B - 1.
        normalised: divide E by its mean, a constant, as in contrastive representation distillation
            (Tian et al. 2020), from where the form of the loss comes. Then q is B - 1.
    """
    log_E = np.zeros_like(cosines) if normalised else np.asarray(cosines) / tau
    apart = 1 / (1 + q * np.exp(-log_E))  # E / (E + q)
    return Forces((1 - apart) / tau, others * apart / tau)


def infonce_forces(cosines: np.ndarray, tau: float, others: int) -> Forces:
    """The same of InfoNCE in one direction."""
    force = np.full_like(cosines, others / (others + 1) / tau)
    return Forces(force, force.copy())


def normalised_contrast(X: Tensor, Z: Tensor, tau: float) -> Tensor:
    """The released contrast with what it leaves out: E divided by its mean, a constant; q = B - 1.

    Of the batch itself, where Tian et al. 2020 keep the mean of the first batch (our choice).

    Args:
        X, Z: (B, K) float. tau: above 0.

    Returns:
        () float.
    """
    s = cosine(X, Z) / tau  # (B, B)
    s = s - s.detach().exp().mean().log() - float(np.log(len(X) - 1))  # log E / (mean q)
    own = F.softplus(-s).diagonal()
    apart = F.softplus(s)
    return (own.sum() + apart.sum() - apart.diagonal().sum()) / len(X)


def free_features(
    loss: Callable[[Tensor], Tensor], rows: int, width: int, steps: int, seed: int
) -> Tensor:
    """Features that a loss makes of random ones when no net stands in its way.

    Adam at 0.01 on numbers whose positive part is the feature, as a converted one is.

    Args:
        loss: of (rows, width) float, to a scalar.

    Returns:
        (rows, width) float, at least 0.
    """
    start = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    x = start.requires_grad_()
    optimiser = torch.optim.Adam([x], lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(x.relu()).backward()
        optimiser.step()
    return x.detach().relu()


def cosine_distances(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """1 - cos, (Q, D) and (N, D) numbers -> (Q, N) float32."""
    return 1 - unit_rows(queries, "query") @ unit_rows(database, "database").T


def hamming_distances(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """(L - q . d) / 2 with bits of +-1: (Q, L) and (N, L), see `hamming.as_codes` -> (Q, N)."""
    q, d = (2.0 * as_codes(x, "code") - 1 for x in (queries, database))
    return 0.5 * (q.shape[1] - q @ d.T)


def average_precision_by_argsort(
    distances: np.ndarray, relevant: np.ndarray, k: int = 0
) -> np.ndarray:
    """The released evaluator: sort, look at k places, divide by the relevant ones among them.

    What ties stays as it is filed (the sort is stable here, so that the result is the same
    everywhere; the code's is not). A query that finds nothing has 0, also where there is nothing.

    Args:
        distances: (Q, N), small is near. relevant: (Q, N) bool.
        k: places; 0, which nobody changes, means as many as there are queries.

    Returns:
        (Q,) float64 in [0, 1].

    Raises:
        InputError: shapes differ.
    """
    if distances.shape != relevant.shape or distances.ndim != 2:
        raise InputError(
            f"distances {distances.shape} and relevant {relevant.shape} must both be (Q, N)"
        )
    k = k or len(distances)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(np.asarray(relevant, dtype=bool), order, 1)
    found = hits.cumsum(1)
    precision = found / np.arange(1, hits.shape[1] + 1)
    return (precision * hits).sum(1) / np.maximum(found[:, -1], 1)


def validation(
    u: np.ndarray, v: np.ndarray, labels: np.ndarray, count: int, rng: np.random.Generator
) -> float:
    """The released code's validation, one direction: what selects the epoch, in percent.

    Rows are drawn with replacement and searched for among themselves. So the answer to a query, and
    each copy of it, is in the database, and as the categories are its own it is always relevant.

    Args:
        u, v: (N, D) number, queries and their answers. labels: (N, C) 0/1. count: rows to draw.
        rng: decides which.
    """
    rows = rng.integers(len(u), size=count)
    y = labels[rows].astype(np.float32)
    distances = cosine_distances(u[rows], v[rows])
    return 100 * float(average_precision_by_argsort(distances, y @ y.T > 0).mean())
