"""Ctrl-C and termination signals, obeyed between two batches instead of at once."""

import signal
import threading

_everywhere = threading.Event()


def request() -> None:
    """Ask all trainings of this process to stop, those too that signals do not reach (threads)."""
    _everywhere.set()


def take_back() -> None:
    """Let later trainings go on after a `request`."""
    _everywhere.clear()


class Stop:
    """Turns a signal into a wish to stop, `asked`; a second one is obeyed at once."""

    def __enter__(self) -> "Stop":
        self.signalled = False
        self.before = {}
        # Signals can be caught in the main thread only; elsewhere they stay as they are.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._put_back()

    @property
    def asked(self) -> bool:
        return self.signalled or _everywhere.is_set()

    def _ask(self, *_: object) -> None:
        self.signalled = True
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
