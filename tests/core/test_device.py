"""A device is chosen by what is there, a scale by the device; names are checked."""

import pytest
import torch

from cmir_repro.core.device import choose, scale_for
from cmir_repro.core.errors import InputError


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("wanted", [None, "", "auto"])
def test_the_gpu_is_taken_where_there_is_one(monkeypatch, there, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose(wanted) == ("cuda" if there else "cpu")
    assert choose("cpu") == "cpu"


def test_what_is_not_there_or_unknown_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="torch sees no GPU; use 'cpu' or 'auto'"):
        choose("cuda")
    with pytest.raises(InputError, match="device 'gpu' is unknown; allowed: auto, cpu, cuda"):
        choose("gpu")
    with pytest.raises(
        InputError, match="scale 'big' is unknown; allowed: auto, mini, full, paper"
    ):
        scale_for("cpu", "big")


def test_the_scale_follows_the_device_unless_it_is_named():
    assert (scale_for("cpu"), scale_for("cuda")) == ("mini", "paper")
    assert (scale_for("cpu", "full"), scale_for("cuda", "mini")) == ("full", "mini")
