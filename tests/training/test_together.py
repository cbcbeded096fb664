"""What several processes do before they train; what needs two of them is in test_distributed.py."""

import pytest
import torch
from torch import nn

from cmir_repro.core.errors import InputError
from cmir_repro.systems.dim import Composed, ModelConfig
from cmir_repro.training import together
from cmir_repro.training.together import LostProcess, ending_together, normalise_together

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d)


@pytest.fixture
def two(monkeypatch):
    """This process is the first of two, as far as it knows."""
    monkeypatch.setattr(together, "place", lambda: (0, 2))


def norms(module, kinds):
    return [m for m in module.modules() if isinstance(m, kinds)]


@pytest.fixture
def system():
    torch.manual_seed(0)
    config = {"image_encoder": "resnet18", "embed_dim": 8, "compositor": "concatenation"}
    return Composed(ModelConfig.make(**config), 9)


def test_on_gpus_batch_norm_before_the_gather_is_of_the_whole_batch(two, system):
    """Behind it, in the compositor, it is so anyway; neither weights nor their names change."""
    before = dict(system.named_parameters()), list(system.state_dict())
    normalise_together(system, torch.device("cuda"))
    assert len(norms(system.image, nn.SyncBatchNorm)) == 20  # of a ResNet-18
    assert not norms(system.image, PLAIN)
    assert len(norms(system.compositor, PLAIN)) == 2
    after = dict(system.named_parameters())
    assert all(after[name] is x for name, x in before[0].items())
    assert list(system.state_dict()) == before[1]


def test_on_cpus_such_nets_are_refused_and_in_one_process_left_alone(monkeypatch, system):
    normalise_together(system, torch.device("cpu"))
    assert len(norms(system.image, PLAIN)) == 20
    monkeypatch.setattr(together, "place", lambda: (0, 2))
    with pytest.raises(InputError, match="part 'image' of the net has batch norm"):
        normalise_together(system, torch.device("cpu"))


GONE = "[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4711"


def test_that_another_process_is_gone_is_one_line_with_what_torch_said(two):
    said = pytest.raises(LostProcess, match=r"^process 0 ends, .*Connection closed by peer")
    with said as error, ending_together():
        raise RuntimeError(f"{GONE}\nand a stack")
    assert "\n" not in str(error.value)


def test_other_errors_and_those_of_one_process_stay_what_they_are(monkeypatch):
    with pytest.raises(RuntimeError, match=r"gloo.*Connection closed"), ending_together():
        raise RuntimeError(GONE)
    monkeypatch.setattr(together, "place", lambda: (0, 2))
    with pytest.raises(RuntimeError, match=r"^shapes do not fit$"), ending_together():
        raise RuntimeError("shapes do not fit")
