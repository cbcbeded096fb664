"""The memory keeps the newest, whatever the batch, and comes back from a checkpoint."""

import pytest
import torch

from cmir_repro.models.momentum import CategoryMemory

K, C, M = 3, 2, 5


def sample(numbers):
    """Samples that are told apart by their number in all three arrays."""
    n = torch.tensor(numbers, dtype=torch.float32)
    return n[:, None].expand(-1, K), -n[:, None].expand(-1, K), torch.stack([n % 2, n % 3 > 0], 1)


def held(memory):
    a, b, labels = memory.filled()
    numbers = a[:, 0].tolist()
    if numbers:
        for found, expected in zip((a, b, labels), sample(numbers), strict=True):
            assert torch.equal(found, expected)  # the three stay together
    return sorted(numbers)


def test_it_starts_empty_and_keeps_the_newest():
    memory, pushed = CategoryMemory(M, K, C), []
    assert held(memory) == []
    assert [tuple(x.shape) for x in memory.filled()] == [(0, K), (0, K), (0, C)]
    for size in (2, 2, 3, 1, 12, 5, 4):
        new = list(range(len(pushed), len(pushed) + size))
        memory.push(*sample(new))
        pushed += new
        assert held(memory) == pushed[-M:]


def test_it_holds_no_graph_and_is_not_trained():
    memory = CategoryMemory(M, K, C)
    a = torch.ones(2, K, requires_grad=True)
    memory.push(2 * a, 3 * a, torch.ones(2, C, dtype=torch.bool))
    assert not any(x.requires_grad for x in memory.filled())
    assert list(memory.parameters()) == []
    assert memory.filled()[2].dtype == torch.float32


def test_a_checkpoint_goes_on_where_it_was():
    memory, again = CategoryMemory(M, K, C), CategoryMemory(M, K, C)
    memory.push(*sample([0, 1, 2]))
    again.load_state_dict(memory.state_dict())
    assert held(again) == [0, 1, 2]
    for one in (memory, again):
        one.push(*sample([3, 4, 5, 6]))
    assert held(again) == held(memory) == [2, 3, 4, 5, 6]


def test_bad_size():
    with pytest.raises(ValueError, match="at least 1 sample, got 0"):
        CategoryMemory(0, K, C)
