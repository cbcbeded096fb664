"""Composed retrieval, with and without DIM: an image and a sentence are the query for an image."""

from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from cmir_repro.analysis import modality_gap
from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import PRESETS, preset
from cmir_repro.core.weights import weights_digest
from cmir_repro.data import registry
from cmir_repro.data.judged import Judged
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.tokenizers import Vocabulary, tokens_of
from cmir_repro.evaluation import fashioniq_cirr, recall
from cmir_repro.evaluation.features import Features, align
from cmir_repro.evaluation.judged import Scores, of_features
from cmir_repro.experiments.dim_embedding import Embedded, embed, embed_gallery
from cmir_repro.experiments.dim_task import QueryBatches, Task, tokeniser
from cmir_repro.experiments.experiment import Experiment, Run
from cmir_repro.experiments.job import Job
from cmir_repro.experiments.presets.dim import DIMRun
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.models.image import ImageFeatures
from cmir_repro.systems.dim import Composed

UNKNOWN_WORD = "unk"
# Pairs that the modality gap of a record is measured on: its statistics compare all with all.
GAP_PAIRS, GAP_FEWEST = 2000, 256


class ComposedExperiment(Experiment):
    """A `Composed` net on the queries of a task; see `Experiment`.

    Attributes:
        tokens: the tokeniser of its text encoder.
    """

    selections: ClassVar = {
        "val": "best mean of R@1, R@5, R@10 on held-out training sources",
        "test": "best mean of R@1, R@5, R@10 on test (the original's habit)",
        "last": "last step",
    }
    files = ("queries", "gallery")
    curve = ("R@1", "recall")

    def __init__(self, config: DIMRun, device: str = "cpu", progress: bool = True) -> None:
        super().__init__(config, device, progress)
        self.data = registry.open(config.dataset, config.scale, device, progress)
        self.task = Task(self.data, config.task, device, config.model, config.features)
        self.protocol = preset(self.data.info["protocol"])
        _check_texts(config, self.data)
        self.tokens = tokeniser(config.model, self.task)

    def facts(self) -> dict:
        weights = weights_digest(self.config.model.image_weights)
        return {"weights": weights, "vocabulary": self._words(), **self.task.ready.digests()}

    def sizes(self) -> dict:
        return {"vocabulary": len(self._words()), **self.task.shapes()}

    @classmethod
    def net(cls, config: DIMRun, sizes: dict) -> Composed:
        shapes = (sizes.get(f"{what}_shape", ()) for what in ("image", "text"))
        return Composed(config.model, sizes["vocabulary"], *shapes)

    def examples(self, split: str) -> int:
        names = self._trained() if split == "train" else (split,)
        parts = [self.task.split(name) for name in names]
        if split == "train" and self.data.info.get("training_pairs"):
            return sum(len(part.gallery) for part in parts)
        return sum(len(part.texts) for part in parts)

    def _trained(self) -> tuple[str, ...]:
        """The splits that are trained on."""
        # The original has no validation split, so its way of selecting trains on all of train.
        return ("train", "val") if self.config.train.selection == "test" else ("train",)

    def batches(self) -> QueryBatches:
        config, splits = self.config, self._trained()
        return QueryBatches(self.task, self.tokens, config.train, splits, config.shuffle_text)

    def validate(self, system: nn.Module) -> dict[str, float]:
        """Recall on the split that selects; the mean of three cut-offs decides (our choice)."""
        split = self.config.train.selection
        part, found = self.task.split(split), self.embed(system, split)
        labels = part.query_labels, part.gallery_labels
        ranks = recall.ranks(
            found.queries, found.gallery, *labels, part.source, self.protocol, also=part.also
        )
        recalls = {f"R@{k}": 100 * recall.recall_at(ranks, k) for k in (1, 5, 10)}
        rounded = {name: round(value, 3) for name, value in recalls.items()}
        return {**rounded, "selection": round(sum(recalls.values()) / 3, 3)}

    def embed(self, system: nn.Module, split: str, texts: list[str] | None = None) -> Embedded:
        """Vectors of a split by a net, of other sentences than its own if `texts` are given."""
        return embed(system, self.task, self.tokens, split, texts)

    def speak(self, vocabulary: list[str]) -> None:
        self.tokens = Vocabulary(vocabulary)

    def gallery(self, system: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        return self.task.split("test").gallery_ids, embed_gallery(system, self.task, "test")

    @torch.no_grad()
    def ask(self, system: nn.Module, *query: object) -> tuple[np.ndarray, str]:
        """See `Experiment`; a query is a picture, by its id or file, and a sentence."""
        if len(query) != 2:
            raise InputError("ask with a picture, by its id or file, and what is to change in it")
        source, text = map(str, query)
        found = self.compose(system, system.encode(self.task.picture(source)), text)
        return found, source if self.protocol.drop_source else ""

    def compose(self, system: nn.Module, source: ImageFeatures, text: str) -> np.ndarray:
        """The query (1, E) float32 of an encoded picture and a sentence."""
        words, lengths = map(torch.from_numpy, self.tokens.encode([text]))
        told = system.text(words.to(self.device), lengths.to(self.device))
        return system.query(source, told).float().cpu().numpy()

    def features(self, system: nn.Module, job: Job) -> Embedded:
        return self.embed(system, "test")

    def read(self, found: dict[str, Features]) -> Embedded:
        part = self.task.split("test")
        queries, gallery = found["queries"], found["gallery"]
        return Embedded(align(queries, part.query_ids), None, align(gallery, part.gallery_ids))

    def score(self, features: Embedded, seed: int = 0) -> tuple[pd.DataFrame, dict]:
        ranks, result = score(features, self.data, "test", seed)
        ids = self.task.split("test").query_ids
        return pd.DataFrame({"query": ids, **ranks.columns()}), result | gap(features, self.task)

    def rankings(self, features: Embedded) -> dict[str, tuple[Judged, Scores]]:
        part = self.task.split("test")
        ids, labels = part.gallery_ids, part.gallery_labels
        members = pd.Series(ids).groupby(labels).agg(lambda x: x.to_numpy(str)).to_dict()
        source = ids[part.source] if self.protocol.drop_source else np.full(len(part.texts), "")
        relevant = [
            members[label][members[label] != left_out]
            for label, left_out in zip(part.query_labels.tolist(), source.tolist(), strict=True)
        ]
        every = np.full(len(relevant), "all")
        asked = Judged(part.query_ids, relevant, every, {"all": ids}, source)
        return {"": (asked, of_features(features.queries, features.gallery, ids))}

    def _words(self) -> list[str]:
        """The vocabulary; empty where the tokeniser is that of a saved net."""
        return self.tokens.tokens if isinstance(self.tokens, Vocabulary) else []


def score(embedded: Embedded, data: Prepared, split: str, seed: int = 0) -> tuple:
    """Ranks (Q,) and summary of a split's embedded queries under the data set's protocol.

    Where the data set names columns for it ("recall_also": of MIT-States noun and adjective), the
    summary holds under "also" the metrics with these as the relevant labels.
    """
    part, protocol = data.retrieval(split), preset(data.info["protocol"])

    def scored(queries, gallery, listed=None) -> tuple:
        arrays = embedded.queries, embedded.gallery, queries, gallery, part.source
        return recall.score(*arrays, protocol, seed, listed)

    ranks, result = scored(part.query_labels, part.gallery_labels, part.also)
    also = {}
    for column in data.info.get("recall_also", ()):
        labels = data.images[column].to_numpy(dtype=str)[part.gallery]
        also[column] = scored(labels[part.target], labels)[1]["metrics"]
    return ranks, result | ({"also": also} if also else {})


def gap(embedded: Embedded, task: Task) -> dict:
    """The modality gap of the test queries, under the key "gap"; nothing of fewer than GAP_FEWEST.

    Of "text - target", the sentences and the images they are to lead to, and of "query - target",
    what the compositor makes and these images: `modality_gap.statistics`, on at most GAP_PAIRS
    queries at even distances. Pairs of one sentence stay on one side of the probe.
    """
    test = task.split("test")
    rows = np.unique(np.linspace(0, len(test.texts) - 1, GAP_PAIRS).astype(int))
    if len(rows) < GAP_FEWEST:
        return {}
    groups, batch = pd.factorize(np.array(test.texts)[rows])[0], min(128, len(rows))
    target = embedded.gallery[test.target[rows]]
    sets = {"text - target": embedded.texts, "query - target": embedded.queries}
    return {
        "gap": {
            name: modality_gap.statistics(found[rows], target, groups=groups, batch=batch)
            for name, found in sets.items()
            if found is not None
        }
    }


def official_scores(run: Run, seed: int = 0) -> dict[str, dict]:
    """A run on FashionIQ or CIRR by every rule that papers report, on the released validation data.

    A run ranks all images of the split in one gallery. FashionIQ's papers rank by category, with
    texts made of the two captions in several ways; CIRR adds recall among a query's own six. A
    caption without a word (FashionIQ has 15) is asked as one unknown word: our choice, the
    codebases ask the empty sentence.

    Args:
        run: of a data set that `cmir prepare fashioniq` or `cirr` made to train on.
        seed: of the bootstrap.

    Returns:
        Name of the protocol -> result of `fashioniq_cirr.score`; its `table` shows it.

    Raises:
        InputError: the data set has no captions, or is not split for training.
    """
    data = run.task.data
    triplets = fashioniq_cirr.of_prepared(data, "test")
    found = run.task.split("test")
    place = {label: row for row, label in enumerate(found.gallery_labels.tolist())}
    images = run.features.gallery[[place[label] for label in triplets.images.tolist()]]
    asked = {}

    def queries(name: str):
        if name not in asked:
            said = fashioniq_cirr.texts(triplets, name)
            texts = [text if tokens_of(text) else UNKNOWN_WORD for text in said]
            asked[name] = run.experiment.embed(run.system, "test", texts).queries
        return asked[name]

    family = data.info["protocol"].partition("/")[0] + "/"
    official = [p for p in PRESETS.values() if p.captions and p.name.startswith(family)]
    return {p.name: fashioniq_cirr.score(triplets, images, queries, p, seed) for p in official}


def _check_texts(config: DIMRun, data: Prepared) -> None:
    one = COMPOSITORS[config.model.compositor].one_attribute
    if one and data.info.get("text") != "one attribute":
        raise InputError(
            f"compositor {config.model.compositor!r} takes texts that are one attribute; those of "
            f"{config.dataset} are sentences"
        )
