"""Two CPU processes against one: same values, same gradients, same training, same end.

Sums of floats have another order, so losses and weights agree to TOLERANCE, relative where they
are above 1; everything that is drawn, dropout too, is the same.
"""

import socket
import time

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from conftest import TINY
from shared_batches import MOVED, SYSTEMS, broken_off, found, trained
from two_processes import WHOLE, configured, main, whole_runs

from cmir_repro.core.distributed import anyone, gather, share
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import identity, ledger
from cmir_repro.training import checkpoint, together

TOLERANCE, PATIENCE = 1e-5, 400


def near(a, b, name=""):
    np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """What a pair of processes finds there and leaves there."""
    root = tmp_path_factory.mktemp("two")
    for name in MOVED:
        broken_off(name, root / f"{name} of one")
    return root


@pytest.fixture(scope="module")
def both(root, tiny_root):
    """What each of the two processes found: array name -> array."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What both import is imported once: torch alone takes seconds.
    mp.set_forkserver_preload(["torch._dynamo", "cmir_repro.experiments.run"])
    pair = mp.start_processes(
        main, (port, root, tiny_root, TINY), nprocs=2, join=False, start_method="forkserver"
    )
    end = time.monotonic() + PATIENCE
    while not pair.join(timeout=1):
        if time.monotonic() > end:
            for process in pair.processes:
                process.kill()
            pytest.fail(f"two processes wait for each other after {PATIENCE} seconds")
    return [np.load(root / f"{rank}.npz") for rank in range(2)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process finds of each system."""
    root = tmp_path_factory.mktemp("alone")
    return {name: found(*trained(name, root / name)) for name in SYSTEMS}


def test_alone_nothing_is_gathered():
    x = torch.ones(3)
    assert gather(x) is x
    assert anyone(True)
    assert not anyone(False)


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_shares_are_all_rows_once_and_differ_by_one_row_at_most(processes):
    parts = [range(20)[share(20, rank, processes)] for rank in range(processes)]
    assert [row for part in parts for row in part] == list(range(20))
    assert {len(part) for part in parts} <= {20 // processes, 20 // processes + 1}


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


def test_uneven_rows_are_gathered_with_their_gradients(both):
    for one, own in zip(both, ([0, 1], [10]), strict=True):
        np.testing.assert_array_equal(one["uneven"], [0, 1, 10])
        np.testing.assert_array_equal(one["uneven gradient"], [2 * 2 * x for x in own])


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


@pytest.mark.parametrize("name", SYSTEMS)
def test_two_processes_train_a_system_as_one_does(name, both, alone):
    """Losses, weights, momentum copies, queues, memories and statistics, of uneven batches."""
    begun = {key: x.numpy() for key, x in SYSTEMS[name][0]().state_dict().items() if x.ndim}
    moved = [np.abs(value - alone[name][key]).max() for key, value in begun.items()]
    assert max(moved) > 100 * TOLERANCE  # else the comparison says nothing
    for one in both:
        for key, value in alone[name].items():
            near(one[f"{name} {key}"], value, key)


@pytest.mark.parametrize("name", MOVED)
def test_a_checkpoint_moves_between_numbers_of_processes(name, both, root, alone):
    """Two steps by one and two by two, and the other way round."""
    by_one = found(*trained(name, root / f"{name} of two"))
    for key, value in alone[name].items():
        near(by_one[key], value, key)
        near(both[0][f"{name} resumed {key}"], value, key)


def test_the_first_process_validates_for_all(both):
    assert [int(one["validations"]) for one in both] == [1, 0]
    assert [float(one["selection"]) for one in both] == [0, 0]


def test_processes_stop_together_and_resume(both, alone):
    assert [str(one["stopped"])[:18] for one in both] == ["stopped after step"] * 2
    assert str(both[0]["stopped"]) == str(both[1]["stopped"])
    assert "step 3;" in str(both[0]["stopped"])
    for one in both:
        for key, value in alone["dim"].items():
            if key != "losses":
                near(one[f"stopped {key}"], value, key)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("rows", "process {} of 2 has 3 rows of 3, not rows"),
        ("batch", "a batch of 1 cannot be shared by 2 processes; start at most 1"),
        ("identity", "processes 0 and 1 differ: config.run.seed is 0 in 0, 1 in 1; start all"),
        ("config", "processes 0 and 1 differ: config.train.seed is 0 in 0, 1 in 1; start all"),
        ("folder", "process 1 does not see "),
        ("workers", "backend 'local' starts processes of its own, a cell each; accelerate launch"),
        ("data", "fashion200k-photo-mini-tirg-s0-"),
        ("batch norm", "part '0' of the net has batch norm, which several processes share on GPUs"),
    ],
)
def test_processes_that_do_not_fit_together_say_so_in_one_line(what, said, both):
    for rank, one in enumerate(both):
        assert str(one[f"no {what}"]).startswith(said.format(rank))


def test_where_one_process_is_gone_the_other_ends_in_one_line(both):
    said = str(both[0]["lost"])
    assert said.startswith("process 0 ends, for another one of its run is gone or stuck; ")
    assert "the same command goes on (" in said
    assert "\n" not in said


def test_a_number_of_processes_that_nobody_started_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match="WORLD_SIZE is 4, but RANK is not set; start several"):
        together.start("cpu")


def test_whole_runs_are_those_of_one_process(both, root, tiny_css, tmp_path, monkeypatch):
    for name in ("CMIR_RUNS", "CMIR_RESULTS"):
        monkeypatch.setenv(name, "")  # `whole_runs` sets them; this puts them back afterwards
    single = whole_runs(tmp_path, TINY)
    monkeypatch.setenv("CMIR_RESULTS", str(root / "results"))
    names = {identity.name(configured(system)) for system in WHOLE}
    assert {record.run for record in ledger.records()} == names
    for system, run in single.items():
        np.testing.assert_array_equal(both[0][f"{system} scores"], both[1][f"{system} scores"])
        if system != "cca":  # fitted; its last checkpoint is what it was
            kept, _ = checkpoint.load(root / "runs" / run.record.run, "best")
            for name, value in run.system.state_dict().items():
                near(kept[f"model.{name}"], value, name)
        written = ledger.queries(run.record.run)
        column = "ap" if "ap" in written else "rank"
        # A ledger has three decimals of an average precision in percent.
        np.testing.assert_allclose(written[column], both[0][f"{system} scores"], atol=1e-3)
