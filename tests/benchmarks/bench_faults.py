"""Kills, Ctrl-C, full disks at file events, and processes side by side; counts go to the page.

    python tests/benchmarks/bench_faults.py [--kills 1000] [--others 500] [--together 200]

Every command of tests/fault_jobs.py is broken off at its file events in turn, by a kill between two
writes, a kill in the middle of a write, Ctrl-C, a full disk, or a folder that is only read; then a
reader reads all there is, the command is typed again, and every file must be, byte for byte, that
of an unbroken run. Only "seconds" and "peak_memory_gb" in JSON may differ.
"""

import argparse
import itertools
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reliability_page import hardware, write_part

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["OMP_NUM_THREADS"] = "1"

KILLS, OTHERS = ("kill", "torn"), ("interrupt", "full", "denied")
KINDS = (*KILLS, *OTHERS, "together")
SLOW = {"reproduce": 30}  # at most so many trials of each kind: a kernel takes seconds to start
# Not tried side by side; of two that unpack one archive, the second is told that all is there.
ALONE = ("tables", "reproduce", "merge", "score", "unpack")
SAID = """
Each command is broken off at its file events in turn, which are spread evenly over all of them,
and typed again. A trial is bad if a reader is refused in between, if anything but one line is said,
or if any file then differs from that of an unbroken run (only seconds and peak memory may). Side by
side: two to four processes begin the command at once in one folder.

| command | events | killed | in a write | Ctrl-C | disk full | read-only | side by side | bad |
|---|---|---|---|---|---|---|---|---|
"""


def chosen(trials: list, kinds: tuple[str, ...], number: int) -> list[tuple]:
    """So many faults, spread evenly over all file events of each command in turn."""
    lists = []
    for one in trials:
        faults = one.faults(kinds)
        share = min(SLOW.get(one.job, len(faults)), len(faults), -(-number // len(trials)) * 2)
        places = [i * len(faults) // share for i in range(share)]
        # In no order of the events: of all kinds and places some are among those that are tried.
        random.Random(one.job).shuffle(places)
        lists.append([(one, faults[place]) for place in places])
    turns = itertools.chain.from_iterable(itertools.zip_longest(*lists))
    return [turn for turn in turns if turn is not None][:number]


class Campaign:
    """Trials in several threads, which are counted, until the time is over."""

    def __init__(self, workers: int) -> None:
        self.workers, self.done, self.wrong = workers, Counter(), []

    def run(self, trials: list[tuple[str, str, Callable[[], str]]], seconds: float) -> None:
        """Do trials: command, kind, and what tells what is wrong."""
        end = time.monotonic() + seconds

        def one(trial: tuple) -> None:
            job, kind, what = trial
            if time.monotonic() > end:
                return
            found = what()
            self.done[job, kind] += 1
            self.done[job, "bad"] += bool(found)
            if found:
                self.wrong.append(found)
                print(found, flush=True)

        with ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(one, trials))
        count = sum(self.done[key] for key in self.done if key[1] != "bad")
        print(f"{count} trials, {len(self.wrong)} bad", flush=True)


def main() -> int:
    from faults import Server, Trials, jobs

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--others", type=int, default=500)
    parser.add_argument("--together", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2, help="trials at a time")
    parser.add_argument("--seconds", type=float, default=1e6, help="at most, of all trials")
    options = parser.parse_args()
    server, campaign = Server(), Campaign(options.workers)
    with tempfile.TemporaryDirectory() as folder:
        with ThreadPoolExecutor(options.workers) as pool:
            trials = list(pool.map(lambda job: Trials(server, job, Path(folder) / job), jobs()))
        print("all commands ran unbroken", flush=True)
        side = [one for one in trials if one.job not in ALONE]
        both = [(side[n % len(side)], 2 + n // len(side) % 3, n) for n in range(options.together)]
        campaign.run(
            [(t.job, "together", lambda t=t, k=k, n=n: t.together(k, f"{n}")) for t, k, n in both],
            0.15 * options.seconds,
        )
        for kinds, number, share in ((OTHERS, options.others, 0.25), (KILLS, options.kills, 0.6)):
            turns = chosen(trials, kinds, number)
            campaign.run(
                [(t.job, fault.kind, lambda t=t, f=fault: t.bad(f)) for t, fault in turns],
                share * options.seconds,
            )
    done = campaign.done
    rows = [
        f"| {one.job} | {one.events} | "
        + " | ".join(str(done[one.job, kind]) for kind in (*KINDS, "bad"))
        + " |\n"
        for one in trials
    ]
    totals = " | ".join(str(sum(done[one.job, kind] for one in trials)) for kind in (*KINDS, "bad"))
    typed = f"python tests/benchmarks/bench_faults.py {' '.join(sys.argv[1:])}".strip()
    page = f"{SAID}{''.join(rows)}| all | | {totals} |\n\n`{typed}` on {hardware()}."
    write_part("Broken off, and side by side", page)
    return bool(campaign.wrong)


if __name__ == "__main__":
    sys.exit(main())
