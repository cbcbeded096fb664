"""Ctrl-C and termination signals, obeyed between two batches instead of at once."""

import signal
import threading


class Stop:
    """Turns a signal into a wish to stop, `asked`; a second one is obeyed at once."""

    def __enter__(self) -> "Stop":
        self.asked = False
        self.before = {}
        # Signals can be caught in the main thread only; elsewhere they stay as they are.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._put_back()

    def _ask(self, *_: object) -> None:
        self.asked = True
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
