"""The child process that reads untrusted files, forked: a hundredth of a second, not half of one.

It serves as the real one does, under the same limits, and only a start of Python is saved.
"""

import os
import signal
import subprocess
import sys
import traceback

import pytest

from cmir_repro.data.readers import child


class _Forked:
    """As much of `subprocess.Popen` as `Child` uses."""

    def __init__(self, command: list[str], **_: object) -> None:
        *_, opener, path, spare, seconds = command
        pipes = [os.pipe() for _ in range(3)]
        self._pid, self._status = os.fork(), None
        if not self._pid:
            for number, (read, write) in enumerate(pipes):
                os.dup2(write if number else read, number)
            os.closerange(3, 256)
            status = 1
            try:
                signal.signal(signal.SIGXCPU, signal.SIG_DFL)
                sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
                used = sum(os.times()[:2])
                child._serve(opener, path, int(spare), int(seconds) + int(used))
                status = 0
            except BaseException:
                os.write(2, traceback.format_exc().encode()[-2000:])
            os._exit(status)
        for number, (read, write) in enumerate(pipes):
            os.close(write if number else read)
        self.stdin = open(pipes[0][1], "wb")  # noqa: SIM115
        self.stdout, self.stderr = (open(pipes[k][0], "rb") for k in (1, 2))  # noqa: SIM115

    def kill(self) -> None:
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> int:
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._status


def forked(patch: pytest.MonkeyPatch) -> None:
    """Let every `Child` be forked from here on."""

    class Module:
        PIPE, Popen = subprocess.PIPE, _Forked

    patch.setattr(child, "subprocess", Module)
