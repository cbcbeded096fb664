"""Image <-> sentence retrieval: each is the query for the other."""

import hashlib
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.core.protocol import Protocol, preset
from cmir_repro.core.weights import weights_digest, weights_file
from cmir_repro.data.judged import Judged
from cmir_repro.data.sentences import Pairs
from cmir_repro.data.tokenizers import CaptionTokens
from cmir_repro.evaluation import image_text, recall, rerank
from cmir_repro.evaluation.features import Features, align
from cmir_repro.evaluation.judged import Scores, of_features
from cmir_repro.experiments.aai_embedding import EmbeddedPairs, embed, embed_images
from cmir_repro.experiments.aai_task import PairBatches, PairTask, tokeniser
from cmir_repro.experiments.experiment import Experiment
from cmir_repro.experiments.job import Job
from cmir_repro.experiments.presets.aai import AAIRun
from cmir_repro.systems.aai import AAI


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
        self.task = PairTask(*of, config.model, device, progress, config.features)
        self.data, self.protocol = self.task.data, self.task.protocol
        self.tokens = tokeniser(config.model, self.task)

    def facts(self) -> dict:
        model = self.config.model
        return {
            "weights": _digest(model.image_weights),
            "text_weights": _digest(model.text_weights),
            "vocabulary": getattr(self.tokens, "tokens", []),
            **self.task.ready.digests(),
        }

    def sizes(self) -> dict:
        tokens = self.tokens
        sizes = {"vocabulary": len(tokens), "special_tokens": tokens.special_tokens}
        return {**sizes, **self.task.ready.shapes(), "shape": self.task.shape()}

    @classmethod
    def net(cls, config: AAIRun, sizes: dict) -> AAI:
        known = sizes["vocabulary"], tuple(sizes["shape"]), sizes["special_tokens"]
        return AAI(config.model, *known, config.train.seed, sizes.get("text_shape", ()))

    def examples(self, split: str) -> int:
        images = self.data.images["image"][self.data.images["split"] == split]
        return int(self.task.told.table["image"].isin(images).sum())

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
            f"{side} R@{k}": round(100 * recall.recall_at(ranks, k), 3)
            for side, ranks in sides.items()
            for k in protocol.cutoffs
        }
        return {**recalls, "selection": round(sum(recalls.values()) / len(recalls), 3)}

    def embed(self, system: nn.Module, split: str, texts: list[str] | None = None) -> EmbeddedPairs:
        """Vectors of a split by a net, of other sentences than its own if `texts` are given."""
        return embed(system, self.task, self.tokens, split, texts)

    def speak(self, vocabulary: list[str]) -> None:
        self.tokens = CaptionTokens(vocabulary, self.tokens.words)

    def gallery(self, system: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        ids = self.task.split("test").image_ids
        return ids, embed_images(system, self.task.pictures("test"))

    @torch.no_grad()
    def ask(self, system: nn.Module, *query: object) -> tuple[np.ndarray, str]:
        """See `Experiment`; a query is a sentence, compared by ITC: the matcher orders nothing."""
        if len(query) != 1:
            raise InputError("ask with a sentence that describes a picture")
        words, lengths = map(torch.from_numpy, self.tokens.encode([str(query[0])]))
        side = system.eval().encode_texts(words.to(self.device), lengths.to(self.device))
        return system.vector(side, "text").float().cpu().numpy(), ""

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

    def rankings(self, features: EmbeddedPairs) -> dict[str, tuple[Judged, Scores]]:
        """By ITC, both directions, each in one gallery whatever the protocol's folds."""
        pairs = self.task.split("test")
        images, sentences = pairs.image_ids, pairs.sentence_ids
        own = np.split(sentences, np.searchsorted(pairs.image_of, np.arange(1, len(images))))
        both = {
            "i2t": (images, own, sentences, features.images, features.sentences),
            "t2i": (sentences, images[pairs.image_of, None], images, features.sentences,
                    features.images),
        }  # fmt: skip
        return {
            way: (Judged(ids, right, np.full(len(ids), "all"), {"all": ranked}),
                  of_features(queries, gallery, ranked))
            for way, (ids, right, ranked, queries, gallery) in both.items()
        }  # fmt: skip


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

    Columns scoring, direction, query, image, rank and what ties for it; the query is an image or a
    sentence, `image` the image it is or belongs to.
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
            columns = {"query": query, "image": image, **found.columns()}
            tables.append(pd.DataFrame({"scoring": scoring, "direction": direction, **columns}))
    return pd.concat(tables, ignore_index=True)
