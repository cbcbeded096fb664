"""Dropout of a share of the rows is that of the whole batch, however tensors lie in memory."""

import pytest
import torch
import torch.nn.functional as F

from cmir_repro.core import distributed
from cmir_repro.core.distributed import sharing, whole_draws

B, P = 7, 0.4


@pytest.fixture(params=[0, 1, 2])
def rank(request, monkeypatch):
    """This process is one of three, as far as shares are concerned."""
    monkeypatch.setattr(distributed, "place", lambda: (request.param, 3))
    return request.param


def shapes():
    """A vector a row, words as further rows, maps with channels last, and a transposed one."""
    yield torch.ones(B, 5)
    yield torch.ones(B * 4, 3)
    yield torch.ones(B, 3, 4, 2).to(memory_format=torch.channels_last)
    yield torch.ones(6, B).T


def cut(x, rank):
    mine, each = distributed.share(B, rank, 3), len(x) // B
    return x[mine.start * each : mine.stop * each]


def drawn(dropout, xs):
    torch.manual_seed(3)
    return [dropout(x) for x in xs], torch.rand(1)


@pytest.mark.parametrize(
    "dropout",
    [
        lambda x: F.dropout(x, P),
        lambda x: torch.native_dropout(x, P, True)[0],
        lambda x: torch.native_dropout(x, P, False)[0],
    ],
    ids=["on a CPU", "as on a GPU", "not training"],
)
def test_a_share_is_cut_from_the_draws_of_all_and_leaves_the_same_random_state(dropout, rank):
    wanted, after = drawn(dropout, shapes())
    with sharing(B), whole_draws():
        found, after_shares = drawn(dropout, (cut(x, rank) for x in shapes()))
    for one, whole in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, cut(whole, rank))
    assert after == after_shares


def test_other_rows_than_the_batchs_may_be_shared(rank):
    """Pairs of the fusion encoder: three a row of the batch."""
    mine = distributed.share(3 * B, rank, 3)
    (wanted,), _ = drawn(lambda x: F.dropout(x, P), [torch.ones(3 * B, 2)])
    with sharing(B), whole_draws(3 * B):
        (found,), _ = drawn(lambda x: F.dropout(x, P), [torch.ones(3 * B, 2)[mine]])
    torch.testing.assert_close(found, wanted[mine])


def test_gradients_pass_where_dropout_let_values_pass(rank):
    x = torch.ones(B, 5)[distributed.share(B, rank, 3)].requires_grad_()
    with sharing(B), whole_draws():
        out = F.dropout(x, P)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())
