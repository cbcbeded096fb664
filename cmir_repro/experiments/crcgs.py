"""Label-based retrieval: images and texts are relevant to each other that share a category.

Stages: the teachers (where a weight needs them; shared by the runs of a seed), the student, and a
hash head for each number of bits on the student as it is then. A baseline has one stage.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.weights import weights_digest
from cmir_repro.data.judged import Judged
from cmir_repro.evaluation import labels
from cmir_repro.evaluation.features import Features, align
from cmir_repro.evaluation.hamming import as_codes
from cmir_repro.evaluation.judged import Scores, of_features
from cmir_repro.experiments import versions
from cmir_repro.experiments.crcgs_task import LabelledBatches, LabelledTask
from cmir_repro.experiments.experiment import Experiment, largest_batch
from cmir_repro.experiments.job import Job, alone
from cmir_repro.experiments.presets.crcgs import CRCGSRun
from cmir_repro.models.towers import codes
from cmir_repro.systems.baselines import BASELINES, COSINE
from cmir_repro.systems.crcgs import CRCGS, HashConfig, Hasher, TeacherConfig, Teachers
from cmir_repro.training.loop import TrainConfig, recipe, train

DIRECTIONS = ("i2t", "t2i")
CHUNK = 1024  # images and texts that are encoded at a time


@dataclass(frozen=True)
class Encoded:
    """All images and texts of a task, row by row: scoring -> (N, E) float32 or (N, L) bool.

    Scorings are "cosine" and, for codes, "hamming-16" and so on, from short to long.
    """

    images: dict[str, np.ndarray]
    texts: dict[str, np.ndarray]


class LabelExperiment(Experiment):
    """CRCGS, or a baseline, on images and texts with categories; see `Experiment`."""

    selections: ClassVar = {
        "val": "best mean MAP of both directions, validation images against the training images",
        "last": "last step",
    }
    files = ("images", "texts")
    curve = ("selection", "MAP")

    def __init__(self, config: CRCGSRun, device: str = "cpu", progress: bool = True) -> None:
        super().__init__(config, device, progress)
        pixels = config.model is not None and config.model.image_encoder != "features"
        of = config.dataset, config.scale, config.task
        self.task = LabelledTask(*of, pixels, device, progress, config.features)
        self.data, self.protocol = self.task.data, self.task.protocol(COSINE)

    def facts(self) -> dict:
        model = self.config.model
        return {
            "weights": weights_digest(model.image_weights) if model else "none",
            "features": hashlib.sha256(self.task.features.tobytes()).hexdigest(),
            **self.task.ready.digests(),
        }

    def sizes(self) -> dict:
        task = self.task
        sizes = {"shape": task.shape(), "features": task.features.shape[1]}
        sizes |= {"text": task.text.shape[1], "categories": task.labels.shape[1]}
        return {**sizes, "train": len(task.labelled.train)}

    @classmethod
    def net(cls, config: CRCGSRun, sizes: dict, taught: Teachers | None = None) -> nn.Module:
        """See `Experiment`; a student's teachers are untrained unless they are given."""
        widths = sizes["features"], sizes["text"]
        if config.baseline:
            kind = BASELINES[config.baseline.kind]
            return kind(config.baseline, *widths, config.hashing.bits)
        if config.teacher and taught is None:
            taught = Teachers(config.teacher, *widths)
        known = tuple(sizes["shape"]), sizes["text"], sizes["categories"], sizes["train"]
        return CRCGS(config.model, *known, config.train.batch, taught)

    def build(self) -> nn.Module:
        """The net with its initial weights; trains the teachers before, if there are none yet."""
        config = self.config
        self.teachers = teachers(config, self.task, self.progress) if config.teacher else None
        torch.manual_seed(config.train.seed)  # a student begins the same with and without them
        return self.net(config, self.sizes(), self.teachers)

    def fit(self, system: nn.Module, job: Job) -> None:
        if getattr(system, "trained", True):
            super().fit(system, job)
            return
        rows = torch.from_numpy(self.task.labelled.train)
        system.fit(*(x[rows].cpu() for x in self._inputs()), self.config.train.seed)
        if not job.finished:
            job.save_fitted(system.tensors())

    def examples(self, split: str) -> int:
        return len(getattr(self.task.labelled, split))

    def suit(self) -> CRCGSRun:
        """See `Experiment`; the batches of the other stages have to fit too."""
        config, name = super().suit(), self.config.dataset
        stages = {"teacher": config.teacher, "hashing": None if config.baseline else config.hashing}
        changed = {}
        for stage, settings in stages.items():
            if settings:
                batch = largest_batch(settings.batch, self.examples("train"), stage, name)
                if batch != settings.batch:
                    changed[stage] = settings.model_copy(update={"batch": batch})
        if changed:
            self.config = config.model_copy(update=changed)
        return self.config

    def batches(self) -> LabelledBatches:
        train = self.config.train
        if self.config.baseline:
            return LabelledBatches(self.task, train)
        generated = {}
        if self.teachers:
            f, g = self.teachers.codes(*self._inputs())
            generated = {"f": f.cpu(), "g": g.cpu()}
        return LabelledBatches(self.task, train, generated)

    def validate(self, system: nn.Module) -> dict[str, float]:
        """MAP of validation images and texts in the whole list of training ones; the mean decides.

        By cosine, or of a baseline that has codes only by the longest.
        """
        found, encoded = self.task.labelled, self.encode(system)
        scoring = COSINE if COSINE in encoded.images else list(encoded.images)[-1]
        sides = encoded.images[scoring], encoded.texts[scoring]
        categories = found.labels[found.val], found.labels[found.train]
        out = {}
        for direction, (a, b) in zip(DIRECTIONS, (sides, sides[::-1]), strict=True):
            arrays = a[found.val], b[found.train]
            aps, _ = labels.score(*arrays, *categories, self.task.protocol(scoring))
            out[f"{direction} MAP"] = round(100 * float(np.nanmean(aps["all"])), 3)
        return {**out, "selection": round(sum(out.values()) / 2, 3)}

    @torch.no_grad()
    def encode(self, system: nn.Module) -> Encoded:
        """All images and texts by a net, without the hash heads of a student."""
        if self.config.baseline:
            return Encoded(*system.encode(*self._inputs()))
        task = self.task
        rows = np.arange(len(task.text))
        u = self._images(system, rows)
        v = torch.cat([system.encode_texts(task.texts(p)).float().cpu() for p in _chunks(rows)])
        return Encoded({COSINE: u}, {COSINE: v.numpy()})

    @torch.no_grad()
    def _images(self, system: nn.Module, rows: np.ndarray) -> np.ndarray:
        """Vectors (N, E) of images by a student, which is in evaluation mode afterwards."""
        system.eval().to(self.task.device)
        parts = (system.encode_images(self.task.images(part)) for part in _chunks(rows))
        return torch.cat([part.float().cpu() for part in parts]).numpy()

    def gallery(self, system: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        rows = self.task.labelled.database
        return self.task.labelled.ids[rows], self._images(system, rows)

    @torch.no_grad()
    def ask(self, system: nn.Module, *query: object) -> tuple[np.ndarray, str]:
        """See `Experiment`; a query is tags, apart or in one text with blanks between them."""
        found, text = self.task.labelled, np.zeros_like(self.task.text[:1])
        if not self.task.tags or not query:
            raise InputError("ask with tags of pictures; other texts are features, not words")
        for tag in " ".join(map(str, query)).split():
            one_of("tag", tag, found.words)
            text[0, found.words.index(tag)] = 1
        vector = system.eval().encode_texts(torch.from_numpy(text).to(self.device))
        return vector.float().cpu().numpy(), ""

    def features(self, system: nn.Module, job: Job) -> Encoded:
        """All images and texts; of a student, its hash heads are trained in the job's folder."""
        encoded = self.encode(system)
        if self.config.baseline:
            return encoded
        u, v = (torch.from_numpy(side[COSINE]) for side in (encoded.images, encoded.texts))
        images, texts = dict(encoded.images), dict(encoded.texts)
        for bits in self.config.hashing.bits:
            head = self._head(job, u, v, bits)
            with torch.no_grad():
                sides = [codes(head(x.to(self.device))).cpu().numpy() for x in (u, v)]
            images[f"hamming-{bits}"], texts[f"hamming-{bits}"] = sides
        return Encoded(images, texts)

    def read(self, found: dict[str, Features]) -> Encoded:
        """See `Experiment`; 0 and 1, or -1 and 1, of any type are codes, all else is features.

        Raises:
            InputError: as there; one side is codes and the other is not.
        """
        sides = [align(found[name], self.task.labelled.ids) for name in self.files]
        coded = [_are_codes(side) for side in sides]
        if any(coded) and not all(coded):
            both = zip(self.files, coded, strict=True)
            told = [f"{x} are {('features', 'codes')[is_code]}" for x, is_code in both]
            raise InputError(f"{' and '.join(told)}; give codes of both, or features of both")
        if all(coded):
            sides = [as_codes(side, name) for side, name in zip(sides, self.files, strict=True)]
        scoring = f"hamming-{sides[0].shape[1]}" if sides[0].dtype == bool else COSINE
        return Encoded(*({scoring: side} for side in sides))

    def score(self, features: Encoded, seed: int | None = None) -> tuple[pd.DataFrame, dict]:
        """See `Experiment`; the bootstrap's seed is by default that of the run."""
        seed = self.config.train.seed if seed is None else seed
        precisions, result = score(features, self.task, seed)
        return query_table(precisions, self.task), result

    def rankings(self, features: Encoded) -> dict[str, tuple[Judged, Scores]]:
        """By the first scoring, both directions; what shares a category is right."""
        found, scoring = self.task.labelled, next(iter(features.images))
        ids, ranked = found.ids[found.query], found.ids[found.database]
        of = found.labels[found.database]
        right = [ranked[of[:, has].any(axis=1)] for has in found.labels[found.query]]
        kept = np.array([len(names) > 0 for names in right])
        right = [names for names in right if len(names)]
        asked = Judged(ids[kept], right, np.full(len(right), "all"), {"all": ranked})
        sides = [side[scoring] for side in (features.images, features.texts)]
        # Cosines of codes of -1 and 1 order items as Hamming distances do.
        a, b = (2.0 * side - 1 if side.dtype == bool else side for side in sides)
        arrays = {"i2t": (a, b), "t2i": (b, a)}
        return {
            way: (asked, of_features(q[found.query][kept], d[found.database], ranked))
            for way, (q, d) in arrays.items()
        }

    def _inputs(self) -> list[Tensor]:
        """Features and text of all images on the device."""
        return [torch.from_numpy(x).to(self.device) for x in (self.task.features, self.task.text)]

    def _head(self, job: Job, u: Tensor, v: Tensor, bits: int) -> nn.Module:
        """A trained hash head for vectors (N, E) of images and texts."""
        c, seed = self.config.hashing, self.config.train.seed
        torch.manual_seed(seed)
        system, how = Hasher(c, u.shape[1], bits), _stage(seed, c)
        train(
            system,
            LabelledBatches(self.task, how, {"u": u, "v": v}),
            how,
            job.folder / f"hash-{bits}",
            identity={**job.identity, "bits": bits},
            device=self.device,
            title=f"{bits} bits",
            progress=self.progress,
        )
        return system.head


def _are_codes(side: np.ndarray) -> bool:
    """Whether features (N, D) are whole numbers by type, or 0 and 1 or -1 and 1 of any type."""
    return side.dtype.kind in "biu" or bool(np.isin(side, (-1, 0, 1)).all() and side.any())


def teachers(config: CRCGSRun, task: LabelledTask, progress: bool = True) -> Teachers:
    """The trained teachers of a run's data, seed and settings; trained if they are not there."""
    c, seed = config.teacher, config.train.seed
    torch.manual_seed(seed)
    system, how = Teachers(c, task.features.shape[1], task.text.shape[1]), _stage(seed, c)
    facts = {
        "teacher": c.model_dump(mode="json"),
        "train": how.model_dump(mode="json"),
        "data": task.data.manifest_hash,
        "task": config.task,
        "versions": versions.used(config),
        "device": task.device,
        **task.ready.digests(),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:6]
    name = f"{config.dataset}-{config.task}-{config.scale}-teachers-s{seed}-{digest}"
    with alone(name):  # of runs that go side by side one trains them, the others wait
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


def score(
    encoded: Encoded, task: LabelledTask, seed: int = 0
) -> tuple[dict[tuple[str, str, str], np.ndarray], dict]:
    """AP of every query and the summary of every scoring and direction.

    Args:
        seed: of the bootstrap.

    Returns:
        (scoring, direction, depth) -> AP of each query (Q,) in percent, NaN where nothing is
        relevant; the summary of the first scoring, with the metrics of all under "by_scoring",
        each "i2t ..." or "t2i ...".
    """
    found = task.labelled
    precisions, results, by_scoring, curves = {}, [], {}, {}
    for scoring in encoded.images:
        by_scoring[scoring] = {}
        for direction in DIRECTIONS:
            sides = (encoded.images, encoded.texts)
            queries, database = (
                side[scoring] for side in (sides if direction == "i2t" else sides[::-1])
            )
            aps, result = labels.score(
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


def query_table(precisions: dict, task: LabelledTask) -> pd.DataFrame:
    """The APs of every query: columns scoring, direction, depth, query, ap (percent)."""
    query = task.labelled.ids[task.labelled.query]
    tables = [
        pd.DataFrame(
            {"scoring": scoring, "direction": way, "depth": depth, "query": query, "ap": values}
        )
        for (scoring, way, depth), values in precisions.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, -(-len(rows) // CHUNK))


def _stage(seed: int, settings: TeacherConfig | HashConfig) -> TrainConfig:
    """How a stage without selection is trained: as the student, to the last step."""
    return recipe(
        "fast",
        steps=settings.steps,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        seed=seed,
        schedule="constant",
        clip=0.0,
        selection="last",
        evaluate_every=settings.steps,
    )
