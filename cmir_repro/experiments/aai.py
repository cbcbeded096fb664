"""Image <-> sentence retrieval: images ask for sentences, sentences for images."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.core.protocol import Protocol, preset
from cmir_repro.core.weights import weights_digest, weights_file
from cmir_repro.data import registry, sentences
from cmir_repro.data.augment import DRAWS
from cmir_repro.data.bert_tokens import BertCaptionTokens
from cmir_repro.data.caption_tokens import CaptionTokens
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.sampling import SAMPLERS
from cmir_repro.data.sentences import Pairs
from cmir_repro.data.store import PictureStore
from cmir_repro.evaluation import image_text, rerank
from cmir_repro.evaluation.features import Features, align
from cmir_repro.experiments.experiment import Experiment
from cmir_repro.experiments.job import Job
from cmir_repro.experiments.presets.aai import AAIRun
from cmir_repro.models import frozen
from cmir_repro.models.image import FROZEN
from cmir_repro.models.pooling import drop_words
from cmir_repro.models.text import SAVED_BERT
from cmir_repro.systems.aai import AAI, AAIConfig
from cmir_repro.systems.aai_sides import Side, joined
from cmir_repro.training.loop import TrainConfig

CSS_PROTOCOL = "css/image-sentence"


class PairTask:
    """Images and sentences of a prepared data set, as one view shows them.

    Args:
        dataset, scale: as in `registry.open`; the generated scenes are described here.
        task: a view of the scenes ("3d", "2d"), or a task of another data set.
        model: says what its image encoder reads.
        device: where batches go.

    Raises:
        InputError: unknown names, or a data set without sentences.
    """

    def __init__(
        self, dataset: str, scale: str, task: str, model: AAIConfig, device: str, progress: bool
    ) -> None:
        self.data: Prepared = registry.open(dataset, scale, device, progress)
        self.device, self.model, self.progress = device, model, progress
        if dataset == "css":
            self.view, self.protocol = task, preset(CSS_PROTOCOL)
            self.table = sentences.of_scenes(self.data, task)
        else:
            self.view = self.data.views_of(task)[1]
            self.protocol = preset(self.data.info["protocol"])
            self.table = sentences.sentences(self.data)
        self._splits: dict[str, Pairs] = {}
        self._stores: dict[str, PictureStore] = {}

    def split(self, name: str) -> Pairs:
        if name not in self._splits:
            self._splits[name] = sentences.pairs(self.data, self.table, name)
        return self._splits[name]

    def pictures(self, split: str) -> PictureStore:
        """What the image encoder reads of the images of a split, in the order of `split`."""
        if split not in self._stores:
            rows = self.split(split).images
            self._stores[split] = PictureStore(self.data.gather(rows, self._source), self.device)
        return self._stores[split]

    def shape(self) -> tuple[int, ...]:
        """Of one picture, or of its ready features."""
        return tuple(self._source(self.data.images["part"].iloc[0]).shape[1:])

    def _source(self, part: str) -> np.ndarray:
        if self.model.image_encoder == "regions":
            return self.data.ready(self.view, part)
        if self.model.image_encoder == FROZEN:
            weights = self.model.image_weights
            return frozen.features(self.data, self.view, part, weights, self.device, self.progress)
        return self.data.pixels(self.view, part)


def tokeniser(model: AAIConfig, task: PairTask) -> CaptionTokens | BertCaptionTokens:
    """That of the text encoder; own vocabularies are those of the training sentences."""
    if model.text_encoder == SAVED_BERT:
        return BertCaptionTokens(str(weights_file(model.text_weights)))
    # Sentences of scenes name one object after another: cutting them would lose the last ones.
    cut = {"words": None} if task.protocol.name == CSS_PROTOCOL else {}
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
        if batch % processes:
            raise InputError(
                f"batch {batch} cannot be shared by {processes} processes; "
                "choose a multiple of their number"
            )
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
            "views": torch.rand(batch, 2, DRAWS, generator=generator),
            "input_ids": shown,
            "lengths": shown_lengths,
            "clean_input_ids": numbers,
            "clean_lengths": lengths,
            "id": torch.from_numpy(self.split.image_of[rows]),
        }
        # All processes draw the whole batch, so that what is drawn does not depend on their number.
        share = batch // processes
        mine = slice(rank * share, (rank + 1) * share)
        out = {name: x[mine].to(self.task.device) for name, x in whole.items()}
        out["image"] = self.store.take(self.split.image_of[rows][mine])
        return out

    def describe(self, step: int) -> str:
        return f"of the sentences {', '.join(self.split.sentence_ids[self._rows(step)[:4]])}, ..."

    def _rows(self, step: int) -> np.ndarray:
        config = self.config
        return SAMPLERS["shuffled"](np.arange(len(self.lengths)), config.batch, config.seed, step)


@dataclass(frozen=True)
class EmbeddedPairs:
    """A split as a model sees it.

    images: (G, E), sentences: (S, E) float32, length 1. match: the fusion encoder's log-odds
    of belonging together for rows of images (P,) and of sentences (P,) -> (P,) float32; None for a
    model without one.
    """

    images: np.ndarray
    sentences: np.ndarray
    match: Callable[[np.ndarray, np.ndarray], np.ndarray] | None


@torch.no_grad()
def embed(
    system: AAI, task: PairTask, tokens, split: str, texts: list[str] | None = None, chunk=256
) -> EmbeddedPairs:
    """Vectors of a split and a matcher of its pairs; leaves `system` in evaluation mode.

    Args:
        texts: other sentences than the split's own.
        chunk: pictures or sentences at a time.
    """
    system.eval()
    pairs, store = task.split(split), task.pictures(split)
    numbers, lengths = map(torch.from_numpy, tokens.encode(pairs.texts if texts is None else texts))
    images = [
        system.encode_images(store.take(np.arange(start, min(start + chunk, len(store)))))
        for start in range(0, len(store), chunk)
    ]
    sentences = [
        system.encode_texts(n.to(task.device), k.to(task.device))
        for n, k in zip(numbers.split(chunk), lengths.split(chunk), strict=True)
    ]
    vectors = [
        torch.cat([system.vector(side, modality) for side in sides]).float().cpu().numpy()
        for modality, sides in (("image", images), ("text", sentences))
    ]
    match = Matcher(system, images, sentences) if hasattr(system, "fusion") else None
    return EmbeddedPairs(*vectors, match)


class Matcher:
    """Scores pairs by the fusion encoder; remembers them, since two rankings ask for the same.

    The score is the logarithm of the odds that they belong together, the only thing the matching
    loss teaches. ALBEF ranks by the logit of "together" alone, which is that plus whatever both
    logits share (our choice: after 400 steps at mini it cost 5 points of RSUM on validation).
    """

    def __init__(self, system: AAI, images: list[Side], sentences: list[Side]) -> None:
        self.system = system
        self.images, self.sentences = joined(images), joined(sentences)
        self.known: dict[bytes, np.ndarray] = {}

    @torch.no_grad()
    def __call__(self, image: np.ndarray, sentence: np.ndarray) -> np.ndarray:
        key = image.tobytes() + sentence.tobytes()
        if key not in self.known:
            device = self.images.tokens.lengths.device
            rows = (torch.from_numpy(x).to(device) for x in (sentence, image))
            texts, images = self.sentences.take(next(rows)), self.images.take(next(rows))
            logits = self.system.match(texts, images).float()
            self.known[key] = (logits[:, 1] - logits[:, 0]).cpu().numpy()
        return self.known[key]


class ImageTextExperiment(Experiment):
    """An `AAI` net on images and their sentences; see `Experiment`.

    Attributes:
        tokens: the tokeniser of its text encoder.
    """

    selections: ClassVar = {
        "val": "best mean of the six recalls by ITC on validation images",
        "test": "best mean of the six recalls by ITC on test",
        "last": "last step",
    }

    files = ("images", "sentences")

    def __init__(self, config: AAIRun, device: str = "cpu", progress: bool = True) -> None:
        super().__init__(config, device, progress)
        of = config.dataset, config.scale, config.task
        self.task = PairTask(*of, config.model, device, progress)
        self.data, self.protocol = self.task.data, self.task.protocol
        self.tokens = tokeniser(config.model, self.task)

    def facts(self) -> dict:
        model = self.config.model
        return {
            "weights": _digest(model.image_weights),
            "text_weights": _digest(model.text_weights),
            "vocabulary": getattr(self.tokens, "tokens", []),
        }

    def sizes(self) -> dict:
        tokens = self.tokens
        sizes = {"vocabulary": len(tokens), "special_tokens": tokens.special_tokens}
        return {**sizes, "shape": self.task.shape()}

    @classmethod
    def net(cls, config: AAIRun, sizes: dict) -> AAI:
        known = sizes["vocabulary"], tuple(sizes["shape"]), sizes["special_tokens"]
        return AAI(config.model, *known, config.train.seed)

    def batches(self) -> PairBatches:
        return PairBatches(self.task, self.tokens, self.config.train)

    def validate(self, system: nn.Module) -> dict[str, float]:
        """Recall by ITC on the split that selects; the mean of the six decides (ALBEF)."""
        split = self.config.train.selection
        protocol = preset("own/image-sentence")  # validation splits have sizes of their own
        found, pairs = self.embed(system, split), self.task.split(split)
        both = image_text.ranks(found.images, found.sentences, pairs.image_of, protocol)
        sides = {"i2t": both.image_to_sentence, "t2i": both.sentence_to_image}
        recalls = {
            f"{side} R@{k}": round(100 * float((ranks <= k).mean()), 3)
            for side, ranks in sides.items()
            for k in protocol.cutoffs
        }
        return {**recalls, "selection": round(sum(recalls.values()) / len(recalls), 3)}

    def embed(self, system: nn.Module, split: str, texts: list[str] | None = None) -> EmbeddedPairs:
        """Vectors of a split by a net, of other sentences than its own if `texts` are given."""
        return embed(system, self.task, self.tokens, split, texts)

    def features(self, system: nn.Module, job: Job) -> EmbeddedPairs:
        return self.embed(system, "test")

    def read(self, found: dict[str, Features]) -> EmbeddedPairs:
        pairs = self.task.split("test")
        images = align(found["images"], pairs.image_ids)
        return EmbeddedPairs(images, align(found["sentences"], pairs.sentence_ids), None)

    def score(self, features: EmbeddedPairs, seed: int = 0) -> tuple[pd.DataFrame, dict]:
        pairs = self.task.split("test")
        ranks, result = score(features, pairs, self.protocol, self.config.rerank, seed)
        return query_table(ranks, pairs), result


def score(
    embedded: EmbeddedPairs, pairs: Pairs, protocol: Protocol, k: int, seed: int = 0
) -> tuple[dict[str, image_text.BothRanks], dict]:
    """Ranks and summary by ITC, and of a model with a matcher by ITM and by both.

    The summary is that of the best informed scoring, "itm" where there is a matcher (ALBEF); the
    metrics of all lie under "by_scoring".

    Args:
        k: candidates of each query that the matcher orders.
    """
    modes = ("itc",) if embedded.match is None else rerank.MODES
    ranks = {
        mode: rerank.rerank(
            embedded.images, embedded.sentences, pairs.image_of, embedded.match, protocol, k, mode
        )
        for mode in modes
    }
    results = {mode: image_text.summary(both, protocol, seed) for mode, both in ranks.items()}
    main = "itc" if embedded.match is None else "itm"
    metrics = {mode: result["metrics"] for mode, result in results.items()}
    return ranks, {**results[main], "by_scoring": metrics}


def _digest(weights: str) -> str:
    """What tells pretrained weights apart, be they a file or the folder of a saved model."""
    folder = weights_file(weights)
    if weights == "none" or not folder.is_dir():
        return weights_digest(weights)
    lines = [f"{path.name} {sha256(path)}" for path in sorted(folder.iterdir()) if path.is_file()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def query_table(ranks: dict[str, image_text.BothRanks], pairs: Pairs) -> pd.DataFrame:
    """The rank of every image's first sentence and of every sentence's image.

    Columns scoring, direction, query, image, rank; the query is an image or a sentence, `image`
    the image it is or belongs to.
    """
    tables = []
    for scoring, both in ranks.items():
        last = len(both.image_to_sentence)
        rows = np.flatnonzero(pairs.image_of < last)
        own, told = pairs.image_ids[:last], pairs.image_ids[pairs.image_of[rows]]
        for direction, query, image, found in (
            ("i2t", own, own, both.image_to_sentence),
            ("t2i", pairs.sentence_ids[rows], told, both.sentence_to_image),
        ):
            columns = {"query": query, "image": image, "rank": found}
            tables.append(pd.DataFrame({"scoring": scoring, "direction": direction, **columns}))
    return pd.concat(tables, ignore_index=True)
