"""A lock keeps others out, its owner may take it twice, and it dies with its owner."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from cmir_repro.core import locks
from cmir_repro.core.errors import InputError

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom cmir_repro.core import locks\n"
    "with locks.alone(Path(sys.argv[1]), 'waits'):\n    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


def test_a_lock_of_another_process_dies_with_it(tmp_path, capsys):
    path = tmp_path / "new" / "run"
    other = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with locks.attempt(path) as mine:
        assert not mine
    waited = []
    waiting = threading.Thread(target=lambda: _wait(path, waited))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    waiting.join(20)
    assert waited == [path]
    assert capsys.readouterr().out == "waiting for another process that trains run\n"
    with locks.attempt(path) as mine:
        assert mine
    assert [file.name for file in path.parent.iterdir()] == [".run.lock"]


def _wait(path, waited):
    with locks.alone(path, "trains run"):
        waited.append(path)


def test_its_owner_takes_it_again_and_holds_it_to_the_end(tmp_path):
    def others():
        found = []

        def ask():
            with locks.attempt(tmp_path / "run") as mine:
                found.append(mine)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return found

    with locks.attempt(tmp_path / "run") as mine:
        with locks.alone(tmp_path / "run", "waits"):
            assert others() == [False]
        assert (mine, others()) == (True, [False])
    assert others() == [True]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write \S*file: .*CMIR_HOME") as error:
        locks.alone(tmp_path / "file" / "run", "waits").__enter__()
    assert "\n" not in str(error.value)
