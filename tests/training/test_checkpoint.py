"""A checkpoint is whole, of the run it is asked for, or refused in one line."""

import json

import pytest
import torch
from torch import nn

from cmir_repro.core.errors import InputError
from cmir_repro.training import checkpoint

CONFIG = {"model": {"width": 4, "shape": (2, 3)}, "seed": 0}


@pytest.fixture
def tensors():
    weight = torch.arange(12.0).view(3, 4)
    # Same memory, another order in memory, no dimension, other types.
    return {
        "a": weight,
        "b": weight[1],
        "c": weight.T,
        "d": torch.tensor(7),
        "e": weight.bfloat16(),
    }


@pytest.fixture
def saved(tmp_path, tensors):
    checkpoint.save(tmp_path, "last", tensors, {"step": 5, "config": CONFIG, "best": None})
    return tmp_path


def trained(kind, **settings):
    """A net and its optimiser after two steps."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = kind(net.parameters(), lr=0.1, **settings)
    for _ in range(2):
        net(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
    return net, optimizer


def test_what_is_saved_comes_back(saved, tensors):
    found, facts = checkpoint.load(saved, "last", CONFIG)
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)
    assert (facts["step"], facts["best"], facts["weights"]) == (5, None, "last-000005.safetensors")


def test_older_weights_go_those_of_other_names_stay(saved, tensors):
    for name in ("best", "last"):
        checkpoint.save(saved, name, tensors, {"step": 9, "config": CONFIG})
    assert {path.name for path in saved.iterdir()} == {
        "last.json", "last-000009.safetensors", "best.json", "best-000009.safetensors",
    }  # fmt: skip


def test_a_crash_before_the_json_leaves_the_earlier_checkpoint(saved, tensors, monkeypatch):
    def crash(*_):
        raise OSError("no space left")

    monkeypatch.setattr(checkpoint, "write_json", crash)
    later = {name: value + 1 for name, value in tensors.items()}
    with pytest.raises(OSError, match="no space"):
        checkpoint.save(saved, "last", later, {"step": 6, "config": CONFIG})
    found, facts = checkpoint.load(saved, "last")
    assert facts["step"] == 5
    assert torch.equal(found["a"], tensors["a"])


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damaged_weights_are_refused(saved, damage):
    path = saved / "last-000005.safetensors"
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-1] ^= 1
    path.write_bytes(data[:-1] if damage == "truncate" else data)
    if damage == "remove":
        path.unlink()
    with pytest.raises(InputError, match=r"last-000005\.safetensors is missing or damaged; delete"):
        checkpoint.load(saved, "last")


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"step": 5', "not readable JSON"), ('{"step": 5}', "lacks config, weights, sha256")],
)
def test_a_damaged_json_is_refused(saved, text, message):
    (saved / "last.json").write_text(text)
    with pytest.raises(InputError, match=message):
        checkpoint.load(saved, "last")


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(InputError, match=r"best\.json does not exist"):
        checkpoint.load(tmp_path, "best")


def test_weights_are_only_looked_for_beside_the_json(saved, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "last-000005.safetensors"
    (saved / "last-000005.safetensors").rename(other)
    facts = json.loads((saved / "last.json").read_text())
    (saved / "last.json").write_text(json.dumps({**facts, "weights": str(other)}))
    with pytest.raises(InputError, match="missing"):
        checkpoint.load(saved, "last")


def test_another_configuration_is_refused_by_its_first_key(saved):
    other = {"model": {"width": 8, "shape": [2, 3]}, "seed": 1}
    with pytest.raises(InputError, match=r"config\.model\.width is 4 there, 8 here"):
        checkpoint.load(saved, "last", other)


@pytest.mark.parametrize(
    ("saved", "wanted", "found"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1}}, ""),
        ({"a": 1}, {"a": 1, "b": 2}, "config.b is None there, 2 here"),
        ({"a": {"b": 1}}, {"a": None}, "config.a is {'b': 1} there, None here"),
    ],
)
def test_differences_in_words(saved, wanted, found):
    assert checkpoint.difference(saved, wanted) == found


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (torch.optim.AdamW, {}),
        (torch.optim.SGD, {"momentum": 0.9}),
        (torch.optim.SGD, {"momentum": 0.0}),
    ],
)
def test_model_and_optimiser_come_back_from_disk(tmp_path, kind, settings):
    net, optimizer = trained(kind, **settings)
    tensors = {f"model.{name}": value for name, value in net.state_dict().items()}
    tensors |= checkpoint.optimizer_tensors({"own": optimizer})
    checkpoint.save(tmp_path, "last", tensors, {"step": 2, "config": {}})

    other, fresh = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), None
    fresh = kind(other.parameters(), lr=0.1, **settings)
    checkpoint.restore(other, {"own": fresh}, checkpoint.load(tmp_path, "last")[0])
    for _ in range(2):  # both go on alike
        for module, step in ((net, optimizer), (other, fresh)):
            module.zero_grad()
            module(torch.ones(5, 3) * torch.arange(5)[:, None]).square().sum().backward()
            step.step()
    for name, value in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


def test_weights_of_another_net_are_refused():
    with pytest.raises(InputError, match=r"do not fit the model: .*bias"):
        checkpoint.restore(nn.Linear(2, 2), None, {"model.weight": torch.zeros(2, 2)})


def test_a_folder_that_cannot_be_written_is_named(tmp_path, tensors):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*file"):
        checkpoint.save(tmp_path / "file", "last", tensors, {"step": 1, "config": {}})


def test_a_fused_optimiser_goes_on_in_channels_last(tmp_path):
    """A file keeps no order in memory, and a fused kernel looks at nothing else."""

    def net():
        torch.manual_seed(0)
        conv = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return conv, torch.optim.AdamW(conv.parameters(), lr=0.1, fused=True)

    def steps(conv, optimiser, numbers):
        for number in numbers:
            generator = torch.Generator().manual_seed(number)
            optimiser.zero_grad()
            conv(torch.randn(2, 3, 5, 5, generator=generator)).square().mean().backward()
            optimiser.step()
        return conv.weight.detach().clone()

    unbroken = steps(*net(), range(5))
    conv, optimiser = net()
    steps(conv, optimiser, range(3))
    tensors = {f"model.{key}": value for key, value in conv.state_dict().items()}
    tensors |= checkpoint.optimizer_tensors({"all": optimiser})
    checkpoint.save(tmp_path, "last", tensors, {"step": 3, "config": {}})
    conv, optimiser = net()
    checkpoint.restore(conv, {"all": optimiser}, checkpoint.load(tmp_path, "last")[0])
    assert torch.equal(steps(conv, optimiser, range(3, 5)), unbroken)
