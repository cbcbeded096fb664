"""Golden traces of what is no run: the generated data, the poolers, every way to score."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from golden_configs import SEED

from cmir_repro.core.protocol import TIES, preset
from cmir_repro.data import sentences
from cmir_repro.data.augment import DRAWS, random_view
from cmir_repro.data.css import dataset as css
from cmir_repro.data.labelled import labelled
from cmir_repro.data.sampling import SAMPLERS
from cmir_repro.data.tokenizers import Vocabulary
from cmir_repro.evaluation import image_text, rerank
from cmir_repro.evaluation import labels as label_retrieval
from cmir_repro.evaluation import recall as evaluate
from cmir_repro.models.pooling import POOLERS, drop_vectors, drop_words


def world() -> dict:
    """The generated data, its pictures, sentences and tags, and what is drawn from them."""
    data = css.prepare("mini", progress=False)
    pixels = {view: data.take(view, np.arange(len(data.images))) for view in ("2d", "3d")}
    table = sentences.sentences(data, "3d")
    tags = labelled(data, "3d-colour-shape")
    texts = data.queries["text"].tolist()
    words = Vocabulary.of(texts)
    numbers, lengths = words.encode(texts)
    source = np.arange(40) // 3
    draws = torch.rand(4, DRAWS, generator=torch.Generator().manual_seed(SEED))
    pictures = torch.from_numpy(pixels["3d"][:4])
    return {
        "tables": data.info["tables_sha256"],
        "texts": texts[::20],
        "sentences": [str(row) for row in table.iloc[::40].to_dict("records")],
        "pixels": {
            view: x.astype(np.float64).mean((1, 2))[::10].tolist() for view, x in pixels.items()
        },
        "numbers": [numbers[::20].tolist(), lengths[::20].tolist()],
        "tags": [int(x.sum()) for x in (tags.text, tags.labels, tags.train, tags.query)],
        "batches": {
            name: [sampler(source, 8, SEED, step).tolist() for step in (0, 7)]
            for name, sampler in SAMPLERS.items()
        },
        "views": random_view(pictures, draws, "scenes").double().mean((1, 2, 3)).tolist(),
    }


def pooling() -> dict:
    """Every pooler on sets of several sizes, with its gradient; and what makes sets smaller."""
    generator = torch.Generator().manual_seed(SEED)
    tokens = torch.randn(5, 6, 4, generator=generator)
    lengths = torch.tensor([6, 1, 3, 5, 2])
    out = {}
    for name, pooler in POOLERS.items():
        torch.manual_seed(SEED)
        given = tokens.clone().requires_grad_()
        vector, weights = pooler()(given, lengths)
        vector.square().sum().backward()
        out[name] = [vector.tolist(), _listed(weights), given.grad.norm().item()]
    for kind in ("regions", "grids"):
        kept = drop_vectors(tokens, lengths, generator, 0.5, kind)
        out[kind] = [kept.lengths.tolist(), kept.tokens.sum((1, 2)).tolist()]
    numbers = torch.randint(4, 20, (5, 6), generator=generator)
    marks = {"special": [0, 1], "mask": 2, "vocabulary": 20}
    out["words"] = [x.tolist() for x in drop_words(numbers, lengths, generator, **marks, p=0.5)]
    return out


def scored(ranked: bool) -> dict:
    """Every way to score, on features of few values, so that much ties; all rules for ties.

    Args:
        ranked: whether by the first relevant item (ranks, recall), or by all (average precision).
    """
    rng = np.random.default_rng(SEED)

    def features(count: int, width: int = 3) -> np.ndarray:
        drawn = rng.integers(-1, 2, (count, width)).astype(np.float32)
        return np.concatenate([drawn, np.ones((count, 1), np.float32)], 1)

    queries, gallery = features(30), features(40)
    labels = rng.integers(8, size=30), np.arange(40) % 8
    source = rng.integers(40, size=30)
    image_of = np.arange(90) % 30
    categories = rng.random((30, 4)) < 0.4, rng.random((40, 4)) < 0.4
    codes = rng.random((30, 5)) < 0.5, rng.random((40, 5)) < 0.5
    said = features(90)

    def match(image: np.ndarray, sentence: np.ndarray) -> np.ndarray:
        return ((7 * image + 3 * sentence) % 5).astype(np.float32)

    out = {}
    for ties in TIES:
        rules = preset("tirg/css").changed(ties=ties)
        if ranked:
            ranks, result = evaluate.score(queries, gallery, *labels, source, rules, SEED)
            out[f"composed {ties}"] = [ranks.expected.tolist(), result["metrics"]]
        rules = preset("own/image-sentence").changed(ties=ties)
        for mode in rerank.MODES if ranked else ():
            both = rerank.rerank(queries, said, image_of, match, rules, 6, mode)
            figures = image_text.summary(both, rules, SEED)["metrics"]
            out[f"sentences {mode} {ties}"] = [
                some(both.image_to_sentence.expected),
                some(both.sentence_to_image.expected),
                figures,
            ]
        by_categories = (("map-all", (queries, gallery)), ("map-all/hamming", codes))
        for name, sides in () if ranked else by_categories:
            rules = preset(name).changed(ties=ties)
            found, result = label_retrieval.score(*sides, *categories, rules, SEED)
            precision = result["curves"]["precision"][::10]
            out[f"{name} {ties}"] = [
                {depth: some(np.nan_to_num(x)) for depth, x in found.items()},
                result["metrics"],
                precision,
            ]
    return out


def _listed(x: torch.Tensor | None) -> list | None:
    return None if x is None else x.tolist()


def some(values: np.ndarray, count: int = 20) -> list[float]:
    """`count` of the values, from the first to the last."""
    return np.asarray(values)[np.linspace(0, len(values) - 1, count).astype(int)].tolist()


PLAIN: dict[str, Callable[[], dict]] = {
    "world": world,
    "pooling": pooling,
    "recall": partial(scored, ranked=True),
    "scoring": partial(scored, ranked=False),
}
