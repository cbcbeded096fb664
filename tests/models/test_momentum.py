"""Copies that follow by the formula, and queues that keep the newest, whatever the batch."""

import pytest
import torch
from torch import nn

from cmir_repro.models.momentum import FeatureQueue, MomentumCopy

E, M = 3, 7


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def nets():
    torch.manual_seed(0)
    return {"image": nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), "text": nn.Linear(4, 1)}


def change(nets):
    with torch.no_grad():
        for net in nets.values():
            for p in net.parameters():
                p.add_(torch.randn(p.shape))


def test_an_update_is_the_weighted_mean(nets):
    momentum = MomentumCopy(nets)
    before = [p.clone() for p in momentum.parameters()]
    for a, b in zip(before, nn.ModuleDict(nets).parameters(), strict=True):
        assert torch.equal(a, b)
    change(nets)
    momentum.update(0.9)
    after = list(momentum.parameters())
    assert len(after) == 6
    for old, new, online in zip(before, after, nn.ModuleDict(nets).parameters(), strict=True):
        for a, b, c in zip(old.flatten(), new.flatten(), online.flatten(), strict=True):
            assert b.item() == pytest.approx(0.9 * a.item() + 0.1 * c.item(), abs=1e-6)


def test_the_ends_of_momentum(nets):
    momentum = MomentumCopy(nets)
    before = [p.clone() for p in momentum.parameters()]
    change(nets)
    momentum.update(1)
    assert all(torch.equal(a, b) for a, b in zip(before, momentum.parameters(), strict=True))
    momentum.update(0)
    for a, b in zip(momentum.parameters(), nn.ModuleDict(nets).parameters(), strict=True):
        assert torch.equal(a, b)
    for m in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1, got"):
            momentum.update(m)


def test_buffers_are_taken_over(nets):
    momentum = MomentumCopy(nets)
    nets["image"](torch.randn(5, 2))
    momentum.update(0.995)
    copy, net = momentum["image"][1], nets["image"][1]
    assert copy.num_batches_tracked == 1
    assert torch.equal(copy.running_mean, net.running_mean)
    net.running_mean.add_(1)
    assert not torch.equal(copy.running_mean, net.running_mean)  # a copy, not the same


def test_copies_have_no_gradient_and_nets_are_not_registered(nets):
    momentum = MomentumCopy(nets)
    assert not any(p.requires_grad for p in momentum.parameters())
    assert all(p.requires_grad for net in nets.values() for p in net.parameters())
    assert len(list(momentum.parameters())) == 6
    assert all(name.startswith("copies.") for name in momentum.state_dict())
    x = torch.randn(2, 4)
    assert torch.equal(momentum["text"](x), nets["text"](x))


def test_what_nets_share_the_copies_share():
    shared = nn.Linear(2, 2)
    nets = {"a": nn.Sequential(shared), "b": nn.Sequential(shared, nn.ReLU())}
    momentum = MomentumCopy(nets)
    assert momentum["a"][0] is momentum["b"][0] is not shared
    before = shared.weight.clone()
    change({"shared": shared})
    momentum.update(0.5)  # moved once, not twice
    torch.testing.assert_close(momentum["a"][0].weight, (before + shared.weight) / 2)


def unit(count, seed=0):
    return nn.functional.normalize(torch.randn(count, E, generator=seeded(seed)), dim=1)


def test_a_queue_starts_with_random_directions_of_nobody():
    queue = FeatureQueue(E, M, seeded())
    torch.testing.assert_close(queue.features.norm(dim=0), torch.ones(M))
    assert queue.ids.tolist() == [-100] * M
    assert torch.equal(queue.features, FeatureQueue(E, M, seeded()).features)
    assert not torch.equal(queue.features, FeatureQueue(E, M, seeded(1)).features)
    with pytest.raises(ValueError, match="at least 1 feature, got 0"):
        FeatureQueue(E, 0, seeded())


@pytest.mark.parametrize("sizes", [[3] * 6, [7, 7], [2, 9, 5, 1, 20], [1] * 15, [14, 3]])
def test_a_queue_is_a_list_that_wraps(sizes):
    """Against one column written after the other, by hand."""
    queue = FeatureQueue(E, M, seeded())
    columns, ids, place, last = queue.features.T.tolist(), [-100] * M, 0, 0
    for size in sizes:
        features, new = unit(size, last), torch.arange(last, last + size)
        last += size
        queue.push(features, new)
        for feature, i in zip(features.tolist(), new.tolist(), strict=True):
            columns[place], ids[place] = feature, i
            place = (place + 1) % M
        assert queue.features.T.tolist() == columns
        assert queue.ids.tolist() == ids
        assert queue.pointer.item() == place


def test_a_saved_queue_goes_on_where_it_was():
    one, other = FeatureQueue(E, M, seeded()), FeatureQueue(E, M, seeded(1))
    one.push(unit(5), torch.arange(5))
    state = {name: value.clone() for name, value in one.state_dict().items()}
    other.load_state_dict(state)
    for queue in (one, other):
        queue.push(unit(4, 2), torch.arange(5, 9))
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])
    assert set(state) == {"features", "ids", "pointer"}


def test_a_queue_takes_half_precision_and_no_gradient():
    queue = FeatureQueue(E, M, seeded())
    features = unit(2).bfloat16().requires_grad_()
    queue.push(features, torch.arange(2))
    assert queue.features.dtype == torch.float32
    assert not queue.features.requires_grad
    assert torch.equal(queue.features[:, :2].T, features.float().detach())
