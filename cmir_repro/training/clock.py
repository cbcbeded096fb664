"""How long a training took over all its sittings, by the clock and by the processor."""

import time


class Clock:
    """Counts from now on, beside what earlier sittings counted.

    Seconds by the clock hold pauses within a sitting (a laptop asleep) and waiting for other
    programs; processor time, of all threads of this process, does not.

    Args:
        seconds, cpu_seconds: of earlier sittings; processor time is None, and stays it, where one
            of them did not count it.
    """

    def __init__(self, seconds: float = 0.0, cpu_seconds: float | None = 0.0) -> None:
        self._seconds, self._cpu_seconds = seconds, cpu_seconds
        self._start, self._cpu_start = time.perf_counter(), time.process_time()

    def seconds(self) -> float:
        """By the clock."""
        return round(self._seconds + time.perf_counter() - self._start, 3)

    def cpu_seconds(self) -> float | None:
        """Of the processor."""
        if self._cpu_seconds is None:
            return None
        return round(self._cpu_seconds + time.process_time() - self._cpu_start, 3)
