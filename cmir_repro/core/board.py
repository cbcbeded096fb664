"""What processes that work side by side say, one line each."""

import sys
import time
from collections.abc import Callable

from tqdm import tqdm

EVERY = 60.0  # seconds between two lines of a worker where all lines are kept


class Board:
    """A line a worker that is rewritten in a terminal; elsewhere one now and then.

    Args:
        shown: nothing is shown if not.
    """

    def __init__(self, shown: bool) -> None:
        self.shown, self.terminal = shown, sys.stdout.isatty()
        self.lines: dict[int, tqdm] = {}
        self.last: dict[int, float] = {}

    def show(self, worker: int, text: str) -> None:
        """The line of a worker, numbered from 0."""
        if not self.shown:
            return
        if self.terminal:
            if worker not in self.lines:
                self.lines[worker] = tqdm(
                    total=0, position=worker, bar_format="{desc}", leave=False, file=sys.stdout
                )
            self.lines[worker].set_description_str(f"{worker + 1}: {text}")
        elif time.monotonic() - self.last.get(worker, -EVERY) >= EVERY:
            self.last[worker] = time.monotonic()
            print(f"worker {worker + 1}: {text}", flush=True)

    def around(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """`say`, so that what it prints stands above the lines."""

        def told(line: str) -> None:
            with tqdm.external_write_mode(file=sys.stdout):
                say(line)

        return told

    def close(self) -> None:
        for line in self.lines.values():
            line.close()
