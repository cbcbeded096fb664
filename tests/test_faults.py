"""Commands that are broken off, and processes side by side; bench_faults.py has all of it."""

import shutil
from pathlib import Path

import pytest
from fault_jobs import JOBS
from faults import KINDS, Fault, Server, Trials, tree

TRIED = ("prepare", "unpack", "render", "train, score, record (DIM)", "made anew", "grid worker")


@pytest.fixture(scope="module")
def server():
    return Server()


@pytest.fixture(scope="module")
def trials(server, tmp_path_factory):
    """trials(job); what lies there before is made once."""
    made = {}

    def of(job):
        if job not in made:
            # Blanks, accents and brackets are in every path.
            made[job] = Trials(server, job, tmp_path_factory.mktemp("é ü") / f"[{job}]")
        return made[job]

    return of


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("job", TRIED)
def test_what_was_broken_off_and_typed_again_is_the_unbroken_run(trials, job, kind):
    made = trials(job)
    # A third of the way for one kind, two thirds for the next; every event has its turn elsewhere.
    share = (1 + (KINDS.index(kind) + TRIED.index(job)) % 4) / 5
    assert made.bad(Fault(kind, max(1, round(made.events * share)))) == ""


@pytest.mark.parametrize("job", [job for job in TRIED if job != "unpack"])
def test_processes_side_by_side_leave_what_one_leaves(trials, job):
    assert trials(job).together(2, "two") == ""


def test_a_ledger_that_is_written_is_read_without_doubles_or_refusals(server, tmp_path):
    writers = [server.start("beside", "tables", tmp_path) for _ in range(2)]
    readers = [server.start("watching", "tables", tmp_path) for _ in range(2)]
    for one in (*writers, *readers):
        assert server.ended(*one).status == 0


@pytest.mark.parametrize("job", ["prepare", "record"])
def test_no_home_a_link_to_the_data_and_a_clock_set_back_change_nothing(trials, server, job):
    made = trials(job)
    root = made.fresh("strange")
    ended = server.do("strange", job, root)
    assert ended.status == 0, ended.printed
    data = root / "home" / "data"
    away = data.resolve()
    data.unlink()
    shutil.move(away, data)
    assert tree(root) == made.wanted


def test_every_command_has_a_job():
    typed = {job.typed.split()[0] for job in JOBS.values()}
    assert {"prepare", "run", "record", "ledger", "tables", "grid", "reproduce"} <= typed


def test_the_hook_counts_and_strikes(server, tmp_path):
    """A trial that could not fail would show nothing."""
    made = Trials(server, "tables", tmp_path / "t")
    assert made.events >= 5
    statuses = {k: server.do("command", "tables", made.fresh(k), Fault(k, 4)).status for k in KINDS}
    assert statuses == {"kill": -9, "torn": -25, "interrupt": 130, "full": 2, "denied": 2}
    assert not (Path(made.folder) / "kill" / "home" / "tables" / "tables.md").exists()
    made.wanted["home/tables/tables.md"] = b"other"
    assert "differ: home/tables/tables.md" in made.bad(Fault("kill", 4))
