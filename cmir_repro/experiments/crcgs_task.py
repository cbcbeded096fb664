"""A label-based data set as one task: what the encoders read, and what is in a batch."""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cmir_repro.core.distributed import share
from cmir_repro.core.errors import InputError
from cmir_repro.core.paths import shown
from cmir_repro.core.protocol import Protocol, hashed, preset
from cmir_repro.core.weights import weights_file
from cmir_repro.data import registry
from cmir_repro.data.labelled import IMAGE, Labelled, labelled
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.sampling import SAMPLERS
from cmir_repro.data.store import PictureStore
from cmir_repro.experiments.presets.base import FeatureFiles
from cmir_repro.experiments.ready import Ready
from cmir_repro.models import frozen
from cmir_repro.training.loop import TrainConfig

# Rendered pictures have no features that came with them: averages of their pixels over this
# many cells, rows x columns, which need no weights (our choice).
CELLS = (12, 18)
WEIGHTS = "mobilenet_v2-imagenet-fp16.safetensors"  # for photographs without features


class LabelledTask:
    """Images, text and categories of a prepared data set.

    Attributes:
        labelled: ids, categories and splits.
        features: (N, F) float32, of the pictures, for the teachers and for students that read
            features; divided by their root mean square over the training images (our choice: the
            released code feeds them as they are).
        text: (N, D) float32; tags 0 or 1, other features divided likewise.

    Args:
        dataset, scale: as in `registry.open`.
        task: see `presets.crcgs.configure`.
        pixels: whether the student reads pictures; else features.
        device: where batches go.
        files: of features that are read instead of the data set's, by the ids of its images.

    Raises:
        InputError: unknown names, or a data set without categories, or without features.
    """

    def __init__(
        self,
        dataset: str,
        scale: str,
        task: str,
        pixels: bool,
        device: str,
        progress: bool,
        files: FeatureFiles | None = None,
    ) -> None:
        self.ready = Ready(files)
        self.data: Prepared = registry.open(dataset, scale, device, progress)
        self.device, self.progress = device, progress
        self.labelled: Labelled = labelled(self.data, task)
        self.view, self.tags = self.labelled.view, self.labelled.kind == "tags"
        text = self.labelled.text.astype(np.float32)
        if self.ready.texts is not None:
            text, self.tags = self.ready.vectors(self.ready.texts, self.labelled.ids), False
        self.text = text if self.tags else _scaled(text, self.labelled.train)
        self.labels = self.labelled.labels.astype(np.float32)
        if pixels:
            pictures = self.data.take(self.view, self.labelled.images)
            self.pictures = PictureStore(pictures, device)
        else:
            self.pictures = None

    @functools.cached_property
    def features(self) -> np.ndarray:
        """(N, F) float32, of the pictures; read or computed when first asked for."""
        return _scaled(self._features(), self.labelled.train)

    def protocol(self, scoring: str) -> Protocol:
        """How "cosine" or "hamming-..." is scored; what the data lack is in the name."""
        name = self.labelled.protocol
        return preset(name) if scoring == "cosine" else hashed(name)

    def shape(self) -> tuple[int, ...]:
        """Of one picture, or of its features."""
        if self.pictures is None:
            return self.features.shape[1:]
        return tuple(self.pictures.pixels.shape[1:])

    def images(self, rows: np.ndarray) -> Tensor:
        """What the student's image encoder reads, on the device."""
        if self.pictures is not None:
            return self.pictures.take(rows)
        return torch.from_numpy(self.features[rows]).to(self.device)

    def texts(self, rows: np.ndarray) -> Tensor:
        """(B, D) float32 on the device."""
        return torch.from_numpy(self.text[rows]).to(self.device)

    def _features(self) -> np.ndarray:
        data, rows = self.data, self.labelled.images
        if self.ready.images is not None:
            return self.ready.vectors(self.ready.images, self.labelled.ids)
        if data.has_ready(IMAGE):
            return data.gather(rows, lambda part: data.ready(IMAGE, part)).astype(np.float32)
        if data.info["provenance"]["kind"] == "rendered":
            return _averages(data.take(self.view, rows))
        if not data.views:
            raise InputError(
                f"the data set {data.info['name']!r} has neither features nor pictures"
            )
        if not weights_file(WEIGHTS).exists():
            raise InputError(
                f"the pictures of {data.info['name']!r} are read through a frozen MobileNetV2; put "
                f"its weights at {shown(weights_file(WEIGHTS))}"
            )
        maps = data.gather(
            rows,
            lambda part: frozen.features(
                data, self.view, part, WEIGHTS, self.device, self.progress
            ),
        )
        last = frozen.MobileNet.WIDTHS[-1]
        return maps[..., -last:].astype(np.float32).mean((1, 2))


class LabelledBatches:
    """Batches of training images with tags and labels: see train.Batches.

    Args:
        more: what else a batch holds, by name: (N, ...) of all images, on the CPU.

    Raises:
        InputError: a batch is larger than the training split.
    """

    def __init__(
        self,
        task: LabelledTask,
        config: TrainConfig,
        more: dict[str, Tensor] | None = None,
    ) -> None:
        self.task, self.config, self.more = task, config, more or {}
        self.train = task.labelled.train
        if config.batch > len(self.train):
            raise InputError(
                f"batch {config.batch} is larger than the {len(self.train)} training images"
            )

    def __call__(self, step: int, rank: int = 0, processes: int = 1) -> dict[str, Tensor]:
        rows, task = self._rows(step)[share(self.config.batch, rank, processes)], self.task
        batch = {
            "image": task.images(rows),
            "features": torch.from_numpy(task.features[rows]).to(task.device),
            "text": task.texts(rows),
            "labels": torch.from_numpy(task.labels[rows]).to(task.device),
        }
        more = {name: values[torch.from_numpy(rows)] for name, values in self.more.items()}
        return batch | {name: values.to(task.device) for name, values in more.items()}

    def describe(self, step: int) -> str:
        return f"of the images {', '.join(self.task.labelled.ids[self._rows(step)[:4]])}, ..."

    def _rows(self, step: int) -> np.ndarray:
        config = self.config
        drawn = SAMPLERS["shuffled"](self.train, config.batch, config.seed, step)
        return self.train[drawn]


def _scaled(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.mean(np.square(values[train], dtype=np.float64)))
    return (values / max(size, 1e-12)).astype(np.float32)


def _averages(pictures: np.ndarray, chunk: int = 1024) -> np.ndarray:
    """(N, H, W, 3) uint8 -> (N, 3 * rows * columns) float32 in [0, 1]."""
    out = []
    for start in range(0, len(pictures), chunk):
        x = torch.from_numpy(pictures[start : start + chunk]).permute(0, 3, 1, 2).float() / 255
        out.append(F.adaptive_avg_pool2d(x, CELLS).flatten(1).numpy())
    return np.concatenate(out)
