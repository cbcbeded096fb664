"""A prepared data set seen as one task: the view of queries, that of the gallery, batches."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cmir_repro.core.distributed import share
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import preset
from cmir_repro.data import training_pairs as pairs
from cmir_repro.data.feature_rows import FeatureRows
from cmir_repro.data.feature_texts import FeatureTexts
from cmir_repro.data.labelled import IMAGE
from cmir_repro.data.prepare.pictures import load_pictures
from cmir_repro.data.prepared import Prepared, Retrieval
from cmir_repro.data.sampling import SAMPLERS, generator_of
from cmir_repro.data.store import PictureStore
from cmir_repro.data.tokenizers import BertTokens, Vocabulary
from cmir_repro.experiments.presets.base import FeatureFiles
from cmir_repro.experiments.ready import Ready, read_by_encoder
from cmir_repro.models import frozen
from cmir_repro.models.image import FEATURES, FROZEN
from cmir_repro.systems.dim import ModelConfig
from cmir_repro.training.loop import TrainConfig

TARGET = "the target image"  # what is right by the protocols of FashionIQ and CIRR
Tokens = Vocabulary | BertTokens | FeatureTexts


class Task:
    """A prepared data set seen as one task.

    Pictures are read into memory split by split, when first asked for.

    Args:
        task: a key of the data set's tasks.
        features: files of features that are read instead.
        model: says what its image encoder reads: pixels, or features of a frozen net.
        device: where batches go.

    Raises:
        InputError: unknown task.
    """

    def __init__(
        self,
        data: Prepared,
        task: str,
        device: str,
        model: ModelConfig | None = None,
        features: FeatureFiles | None = None,
    ) -> None:
        self.data, self.device, self.model = data, device, model
        self.ready = Ready(features)
        data.check_composed()
        self.source_view, self.target_view = data.views_of(task)
        self._stores: dict[tuple[str, tuple[str, ...]], PictureStore | FeatureRows] = {}
        self._splits: dict[str, Retrieval] = {}

    def split(self, name: str) -> Retrieval:
        if name not in self._splits:
            self._splits[name] = self.data.retrieval(name)
        return self._splits[name]

    def pictures(self, view: str, *splits: str) -> PictureStore | FeatureRows:
        """What the image encoder reads of the galleries of these splits, in one view."""
        if self.ready.images is not None and (view, splits) not in self._stores:
            ids = np.concatenate([self._names(name) for name in splits])
            what = f"images of {' and '.join(splits)}"
            self._stores[view, splits] = self.ready.of_images(ids, what, view, self.device)
        if (view, splits) not in self._stores:
            rows = np.concatenate([self.split(name).gallery for name in splits])
            self._stores[view, splits] = PictureStore(
                self.data.gather(rows, lambda part: self._source(view, part)), self.device
            )
        return self._stores[view, splits]

    def _names(self, split: str) -> np.ndarray:
        """What a file of features calls the images of a split: their ids, or the release's names.

        These are the labels where the target alone is right.
        """
        part, store = self.split(split), self.ready.images
        alone = preset(self.data.info["protocol"]).relevance == TARGET
        by_label = alone and len(part.gallery) and part.gallery_labels[0] in store
        return part.gallery_labels if by_label else part.gallery_ids

    def shapes(self) -> dict[str, list[int]]:
        """Of the features of one image and of one text, where these are read: see `Ready`."""
        found = self.ready.shapes()
        if "image_shape" not in found and self._encoder == FEATURES:
            part = self.data.images["part"].iloc[0]
            found["image_shape"] = list(self._source(self.source_view, part).shape[1:])
        return found

    def picture(self, source: str) -> Tensor:
        """What the image encoder reads of one picture, by id or file: (1, H, W, 3) or (1, ...).

        Raises:
            InputError: neither, or a file where the encoder reads features.
        """
        view, ids = self.source_view, self.data.images["image"]
        known = f"id of {self.data.info['name']}, say {ids.iloc[0]!r}"
        rows = np.flatnonzero(ids == source)
        if len(rows) and self.ready.images is not None:
            return self.ready.of_images([source], "pictures", view, self.device).take(np.arange(1))
        if len(rows):
            found = self.data.gather(rows[:1], lambda part: self._source(view, part))
        elif self._encoder in (FROZEN, FEATURES):
            raise InputError(f"{source!r} is no {known}")
        elif not Path(source).is_file():
            raise InputError(f"{source!r} is no file and no {known}")
        else:
            height, width = self.data.pixels(view, self.data.images["part"].iloc[0]).shape[1:3]
            found = load_pictures([Path(source)], height, width)
        return PictureStore(found, self.device).take(np.arange(1))

    @property
    def _encoder(self) -> str:
        return "" if self.model is None else self.model.image_encoder

    def _source(self, view: str, part: str) -> np.ndarray:
        if self._encoder == FEATURES:
            if not self.data.has_ready(IMAGE):
                raise InputError(
                    f"{self.data.info['name']} has no features of its images, which the encoder "
                    "'features' reads; name a file, --image-features, or another encoder"
                )
            return self.data.ready(IMAGE, part)
        if self._encoder != FROZEN:
            return self.data.pixels(view, part)
        return frozen.features(self.data, view, part, self.model.image_weights, self.device)

    def training_pairs(self, *splits: str):
        """The index that draws training pairs of these splits, or None: queries are fixed."""
        rule = self.data.info.get("training_pairs")
        if rule is None:
            return None
        rows = np.concatenate([self.split(name).gallery for name in splits])
        return pairs.build(rule, self.data.images.iloc[rows])


def tokeniser(config: ModelConfig, task: Task) -> Tokens:
    """The tokeniser of the text encoder; an LSTM's vocabulary is that of the training split."""
    if config.text_encoder == FEATURES:
        queries = task.data.queries
        return task.ready.of_texts(zip(queries["query"], queries["text"], strict=True))
    if config.text_encoder == "bert":
        return BertTokens(config.text_weights)
    drawn = task.training_pairs("train")
    return Vocabulary.of(drawn.sentences() if drawn else task.split("train").texts)


class QueryBatches:
    """Batches of queries of a task: see train.Batches.

    Where the data set has a rule for training pairs they are drawn anew each step; else its
    queries are used in the order of the sampler.

    Args:
        config: its batch, sampler and seed say which queries make up a step's batch.
        splits: whose queries.
        shuffle_text: give every query another query's sentence (for the check that a model
            without true sentences falls back to image only).
        fixed: use the split's own queries even where pairs could be drawn.

    Raises:
        InputError: a batch is larger than the splits, or there is nothing to train on.
    """

    def __init__(
        self,
        task: Task,
        tokens: Tokens,
        config: TrainConfig,
        splits: tuple[str, ...] = ("train",),
        shuffle_text: bool = False,
        fixed: bool = False,
    ) -> None:
        self.config, self.task, self.tokens, self.shuffle = config, task, tokens, shuffle_text
        parts = [task.split(name) for name in splits]
        self.images = np.concatenate([part.gallery_ids for part in parts])
        self.label = pd.factorize(np.concatenate([part.gallery_labels for part in parts]))[0]
        self.drawn = None if fixed else task.training_pairs(*splits)
        if self.drawn is None:
            starts = np.cumsum([0, *(len(part.gallery) for part in parts)])[:-1]
            self.source = np.concatenate([p.source + s for p, s in zip(parts, starts, strict=True)])
            self.target = np.concatenate([p.target + s for p, s in zip(parts, starts, strict=True)])
            texts = np.array([text for part in parts for text in part.texts], dtype=object)
            if shuffle_text:
                order = np.random.Generator(np.random.Philox(key=config.seed))
                texts = texts[order.permutation(len(texts))]
            self.ids = np.concatenate([part.query_ids for part in parts])
            self.sentence = pd.factorize(texts)[0]
            self.coded = tokens.encode(texts)
        elif isinstance(tokens, FeatureTexts):
            tokens.encode(self.drawn.texts())  # what lacks is said before the first step
        if config.batch > len(self):
            raise InputError(
                f"batch {config.batch} is larger than the {len(self)} "
                f"{'pictures' if self.drawn else 'queries'} of {' and '.join(splits)}"
            )
        self.stores = {
            view: task.pictures(view, *splits) for view in {task.source_view, task.target_view}
        }

    def __len__(self) -> int:
        """Fixed queries, or pictures that pairs are drawn from."""
        return len(self.images) if self.drawn else len(self.source)

    def __call__(self, step: int, rank: int = 0, processes: int = 1) -> dict[str, Tensor]:
        """See train.Batches; keys as `Composed.forward` wants them."""
        mine = share(self.config.batch, rank, processes)
        # All processes draw the whole batch, so that sentences have one number everywhere.
        source, target, tokens, lengths, sentence = (x[mine] for x in self._queries(step))
        device = self.task.device
        numbers = {
            "lengths": lengths,
            "source_label": self.label[source],
            "target_label": self.label[target],
            "sentence": sentence,
        }
        out = {name: torch.from_numpy(x).to(device) for name, x in numbers.items()}
        out["input_ids"] = read_by_encoder(self.tokens, torch.from_numpy(tokens).to(device))
        out["source"] = self.stores[self.task.source_view].take(source)
        out["target"] = self.stores[self.task.target_view].take(target)
        return out

    def describe(self, step: int) -> str:
        if self.drawn is None:
            return f"of the queries {', '.join(self.ids[self._rows(step)[:4]])}, ..."
        return (
            f"of pairs with the sources {', '.join(self.images[self._queries(step)[0][:4]])}, ..."
        )

    def _queries(self, step: int) -> tuple[np.ndarray, ...]:
        """Source, target, words, lengths and number of the sentence, each (batch, ...)."""
        config = self.config
        if self.drawn is None:
            rows = self._rows(step)
            columns = (self.source, self.target, *self.coded, self.sentence)
            return tuple(column[rows] for column in columns)
        generator = generator_of(config.seed, step)
        source, target, texts = self.drawn.draw(config.batch, generator)
        if self.shuffle:
            texts = [texts[i] for i in generator.permutation(len(texts))]
        return source, target, *self.tokens.encode(texts), pd.factorize(np.array(texts))[0]

    def _rows(self, step: int) -> np.ndarray:
        """Which fixed queries."""
        config = self.config
        return SAMPLERS[config.sampler](self.source, config.batch, config.seed, step)
