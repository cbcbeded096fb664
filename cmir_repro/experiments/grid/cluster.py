"""Workers elsewhere: jobs of SLURM through submitit, tasks of a dask cluster; a cell each.

Both see the same folders as we do: data, runs and ledger lie on a file system that all share.
"""

import importlib
import threading
import time
import uuid
from collections.abc import Callable
from types import ModuleType

from cmir_repro.core import paths
from cmir_repro.core.device import choose
from cmir_repro.core.errors import InputError
from cmir_repro.experiments.grid.cell import (
    DIED,
    FAILED,
    Outcome,
    interruptible,
    load,
    one_thread,
    take,
)
from cmir_repro.experiments.grid.settings import Dask, Slurm
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.training import stop

EXTRA = "pip install 'cmir-repro[grid]'"
MARGIN = 60  # seconds before the end of a job in which a cell ends its step and keeps a checkpoint
_one = threading.Lock()  # the random state of torch is one a process


class Jobs:
    """Jobs of SLURM; see `drive.Pool`.

    Raises:
        InputError: submitit is missing, there is no SLURM here, or an option is unknown.
    """

    resumes = True

    def __init__(self, settings: Slurm, device: str) -> None:
        submitit = _imported("submitit", "slurm")
        self.settings, self.device = settings, device
        try:
            self.executor = submitit.AutoExecutor(paths.runs() / ".slurm", settings.executor)
            self.executor.update_parameters(
                name="cmir",
                timeout_min=settings.minutes,
                cpus_per_task=settings.threads,
                **settings.options,
            )
        except (RuntimeError, ValueError, NameError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"submitit cannot use this backend: {reason}") from error
        self.jobs: list[tuple[RunConfig, object]] = []

    def room(self) -> bool:
        return len(self.jobs) < self.settings.workers

    def submit(self, cell: RunConfig) -> None:
        self.jobs.append((cell, self.executor.submit(job, cell, self.settings, self.device)))

    def wait(self) -> list[Outcome]:
        over = [pair for pair in self.jobs if pair[1].done()]
        self.jobs = [pair for pair in self.jobs if pair not in over]
        if not over:
            time.sleep(0.5)
        return [_outcome(cell, one.exception, one.result) for cell, one in over]

    def stop(self) -> None:
        for _, one in self.jobs:
            one.cancel(check=False)

    def close(self) -> None:
        self.stop()


def job(cell: RunConfig, settings: Slurm, device: str) -> Outcome:
    """What a job does: one cell, stopped in time to keep a checkpoint."""
    load(settings.imports)
    one_thread(settings.threads)
    with interruptible(settings.minutes * 60 - MARGIN):
        return _take(cell, device, progress=True)


class Tasks:
    """Tasks of dask; see `drive.Pool`.

    Raises:
        InputError: dask.distributed is missing, or there is no scheduler at the address.
    """

    resumes = True

    def __init__(self, settings: Dask, device: str) -> None:
        distributed = self.distributed = _imported("distributed", "dask")
        self.settings, self.device, self.cluster = settings, device, None
        if not settings.address:
            # A worker that dies is counted by us.
            with importlib.import_module("dask").config.set(
                {"distributed.scheduler.allowed-failures": 0}
            ):
                self.cluster = distributed.LocalCluster(
                    n_workers=settings.workers, threads_per_worker=1, dashboard_address=None
                )
        try:
            self.client = distributed.Client(self.cluster or settings.address, timeout=20)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no dask scheduler answers at address {settings.address!r}: {error}"
            ) from error
        self.wish = distributed.Event(f"cmir-stop-{uuid.uuid4().hex}", client=self.client)
        self.tasks: dict[object, RunConfig] = {}

    def room(self) -> bool:
        return len(self.tasks) < self.settings.workers

    def submit(self, cell: RunConfig) -> None:
        future = self.client.submit(
            task, cell, self.settings, self.device, self.wish.name, pure=False
        )
        self.tasks[future] = cell

    def wait(self) -> list[Outcome]:
        try:
            over = self.distributed.wait(list(self.tasks), 1, "FIRST_COMPLETED").done
        except TimeoutError:
            return []
        return [_outcome(self.tasks.pop(one), one.exception, one.result) for one in over]

    def stop(self) -> None:
        self.wish.set()

    def close(self) -> None:
        self.stop()
        self.client.close()
        if self.cluster:
            self.cluster.close()


def task(cell: RunConfig, settings: Dask, device: str, wish: str) -> Outcome:
    """What a task does: one cell, alone in its process, until the grid wishes to stop."""
    from distributed import Event, get_client

    asked = Event(wish, client=get_client())
    with _one:
        load(settings.imports)
        one_thread(settings.threads)
        done = threading.Event()
        watch = threading.Thread(target=_obey, args=(asked, done), daemon=True)
        watch.start()
        try:
            return _take(cell, device, progress=False)
        finally:
            done.set()
            watch.join()
            stop.take_back()


def _obey(asked, done: threading.Event) -> None:
    while not done.wait(1.0):
        if asked.is_set():
            stop.request()
            return


def _take(cell: RunConfig, device: str, progress: bool) -> Outcome:
    try:
        return take(cell, choose(device), progress)
    except InputError as error:
        return Outcome(cell, FAILED, str(error))


def _outcome(
    cell: RunConfig, exception: Callable[[], BaseException | None], result: Callable[[], Outcome]
) -> Outcome:
    """What a job or task tells; one that cannot tell has died."""
    error = exception()
    if error is None:
        return result()
    text = str(error).strip() or "no reason is known"
    return Outcome(cell, DIED, f"{type(error).__name__}: {text.splitlines()[-1].strip()}")


def _imported(module: str, backend: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"backend {backend!r} needs the package {module!r}; type: {EXTRA}"
        ) from error
