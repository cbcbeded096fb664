"""Notebooks are executed side by side, in processes that end with what started them."""

import os
import signal

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from cmir_repro.core import processes
from cmir_repro.core.errors import InputError
from cmir_repro.notebook_runs import Job, side_by_side

WAIT = """
import os, pathlib, time
pathlib.Path("{says}").write_text(str(os.getpid()) + " " + os.environ["OMP_NUM_THREADS"])
ends = time.monotonic() + 60
while not pathlib.Path("{waits_for}").exists():
    assert time.monotonic() < ends, "{waits_for} never came"
    time.sleep(0.05)
"""


def jobs(folder, *cells):
    """A notebook a cell."""
    made = []
    for number, source in enumerate(cells):
        book = new_notebook(cells=[new_code_cell(source)])
        nbformat.write(book, folder / f"{number:02d}.ipynb")
        made.append(Job(folder / f"{number:02d}.ipynb", folder / "out" / f"{number:02d}.ipynb", {}))
    return made


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_at_a_time_each_in_the_order_of_its_share(tmp_path):
    """The first waits for the third, which only shares that are begun together let pass."""
    given = jobs(
        tmp_path,
        WAIT.format(says="0", waits_for="2"),
        WAIT.format(says="1", waits_for="0"),
        WAIT.format(says="2", waits_for="0"),
    )
    found = list(side_by_side(given, workers=2))
    assert sorted(job.notebook for job, _ in found) == [job.notebook for job in given]
    assert all(job.out.exists() and seconds > 0 for job, seconds in found)
    threads = max(1, processes.cores() // 2)
    assert (tmp_path / "2").read_text().split()[1] == str(threads)


def test_what_fails_is_one_line_and_stops_the_others(tmp_path):
    given = jobs(
        tmp_path,
        WAIT.format(says="0", waits_for="never"),
        WAIT.format(says="1", waits_for="0") + "raise ValueError('no such thing')",
    )
    with pytest.raises(InputError, match=r"^01.ipynb, cell 0: ValueError: no such thing$"):
        list(side_by_side(given, workers=2))
    assert not alive(int((tmp_path / "0").read_text().split()[0]))


def test_a_process_that_is_killed_is_one_line(tmp_path):
    given = jobs(tmp_path, "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)")
    with pytest.raises(
        InputError, match=f"00.ipynb: its process ended with status -{signal.SIGKILL.value}"
    ):
        list(side_by_side(given, workers=2))
