"""Images and their sentences as one task: what the encoders read, and what is in a batch."""

import numpy as np
import torch
from torch import Tensor

from cmir_repro.core.distributed import share
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.core.weights import weights_file
from cmir_repro.data import registry, sentences
from cmir_repro.data.augment import DRAWS
from cmir_repro.data.feature_rows import FeatureRows
from cmir_repro.data.feature_texts import FeatureTexts
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.sampling import SAMPLERS
from cmir_repro.data.sentences import Pairs
from cmir_repro.data.store import PictureStore
from cmir_repro.data.tokenizers import BertCaptionTokens, CaptionTokens
from cmir_repro.experiments.presets.base import FeatureFiles
from cmir_repro.experiments.ready import Ready, read_by_encoder
from cmir_repro.models import frozen
from cmir_repro.models.image import FEATURES, FROZEN
from cmir_repro.models.pooling import drop_words
from cmir_repro.models.text import SAVED_BERT
from cmir_repro.systems.aai import AAIConfig
from cmir_repro.training.loop import TrainConfig


class PairTask:
    """Images and sentences of a prepared data set, as one view shows them.

    Args:
        dataset, scale: as in `registry.open`.
        task: of the data set; of CSS a view ("3d", "2d").
        model: says what its image encoder reads.
        device: where batches go.
        files: of features that are read instead of pictures or sentences.

    Raises:
        InputError: unknown names, or a data set without sentences.
    """

    def __init__(
        self,
        dataset: str,
        scale: str,
        task: str,
        model: AAIConfig,
        device: str,
        progress: bool,
        files: FeatureFiles | None = None,
    ) -> None:
        self.ready = Ready(files)
        self.data: Prepared = registry.open(dataset, scale, device, progress)
        self.device, self.model, self.progress = device, model, progress
        self.told = sentences.image_text(self.data, task)
        self.view, self.protocol = self.told.view, preset(self.told.protocol)
        self._splits: dict[str, Pairs] = {}
        self._stores: dict[str, PictureStore | FeatureRows] = {}

    def split(self, name: str) -> Pairs:
        if name not in self._splits:
            self._splits[name] = sentences.pairs(self.data, self.told.table, name)
        return self._splits[name]

    def pictures(self, split: str) -> PictureStore | FeatureRows:
        """What the image encoder reads of the images of a split, in the order of `split`."""
        if self.ready.images is not None and split not in self._stores:
            ids, what = self.split(split).image_ids, f"images of {split}"
            self._stores[split] = self.ready.of_images(ids, what, self.view, self.device)
        if split not in self._stores:
            rows = self.split(split).images
            self._stores[split] = PictureStore(self.data.gather(rows, self._source), self.device)
        return self._stores[split]

    def shape(self) -> tuple[int, ...]:
        """Of one picture, or of its ready features."""
        if self.ready.images is not None:
            return self.ready.images.shape
        return tuple(self._source(self.data.images["part"].iloc[0]).shape[1:])

    def _source(self, part: str) -> np.ndarray:
        if self.model.image_encoder == "regions":
            return self.data.ready(self.view, part)
        if self.model.image_encoder == FROZEN:
            weights = self.model.image_weights
            return frozen.features(self.data, self.view, part, weights, self.device, self.progress)
        return self.data.pixels(self.view, part)


def tokeniser(model: AAIConfig, task: PairTask) -> CaptionTokens | BertCaptionTokens | FeatureTexts:
    """That of the text encoder; own vocabularies are those of the training sentences."""
    if model.text_encoder == FEATURES:
        table = task.told.table
        return task.ready.of_texts(zip(table["sentence"], table["text"], strict=True))
    if model.text_encoder == SAVED_BERT:
        return BertCaptionTokens(str(weights_file(model.text_weights)))
    cut = {"words": None} if task.told.whole else {}
    return CaptionTokens.of(task.split("train").texts, **cut)


class PairBatches:
    """Batches of sentences with their images: see loop.Batches.

    Every sentence comes once an epoch, so a batch may hold several of one image.

    Raises:
        InputError: a batch is larger than the split.
    """

    def __init__(self, task: PairTask, tokens, config: TrainConfig, split: str = "train") -> None:
        self.task, self.tokens, self.config, self.split = task, tokens, config, task.split(split)
        self.store = task.pictures(split)
        self.numbers, self.lengths = map(torch.from_numpy, tokens.encode(self.split.texts))
        if config.batch > len(self.lengths):
            raise InputError(
                f"batch {config.batch} is larger than the {len(self.lengths)} sentences of {split}"
            )

    def __call__(self, step: int, rank: int = 0, processes: int = 1) -> dict[str, Tensor]:
        batch = self.config.batch
        rows = self._rows(step)
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        lengths = self.lengths[rows]
        numbers = self.numbers[rows, : int(lengths.max())]
        shown, shown_lengths = numbers, lengths
        if self.task.model.size_augmentation:
            shown, shown_lengths = drop_words(
                numbers,
                lengths,
                generator,
                vocabulary=len(self.tokens),
                **self.tokens.special_tokens,
            )
        whole = {
            "draws": torch.rand(batch, 2, DRAWS, generator=generator),
            "input_ids": shown,
            "lengths": shown_lengths,
            "clean_input_ids": numbers,
            "clean_lengths": lengths,
            "id": torch.from_numpy(self.split.image_of[rows]),
        }
        # All processes draw the whole batch, so that what is drawn does not depend on their number.
        mine = share(batch, rank, processes)
        out = {name: x[mine].to(self.task.device) for name, x in whole.items()}
        for name in ("input_ids", "clean_input_ids"):
            out[name] = read_by_encoder(self.tokens, out[name])
        out["image"] = self.store.take(self.split.image_of[rows][mine])
        return out

    def describe(self, step: int) -> str:
        return f"of the sentences {', '.join(self.split.sentence_ids[self._rows(step)[:4]])}, ..."

    def _rows(self, step: int) -> np.ndarray:
        config = self.config
        return SAMPLERS["shuffled"](np.arange(len(self.lengths)), config.batch, config.seed, step)
