"""One run of label-based retrieval, from configuration to ledger record.

Stages: the teachers (where a weight needs them; shared by the runs of a seed), the student, and a
hash head for each number of bits on the student as it is then. A neighbour has one stage.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from cmir_repro import checkpoint, files, label_retrieval, ledger, paths, runs, versions
from cmir_repro.crcgs_methods import CRCGSRun
from cmir_repro.labelled_task import LabelledBatches, LabelledTask
from cmir_repro.models.hash_head import codes
from cmir_repro.models.image import weights_digest
from cmir_repro.systems.crcgs import CRCGS, Hasher, Teachers
from cmir_repro.systems.neighbours import COSINE, NEIGHBOURS
from cmir_repro.train import recipe, train

SELECTIONS = {
    "val": "best mean MAP of both directions, validation images against the training images",
    "last": "last step",
}
DIRECTIONS = ("i2t", "t2i")


@dataclass
class LabelledRun:
    """A finished run: its record, log, model and the features of all images of the task.

    images, texts: scoring -> (N, E) float32, or for Hamming distance (N, L) bool.
    precisions: (scoring, direction, depth) -> AP of each query (Q,) in percent; NaN: it has none.
    """

    record: ledger.Record
    log: pd.DataFrame
    system: nn.Module
    task: LabelledTask
    images: dict[str, np.ndarray]
    texts: dict[str, np.ndarray]
    precisions: dict[tuple[str, str, str], np.ndarray]


def run(
    config: CRCGSRun, *, device: str = "cpu", progress: bool = True, command: str = "unknown"
) -> LabelledRun:
    """Train and score one model, or load it if this very run is finished; as `composed.run`."""
    ledger.reset_peak_memory(device)
    pixels = config.model is not None and config.model.image_encoder != "features"
    task = LabelledTask(config.dataset, config.scale, config.task, pixels, device, progress)
    stages = _Student(config, task, progress) if config.model else _Neighbour(config, task)
    job = runs.Job(
        config,
        task.data,
        task.protocol(COSINE),
        device,
        SELECTIONS[config.train.selection],
        weights=weights_digest(config.model.image_weights) if config.model else "none",
        features=hashlib.sha256(task.features.tobytes()).hexdigest(),
    )
    system, images, texts = stages.run(job, progress)
    precisions, result = score(images, texts, task, config.train.seed)
    record = job.record(system, result, *_rows(precisions, task), command)
    return LabelledRun(record, job.log(), system, task, images, texts, precisions)


class _Student:
    """Teachers, student and hash heads of a configuration."""

    def __init__(self, config: CRCGSRun, task: LabelledTask, progress: bool) -> None:
        self.config, self.task = config, task
        self.teachers = teachers(config, task, progress) if config.teacher else None

    def run(self, job: runs.Job, progress: bool) -> tuple:
        config, task = self.config, self.task
        system = _student(config, task, self.teachers)
        if not job.load(system):
            batches = LabelledBatches(task, config.train, self._codes(), system.batch_of)
            job.train(system, batches, _validator(task, config, _embedder(task)), progress)
        u, v = _embedder(task)(system)
        images, texts = {COSINE: u.numpy()}, {COSINE: v.numpy()}
        for bits in config.hashing.bits:
            head = self._head(job, u, v, bits, progress)
            images[f"hamming-{bits}"], texts[f"hamming-{bits}"] = head(u), head(v)
        return system, images, texts

    def _codes(self) -> dict[str, Tensor]:
        if not self.teachers:
            return {}
        task = self.task
        inputs = (torch.from_numpy(x).to(task.device) for x in (task.features, task.text))
        f, g = self.teachers.codes(*inputs)
        return {"f": f.cpu(), "g": g.cpu()}

    def _head(self, job: runs.Job, u: Tensor, v: Tensor, bits: int, progress: bool) -> Callable:
        c, seed, task = self.config.hashing, self.config.train.seed, self.task
        torch.manual_seed(seed)
        system = Hasher(c, u.shape[1], bits)
        settings = {"steps": c.steps, "batch": c.batch, "learning_rate": c.learning_rate}
        how = _stage(seed, settings)
        train(
            system,
            LabelledBatches(task, how, {"u": u, "v": v}),
            how,
            job.folder / f"hash-{bits}",
            identity={**job.identity, "bits": bits},
            device=task.device,
            title=f"{bits} bits",
            progress=progress,
        )

        @torch.no_grad()
        def code(x: Tensor) -> np.ndarray:
            return codes(system.head(x.to(task.device))).cpu().numpy()

        return code


class _Neighbour:
    """CCA or DCMH: one stage that gives all codes."""

    def __init__(self, config: CRCGSRun, task: LabelledTask) -> None:
        self.config, self.task = config, task

    def run(self, job: runs.Job, progress: bool) -> tuple:
        config, task = self.config, self.task
        torch.manual_seed(config.train.seed)
        kind = NEIGHBOURS[config.neighbour.kind]
        widths = task.features.shape[1], task.text.shape[1]
        system = kind(config.neighbour, *widths, config.hashing.bits)
        inputs = [torch.from_numpy(x).to(task.device) for x in (task.features, task.text)]
        if not system.trained:
            rows = torch.from_numpy(task.labelled.train)
            system.fit(*(x[rows].cpu() for x in inputs), config.train.seed)
            if not job.finished:
                _save_fitted(job, system)
        elif not job.load(system):
            validate = _validator(task, config, lambda net: _longest(net.encode(*inputs)))
            job.train(system, LabelledBatches(task, config.train), validate, progress)
        images, texts = system.encode(*inputs)
        return system, images, texts


def teachers(config: CRCGSRun, task: LabelledTask, progress: bool = True) -> Teachers:
    """The trained teachers of a run's data, seed and settings; trained if they are not there."""
    c, seed = config.teacher, config.train.seed
    torch.manual_seed(seed)
    system = Teachers(c, task.features.shape[1], task.text.shape[1])
    how = _stage(seed, {"steps": c.steps, "batch": c.batch, "learning_rate": c.learning_rate})
    facts = {
        "teacher": c.model_dump(mode="json"),
        "train": how.model_dump(mode="json"),
        "data": task.data.manifest_hash,
        "task": config.task,
        "versions": versions.used(config),
        "device": task.device,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:6]
    name = f"{config.dataset}-{config.task}-{config.scale}-teachers-s{seed}-{digest}"
    train(
        system,
        LabelledBatches(task, how),
        how,
        paths.runs() / name,
        identity=facts,
        device=task.device,
        title=f"teachers, seed {seed}",
        progress=progress,
    )
    return system


def untrained(config: CRCGSRun, task: LabelledTask) -> tuple[np.ndarray, np.ndarray]:
    """What a run's student gives before its first step: (N, E) float32 of images and of texts."""
    taught = None
    if config.teacher:
        taught = Teachers(config.teacher, task.features.shape[1], task.text.shape[1])
    u, v = _embedder(task)(_student(config, task, taught))
    return u.numpy(), v.numpy()


def score(
    images: dict[str, np.ndarray], texts: dict[str, np.ndarray], task: LabelledTask, seed: int = 0
) -> tuple[dict[tuple[str, str, str], np.ndarray], dict]:
    """AP of every query and the summary of every scoring and direction.

    Args:
        images, texts: as of `LabelledRun`, of all images of the task.

    Returns:
        APs as in `LabelledRun`; the summary of the first scoring, with the metrics of all under
        "by_scoring", each "i2t ..." or "t2i ...".
    """
    found = task.labelled
    precisions, results, by_scoring, curves = {}, [], {}, {}
    for scoring in images:
        by_scoring[scoring] = {}
        for direction in DIRECTIONS:
            sides = (images, texts) if direction == "i2t" else (texts, images)
            queries, database = (side[scoring] for side in sides)
            aps, result = label_retrieval.score(
                queries[found.query],
                database[found.database],
                found.labels[found.query],
                found.labels[found.database],
                task.protocol(scoring),
                seed,
            )
            for depth, values in aps.items():
                precisions[scoring, direction, depth] = 100 * values
            metrics = {f"{direction} {key}": value for key, value in result["metrics"].items()}
            by_scoring[scoring] |= metrics
            curves.setdefault(scoring, {})[direction] = result.pop("curves")
            results.append(result)
    first = next(iter(by_scoring.values()))
    more = {"metrics": first, "by_scoring": by_scoring, "curves": curves}
    return precisions, {**results[0], **more}


def _student(config: CRCGSRun, task: LabelledTask, taught: Teachers | None) -> CRCGS:
    """The student of a run with its initial weights."""
    torch.manual_seed(config.train.seed)
    return CRCGS(
        config.model,
        task.shape(),
        task.text.shape[1],
        task.labels.shape[1],
        len(task.labelled.train),
        config.train.batch,
        taught,
    )


def _stage(seed: int, settings: dict):
    """How a stage without selection is trained: as the student, to the last step."""
    return recipe(
        "fast",
        **settings,
        seed=seed,
        schedule="constant",
        clip=0.0,
        selection="last",
        evaluate_every=settings["steps"],
    )


def _embedder(task: LabelledTask, chunk: int = 1024) -> Callable:
    """A function that gives a student's (N, E) vectors of all images and texts, on the CPU."""

    @torch.no_grad()
    def embed(system: CRCGS) -> tuple[Tensor, Tensor]:
        system.eval().to(task.device)
        rows = np.arange(len(task.text))
        parts = np.array_split(rows, -(-len(rows) // chunk))
        u = torch.cat([system.encode_images(task.images(p)).float().cpu() for p in parts])
        v = torch.cat([system.encode_texts(task.texts(p)).float().cpu() for p in parts])
        return u, v

    return embed


def _validator(task: LabelledTask, config: CRCGSRun, embed: Callable):
    """MAP of validation images and texts in the training ones, the whole list; the mean decides."""
    if config.train.selection == "last":
        return None
    found = task.labelled

    def validate(system: nn.Module) -> dict[str, float]:
        sides = [np.asarray(x) for x in embed(system)]
        protocol = task.protocol("hamming" if sides[0].dtype == bool else COSINE)
        out = {}
        for direction, (a, b) in zip(DIRECTIONS, (sides, sides[::-1]), strict=True):
            labels = found.labels[found.val], found.labels[found.train]
            aps, _ = label_retrieval.score(a[found.val], b[found.train], *labels, protocol)
            out[f"{direction} MAP"] = round(100 * float(np.nanmean(aps["all"])), 3)
        return {**out, "selection": round(sum(out.values()) / 2, 3)}

    return validate


def _longest(sides: tuple[dict, dict]) -> tuple[np.ndarray, np.ndarray]:
    last = list(sides[0])[-1]
    return sides[0][last], sides[1][last]


def _save_fitted(job: runs.Job, system: nn.Module) -> None:
    """What `train` leaves behind, for a model that is fitted in one go."""
    facts = {"step": 0, "config": job.identity, "seconds": 0.0}
    files.write_text(job.folder / "log.jsonl", "")
    checkpoint.save(job.folder, "last", system.tensors(), facts)


def _rows(precisions: dict, task: LabelledTask) -> tuple[np.ndarray, np.ndarray]:
    """Ids and APs of all queries; `crcgs_tables.precisions` reads them back.

    An id is scoring, direction, depth and image, parted by tabs.
    """
    queries = task.labelled.ids[task.labelled.query]
    ids = [f"{s}\t{way}\t{depth}\t{q}" for s, way, depth in precisions for q in queries]
    return np.array(ids), np.concatenate(list(precisions.values()))
