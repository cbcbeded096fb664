"""Vectors of a whole split from a model, and what its critics say of one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from cmir_repro.data.tokenizers import BertTokens, Vocabulary
from cmir_repro.experiments.dim_task import QueryBatches, Task
from cmir_repro.experiments.ready import read_by_encoder
from cmir_repro.systems.dim import Composed
from cmir_repro.training.loop import TrainConfig


@dataclass(frozen=True)
class Embedded:
    """Vectors of one split, float32, row for row as in its `Retrieval`.

    queries, texts: (Q, D) what the compositor makes, and the sentences alone; the latter are None
        where features come from files.
    gallery: (G, D).
    """

    queries: np.ndarray
    texts: np.ndarray | None
    gallery: np.ndarray


@torch.no_grad()
def embed(
    system: Composed,
    task: Task,
    tokens: Vocabulary | BertTokens,
    split: str,
    texts: list[str] | None = None,
    chunk: int = 512,
) -> Embedded:
    """Vectors of a split.

    Args:
        system: in evaluation mode afterwards.
        texts: other sentences than the split's own, one a query.
        chunk: pictures or queries at a time.
    """
    system.eval()
    part, device = task.split(split), task.device
    numbers, lengths = tokens.encode(part.texts if texts is None else texts)
    gallery = embed_gallery(system, task, split, chunk)
    pictures = task.pictures(task.source_view, split)
    queries, sentences = [], []
    # By source, so that a source with several queries is encoded once in a chunk.
    order = np.argsort(part.source, kind="stable")
    for rows in _chunks(order, chunk):
        unique, place = np.unique(part.source[rows], return_inverse=True)
        source = system.encode(pictures.take(unique))
        place = torch.from_numpy(place).to(device)
        source = source._replace(
            vector=source.vector[place],
            maps={k: x[place] for k, x in source.maps.items()}
            if system.compositor.needs_map
            else {},
        )
        text = system.text(
            read_by_encoder(tokens, torch.from_numpy(numbers[rows]).to(device)),
            torch.from_numpy(lengths[rows]).to(device),
        )
        queries.append(system.query(source, text).float().cpu())
        sentences.append(text.vector.float().cpu())
    back = np.argsort(order)
    return Embedded(
        queries=torch.cat(queries).numpy()[back],
        texts=torch.cat(sentences).numpy()[back],
        gallery=gallery,
    )


@torch.no_grad()
def embed_gallery(system: Composed, task: Task, split: str, chunk: int = 512) -> np.ndarray:
    """Vectors (G, D) float32 of a split's images; leaves `system` in evaluation mode."""
    system.eval()
    pictures = task.pictures(task.target_view, split)
    found = [
        system.encode(pictures.take(rows)).vector.float().cpu()
        for rows in _chunks(np.arange(len(pictures)), chunk)
    ]
    return torch.cat(found).numpy()


@torch.no_grad()
def bounds(
    system: Composed,
    task: Task,
    tokens: Vocabulary | BertTokens,
    config: TrainConfig,
    split: str,
) -> pd.DataFrame:
    """The mutual-information bounds of a DIM model on a split, as estimated on each batch.

    The estimates that training maximises, without dropout. They need the model's own critics, so
    a model without DIM has none.

    Returns:
        A row for each whole batch of the split's queries (of pairs drawn from it, where it has no
        queries of its own), columns "bound A" and "bound B" as there are. Of a split with fewer
        than a batch all are one. Batches that want one label alone have no bound.
    """
    system.eval()
    part = task.split(split)
    fixed = len(part.texts) > 0
    batch = min(config.batch, len(part.texts) if fixed else len(part.gallery))
    every_once = config.model_copy(update={"sampler": "shuffled", "batch": batch})
    batches = QueryBatches(task, tokens, every_once, (split,), fixed=fixed)
    generator = torch.Generator().manual_seed(config.seed)
    rows = []
    for found in map(batches, range(len(batches) // batch)):
        if len(found["target_label"].unique()) > 1:  # else nothing is a negative
            told = system(found, generator)
            rows.append({k: float(v) for k, v in told.items() if "bound" in k})
    return pd.DataFrame(rows)


def _chunks(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
