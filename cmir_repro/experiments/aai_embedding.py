"""Vectors of a whole split of images and sentences, and what the fusion encoder says of pairs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cmir_repro.data.store import PictureStore
from cmir_repro.experiments.aai_task import PairTask
from cmir_repro.experiments.ready import read_by_encoder
from cmir_repro.models.token_set import TokenSet
from cmir_repro.systems.aai import AAI
from cmir_repro.systems.aai_sides import Side


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
    matches = hasattr(system, "fusion")
    images = Sets()
    image_vectors = embed_images(system, store, images.add if matches else None, chunk)
    # From short to long, so that a chunk has little padding.
    order = lengths.argsort(stable=True)
    sentences, text_vectors = Sets(), []
    for rows in order.split(chunk):
        own = lengths[rows]
        cut = numbers[rows, : int(own.max())].to(task.device)
        side = system.encode_texts(read_by_encoder(tokens, cut), own.to(task.device))
        text_vectors.append(system.vector(side, "text").float().cpu())
        if matches:
            sentences.add(side.tokens)
    vectors = image_vectors, torch.cat(text_vectors)[order.argsort()].numpy()
    if not matches:
        return EmbeddedPairs(*vectors, None)
    images.finish(torch.arange(len(store)))
    sentences.finish(order)
    return EmbeddedPairs(*vectors, Matcher(system, images, sentences))


@torch.no_grad()
def embed_images(
    system: AAI, store: PictureStore, keep: Callable[[TokenSet], None] | None = None, chunk=256
) -> np.ndarray:
    """Vectors (G, E) float32 of pictures; `keep` is given their tokens, chunk by chunk."""
    system.eval()
    vectors = []
    for start in range(0, len(store), chunk):
        side = system.encode_images(store.take(np.arange(start, min(start + chunk, len(store)))))
        vectors.append(system.vector(side, "image").float().cpu())
        if keep:
            keep(side.tokens)
    return torch.cat(vectors).numpy()


class Sets:
    """Sets of tokens without their padding, which would be more than half of all of them."""

    def __init__(self) -> None:
        self._parts: list[Tensor] = []
        self._lengths: list[Tensor] = []

    def add(self, part: TokenSet) -> None:
        """Some more sets."""
        self._parts.append(part.tokens[part.real])
        self._lengths.append(part.lengths)

    def finish(self, numbers: Tensor) -> None:
        """Say which number each set has, (B,) int64, in the order in which they were added."""
        lengths = torch.cat(self._lengths)
        self.tokens = torch.cat(self._parts)  # (T, D)
        self._parts.clear()
        numbers = numbers.to(lengths.device)
        self.lengths, self.starts = torch.empty_like(lengths), torch.empty_like(lengths)
        self.lengths[numbers] = lengths
        self.starts[numbers] = lengths.cumsum(0) - lengths

    def take(self, rows: Tensor) -> Side:
        """The sets of these numbers (P,), padded to the longest of them; without `local`."""
        lengths = self.lengths[rows]
        place = torch.arange(int(lengths.max()), device=rows.device)
        place = (self.starts[rows, None] + place).clamp(max=len(self.tokens) - 1)  # (P, N)
        found = self.tokens.index_select(0, place.flatten()).unflatten(0, place.shape)
        return Side(TokenSet.padded(found, lengths), found[:0])


class Matcher:
    """Scores pairs by the fusion encoder; remembers them, since two rankings ask for the same.

    The score is the logarithm of the odds that they belong together, the only thing the matching
    loss teaches. ALBEF ranks by the logit of "together" alone, which is that plus whatever both
    logits share (our choice: after 400 steps at mini it cost 5 points of RSUM on validation).
    """

    CHUNK = 256  # pairs at a time

    def __init__(self, system: AAI, images: Sets, sentences: Sets) -> None:
        self.system, self.images, self.sentences = system, images, sentences
        self.known: dict[bytes, np.ndarray] = {}

    @torch.no_grad()
    def __call__(self, image: np.ndarray, sentence: np.ndarray) -> np.ndarray:
        key = image.tobytes() + sentence.tobytes()
        if key not in self.known:
            device = self.sentences.lengths.device
            images, sentences = (torch.from_numpy(x).to(device) for x in (image, sentence))
            scores = torch.empty(len(images), device=device)
            # From short to long sentences, see `embed`.
            for at in self.sentences.lengths[sentences].argsort(stable=True).split(self.CHUNK):
                sides = self.sentences.take(sentences[at]), self.images.take(images[at])
                logits = self.system.match(*sides).float()
                scores[at] = logits[:, 1] - logits[:, 0]
            self.known[key] = scores.cpu().numpy()
        return self.known[key]
