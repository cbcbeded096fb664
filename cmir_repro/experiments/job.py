"""A run's folder and its way into the ledger: found again, resumed or trained, then recorded.

A finished run is found again by its configuration, its data and the versions of what decides its
numbers, and is not repeated; a broken-off one goes on where it stopped.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pandas as pd
from accelerate import PartialState
from torch import Tensor, nn

from cmir_repro.core import files, locks, paths
from cmir_repro.core.config import read
from cmir_repro.core.protocol import Protocol
from cmir_repro.data.prepared import Prepared
from cmir_repro.experiments import identity, ledger, versions
from cmir_repro.experiments.presets.base import RunConfig
from cmir_repro.training import checkpoint, together
from cmir_repro.training.loop import Batches, train


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Be the only one that trains in the folder of a name; where another does, wait for it.

    Of several processes that share one training the first asks for all, and all wait.
    """
    state = PartialState()
    first = state.is_main_process
    with locks.alone(paths.runs() / name, f"trains {name}") if first else nullcontext():
        state.wait_for_everyone()
        yield


class Job:
    """One run's folder, identity and way into the ledger.

    Args:
        config: what is run.
        data: what it is trained and scored on.
        protocol: how it is scored.
        device: "cpu" or "cuda".
        selection: which step's weights are kept, in words.
        name: of the run, where it is not that of `config`; see `Experiment.suit`.
        facts: JSON values that decide the numbers too (vocabulary, digest of weights).
    """

    def __init__(
        self,
        config: RunConfig,
        data: Prepared,
        protocol: Protocol,
        device: str,
        selection: str,
        name: str = "",
        **facts: object,
    ) -> None:
        self.config, self.data, self.device, self.selection = config, data, device, selection
        self.name = name or identity.name(config)
        self.folder = paths.runs() / self.name
        self.own = identity.own_digest(config)
        self.identity = {
            "run": config.model_dump(mode="json"),
            "data": data.manifest_hash,
            "versions": versions.used(config),
            "protocol": protocol.as_dict(),
            "device": device,
            **({"own": self.own} if self.own else {}),
            **facts,
        }
        self.selected = "last" if config.train.selection == "last" else "best"
        with together.first_before_others():
            self._clear_if_other()
        self.finished = (self.folder / "record.json").exists()

    def load(self, system: nn.Module) -> bool:
        """Whether this run is finished; then `system` has its selected weights."""
        if self.finished:
            tensors, _ = checkpoint.load(self.folder, self.selected, self.identity)
            where = self.folder / f"{self.selected}.json"
            checkpoint.restore(system.to(self.device), None, tensors, where)
        return self.finished

    def train(self, system: nn.Module, batches: Batches, validate, progress: bool = True) -> None:
        """Train `system` in place, from the last checkpoint if there is one; see `loop.train`."""
        train(
            system,
            batches,
            self.config.train,
            self.folder,
            identity=self.identity,
            validate=validate,
            device=self.device,
            title=f"{self.config.method}, seed {self.config.train.seed}",
            progress=progress,
        )

    def save_fitted(self, tensors: dict[str, Tensor]) -> None:
        """Leave behind what `train` does, for a model that is fitted in one go."""
        facts = {"step": 0, "config": self.identity, "seconds": 0.0, "cpu_seconds": 0.0}
        if PartialState().is_main_process:
            files.write_text(self.folder / "log.jsonl", "")
            checkpoint.save(self.folder, "last", tensors, facts)
        PartialState().wait_for_everyone()

    def record(
        self, system: nn.Module, result: dict, queries: pd.DataFrame, command: str
    ) -> ledger.Record:
        """The run's record, written to the ledger unless it is there.

        Args:
            result: the summary of the scores.
            queries: how each did, see `ledger.queries`.
            command: what to type to get this run.
        """
        path = self.folder / "record.json"
        if self.finished:
            record = read(path, ledger.Record)
        else:
            record = self._record(system, result, command)
        if not (self.finished and self._written(record)) and PartialState().is_main_process:
            # First: a run that is in the ledger is finished here, so that a grid, which asks the
            # ledger, leaves nothing half done. One that is finished here alone is saved next time.
            files.write_json(path, record.model_dump())
            ledger.save(record, queries, self._rows())
        PartialState().wait_for_everyone()  # to whom the record is there then
        return record

    def _written(self, record: ledger.Record) -> bool:
        """Whether the user's ledger has this record, and not one of an earlier run."""
        path = paths.results() / "records" / f"{self.name}.json"
        return path.exists() and ledger.read_record(path).model_dump() == record.model_dump()

    def searched(self, system: nn.Module, found: dict, command: str) -> ledger.Record:
        """The record of a run that is validated only, written to the ledger.

        Args:
            found: what validation says, and nothing of the test data.
            command: what to type to get it.
        """
        name = identity.searched(self.name)
        record = self._record(system, found, command, kind="search", run=name)
        if PartialState().is_main_process:
            ledger.save(record, None, self._rows())
        PartialState().wait_for_everyone()
        return record

    def log(self) -> pd.DataFrame:
        """The rows that training wrote: losses and validation figures by step."""
        return pd.DataFrame(self._rows())

    def _rows(self) -> list[dict]:
        return ledger.read_log(self.folder / "log.jsonl")

    def _clear_if_other(self) -> None:
        if not (self.folder / "last.json").exists():
            return
        saved = files.read_json(self.folder / "last.json").get("config")
        other = checkpoint.difference(saved, self.identity, "run")
        if other:
            print(f"{self.name} is made anew: {other}")
            # `last.json` goes last: were this broken off, the rest would pass for this run's.
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != "last.json":
                    path.unlink()
            shutil.rmtree(self.folder)

    def _record(self, system: nn.Module, result: dict, command: str, **other: str) -> ledger.Record:
        config = self.config
        facts = read(self.folder / f"{self.selected}.json", checkpoint.Facts)
        last = read(self.folder / "last.json", checkpoint.Facts)
        cpu = last.get("cpu_seconds")  # none in checkpoints of before it was counted
        facts_of = {"kind": "run", "run": self.name, **other}
        return ledger.Record.make(
            **facts_of,
            system=config.system,
            dataset=config.dataset,
            scale=config.scale,
            task=config.task,
            method=config.method,
            seed=config.train.seed,
            config=config.model_dump(mode="json"),
            selection=self.selection,
            data={
                "manifest": self.data.manifest_hash,
                "tables": self.data.info.get("tables_sha256", "unknown"),
                "kind": self.data.info["provenance"]["kind"],
                "weights": self.identity.get("weights", "none"),
                **{key: self.identity[key] for key in ledger.FEATURES if key in self.identity},
            },
            code=ledger.code(self.own),
            versions=self.identity["versions"],
            hardware=ledger.hardware(self.device),
            software=ledger.software(),
            parameters=sum(p.numel() for p in system.parameters() if p.requires_grad),
            steps=last["step"],
            seconds=round(last["seconds"], 1),
            cpu_seconds=None if cpu is None else round(cpu, 1),
            peak_memory_gb=ledger.peak_memory_gb(self.device),
            result=result,
            validation=facts.get("metrics", {}),
            checkpoint_sha256=facts["sha256"],
            command=command,
            finished=ledger.now(),
        )
