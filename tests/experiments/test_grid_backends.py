"""Each backend fills a grid of the tiny world; killed workers lose nothing, nobody works twice."""

import os
import signal
import sys
import threading
import time
from collections import Counter, defaultdict

import pytest
from conftest import TINY

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.css import dataset as css
from cmir_repro.experiments import grid, identity, ledger
from cmir_repro.experiments.dim_task import QueryBatches
from cmir_repro.experiments.grid import cell as one_cell
from cmir_repro.experiments.grid import cluster, drive, filling, settings
from cmir_repro.experiments.presets import dim as presets
from cmir_repro.experiments.presets.dim import SCALES

SLURM = {"backend": "slurm", "executor": "debug", "workers": 2, "minutes": 9}


@pytest.fixture
def tiny(tiny_css, monkeypatch):
    """What importing tiny_grid changes is put back afterwards."""
    monkeypatch.setitem(css.SCALES, "mini", TINY)
    monkeypatch.setitem(SCALES, "mini", SCALES["mini"])
    monkeypatch.setattr(QueryBatches, "__call__", QueryBatches.__call__)
    monkeypatch.delitem(sys.modules, "tiny_grid", raising=False)
    one_cell.load(["tiny_grid"])


def filled(values, seeds=(0, 1), **changes):
    backend = settings.BACKENDS[values["backend"]].make(**values, imports=["tiny_grid"])
    said = []
    where = {"datasets": ["css"], "tasks": ["3d-3d"], "methods": ["Image only"], "seeds": seeds}
    options = {"device": "cpu", "progress": False, "say": said.append, **changes}
    return grid.fill("dim", backend=backend, **where, **options), said


def steps(journal):
    """(process, seed, step) of every batch that was drawn."""
    file = journal / "steps"
    lines = file.read_text().splitlines() if file.exists() else []
    return [tuple(map(int, line.split())) for line in lines]


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def test_two_grids_share_the_cells_and_a_killed_worker_loses_nothing(tiny, tmp_path, monkeypatch):
    """Really: two grids of a process each, one of which is killed by -9 in the middle of a run."""
    monkeypatch.setenv("CMIR_JOURNAL", str(tmp_path))
    (tmp_path / "hold").touch()
    told = []
    grids = [
        threading.Thread(target=lambda: told.append(filled({"backend": "local", "workers": 1})))
        for _ in range(2)
    ]
    for one in grids:
        one.start()
    wait_for(lambda: sum(step == 3 for *_, step in steps(tmp_path)) == 2)
    held = {seed: process for process, seed, step in steps(tmp_path) if step == 3}
    assert len(set(held.values())) == len(held) == 2  # both at work, at different cells
    os.kill(held[0], signal.SIGKILL)
    (tmp_path / "hold").unlink()
    for one in grids:
        one.join()

    assert [record.seed for record in ledger.records()] == [0, 1]
    assert all(record.steps == 6 for record in ledger.records())
    by_process = defaultdict(list)
    for process, seed, step in steps(tmp_path):
        by_process[process, seed].append(step)
    assert by_process.pop((held[0], 0)) == [0, 1, 2, 3]
    assert by_process.pop((held[1], 1)) == [0, 1, 2, 3, 4, 5]
    ((_, again),) = by_process.items()  # from the last checkpoint on, by one process
    assert again == [2, 3, 4, 5]
    lines = [line for _, said in told for line in said]
    (killed,) = [line for line in lines if "SIGKILL" in line]
    assert killed.endswith("; another one goes on with it")
    assert Counter(name for found, _ in told for name in found.failed) == {}
    # The same numbers as of a run that nobody broke off, queries included.
    first = ledger.records()[0]
    for path in (paths.results() / "records", paths.runs()):
        path.rename(path.with_name(f"broken {path.name}"))
    queries = ledger.query_table.read(paths.results() / "queries" / f"{first.run}.parquet")
    (cell,) = grid.cells("dim", tasks=["3d-3d"], methods=["Image only"], seeds=[0])
    assert one_cell.take(cell).state == one_cell.DONE
    assert ledger.read(first.run).result == first.result
    assert ledger.queries(first.run).equals(queries)


def test_a_worker_that_dies_twice_is_told_once_each_and_the_others_go_on(tiny, monkeypatch):
    """The pool is made up: what `drive` makes of deaths, whatever the backend."""

    class Deadly(drive.Here):
        resumes = True

        def wait(self):
            cell, self.cell = self.cell, None
            if cell.train.seed == 0:
                return [one_cell.Outcome(cell, one_cell.DIED, "was killed")]
            return [one_cell.take(cell)]

    monkeypatch.setattr(filling, "_pool", lambda *_: Deadly("cpu", False))
    found, said = filled({"backend": "local"})
    (dead,) = found.failed
    assert [line for line in said if dead in line] == [
        f"{dead}: was killed; another one goes on with it", f"{dead}: was killed",
    ]  # fmt: skip
    assert (len(found.run), found.left) == (1, [dead])


def test_jobs_of_slurm_are_tried_without_slurm(tiny):
    found, said = filled(SLURM)
    assert (len(found.run), found.left) == (2, [])
    assert [record.seed for record in ledger.records()] == [0, 1]
    assert said[-1].endswith("none is left")


def test_what_slurm_is_asked_for(tiny, monkeypatch, tmp_path):
    """The script that would be submitted, by an sbatch and an srun that are not there."""
    for name in ("sbatch", "srun"):
        (tmp_path / name).write_text("#!/bin/sh\necho Submitted batch job 7\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    options = {"slurm_partition": "short", "mem_gb": 3}
    asked = settings.Slurm.make(**{**SLURM, "executor": "slurm", "options": options, "threads": 2})
    (cell,) = grid.cells("dim", tasks=["3d-3d"], methods=["TIRG"], seeds=[4])
    cluster.Jobs(asked, "cpu").submit(cell)
    text = next((paths.runs() / ".slurm").glob("*submission*.sh")).read_text()
    for line in ("partition=short", "time=9", "cpus-per-task=2", "mem=3GB", "job-name=cmir"):
        assert f"#SBATCH --{line}\n" in text


def test_tasks_of_a_dask_cluster(tiny):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as made:
        found, _ = filled({"backend": "dask", "address": made.scheduler_address, "workers": 2})
    assert (len(found.run), found.left) == (2, [])
    assert [record.seed for record in ledger.records()] == [0, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backend": "slurm"}, "submitit cannot use this backend: .*srun"),
        ({**SLURM, "options": {"speed": 3}}, "submitit cannot use this backend: .*speed"),
        ({"backend": "dask", "address": "nowhere"}, "no dask scheduler answers at .*'nowhere'"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(tiny, values, message):
    with pytest.raises(InputError, match=message) as error:
        filled(values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("module", "values"), [("submitit", SLURM), ("distributed", {"backend": "dask"})]
)
def test_a_missing_package_is_named_with_what_brings_it(tiny, monkeypatch, module, values):
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"needs the package '{module}'; type: pip install 'cmir-repro\[grid\]'"
    with pytest.raises(InputError, match=message):
        filled(values)


def test_modules_that_cannot_be_imported_are_named(tmp_path):
    with pytest.raises(InputError, match="no_such_module cannot be imported"):
        grid.fill("dim", backend=settings.Here.make(imports=["no_such_module"]))


def test_a_cell_that_another_process_is_at_is_left_to_it(tiny):
    cells = grid.cells("dim", tasks=["3d-3d"], methods=["Image only"], seeds=[0, 1])
    name = identity.name(cells[0])
    begun, over = threading.Event(), threading.Event()

    def other():  # the lock of a thread is as good as one of a process
        with one_cell.locks.attempt(paths.runs() / name) as mine:
            assert mine
            begun.set()
            over.wait()

    one = threading.Thread(target=other)
    one.start()
    begun.wait()
    found, said = filled({"backend": "here"})
    over.set()
    one.join()
    assert ([*found.left], found.elsewhere) == ([name], [name])
    assert len(found.run) == 1
    assert said[-1] == f"other processes are at {name}"


def test_jobs_find_a_gpu_where_they_run_and_who_hands_them_out_needs_none(tiny, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    lacking = "device 'cuda' was asked for but torch sees no GPU"
    assert len(filled(SLURM, device="cuda", list_only=True)[0].left) == 2
    with pytest.raises(InputError, match=lacking):
        filled({"backend": "local"}, device="cuda", list_only=True)
    found = cluster.job(presets.configure(), settings.Slurm.make(**SLURM), "cuda")
    assert found.state == one_cell.FAILED
    assert found.why.startswith(lacking)
    with pytest.raises(InputError, match="device 'tpu' is unknown"):
        filled(SLURM, device="tpu", list_only=True)
