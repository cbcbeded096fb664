"""Two CPU processes against one: same values, same gradients, same training, same end."""

import socket

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from conftest import TINY
from two_processes import aligned, fresh, main, run, trained

from cmir_repro.core.distributed import anyone, gather
from cmir_repro.experiments import ledger
from cmir_repro.training import checkpoint


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def both(root, tiny_root):
    """What each of the two processes found: array name -> array."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What both import is imported once: torch alone takes seconds.
    mp.set_forkserver_preload(["torch._dynamo", "cmir_repro.experiments.run"])
    mp.start_processes(main, (port, root, tiny_root, TINY), nprocs=2, start_method="forkserver")
    return [np.load(root / f"{rank}.npz") for rank in range(2)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("alone"))


def test_alone_nothing_is_gathered():
    x = torch.ones(3)
    assert gather(x) is x
    assert anyone(True)
    assert not anyone(False)


def test_the_average_of_gathered_gradients_is_that_of_one_process(both):
    x, y = (
        torch.cat([torch.arange(6.0).view(2, 3).add(i + rank) for rank in range(2)])
        for i in (0, 10)
    )
    x.requires_grad_()
    y.requires_grad_()
    whole = x.square().sum(1)
    (whole.outer(whole).sum() + (x * y).sum()).backward()
    for name, value in (("x", x), ("y", y)):
        # A sum over two processes, of which DistributedDataParallel takes the average.
        found = np.concatenate([one[name] for one in both]) / 2
        np.testing.assert_allclose(found, value.grad, rtol=1e-6)


def test_a_gradient_shared_by_two_gathers_is_summed_once_for_each(both):
    for one in both:
        np.testing.assert_array_equal(one["a"], np.full((2, 2), 2 * 4))  # 2 processes x 2 (1 + 1)
        np.testing.assert_array_equal(one["b"], one["a"])


def test_the_order_in_memory_does_not_matter(both):
    part = np.arange(16.0).reshape(2, 2, 2, 2)
    for one in both:
        np.testing.assert_array_equal(one["maps"], np.concatenate([part, part + 100]))


def test_a_flag_anywhere_is_seen_everywhere(both):
    assert all(one["flags"].tolist() == [True, False] for one in both)


def test_two_processes_train_dim_as_one_does(both, alone):
    system, log = alone
    for one in both:
        np.testing.assert_allclose(one["losses"], [row["loss"] for row in log], atol=1e-5)
        for name, value in system.state_dict().items():
            np.testing.assert_allclose(one[f"dim {name}"], value, atol=1e-5, err_msg=name)
    moved = (fresh().image.stem[0].weight - system.image.stem[0].weight).abs().max()
    assert moved > 1e-3  # else the comparison says nothing


def test_two_processes_train_aai_as_one_does(both, tmp_path):
    """Losses, weights, momentum copies and queues; the fusion encoder's pairs are shared out."""
    system, log = aligned(tmp_path)
    for one in both:
        np.testing.assert_allclose(one["aai losses"], [row["loss"] for row in log], atol=1e-4)
        for name, value in system.state_dict().items():
            np.testing.assert_allclose(one[f"aai {name}"], value, atol=1e-4, err_msg=name)


def test_the_first_process_validates_for_all(both):
    assert [int(one["validations"]) for one in both] == [1, 0]
    assert [float(one["selection"]) for one in both] == [0, 0]


def test_processes_stop_together_and_resume(both, alone):
    assert [str(one["stopped"])[:18] for one in both] == ["stopped after step"] * 2
    assert str(both[0]["stopped"]) == str(both[1]["stopped"])
    assert "step 3;" in str(both[0]["stopped"])
    for one in both:
        for name, value in alone[0].state_dict().items():
            np.testing.assert_allclose(one[f"resumed {name}"], value, atol=1e-5, err_msg=name)


def test_a_whole_run_is_that_of_one_process(both, root, tiny_css, tmp_path, monkeypatch):
    np.testing.assert_array_equal(both[0]["ranks"], both[1]["ranks"])
    for name in ("CMIR_RUNS", "CMIR_RESULTS"):
        monkeypatch.setenv(name, "")  # `run` sets them; this puts them back afterwards
    single = run(tmp_path, TINY)
    kept, _ = checkpoint.load(root / "runs" / single.record.run, "best")
    for name, value in single.system.state_dict().items():
        torch.testing.assert_close(kept[f"model.{name}"], value, atol=1e-4, rtol=1e-4)
    monkeypatch.setenv("CMIR_RESULTS", str(root / "results"))
    assert [record.run for record in ledger.records()] == [single.record.run]
    found = ledger.queries(single.record.run)["rank"]
    np.testing.assert_array_equal(found, both[0]["ranks"])
