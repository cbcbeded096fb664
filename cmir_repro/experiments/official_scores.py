"""A model that was trained here on FashionIQ or CIRR, scored by the rules that papers report.

`composed.run` ranks all images of the split in one gallery. FashionIQ's papers rank by category,
with texts made of the two captions in several ways; CIRR adds recall among a query's own six.
"""

from cmir_repro.core.protocol import PRESETS
from cmir_repro.data.tokenizers import tokens_of
from cmir_repro.evaluation import fashioniq_cirr
from cmir_repro.experiments.dim import Run
from cmir_repro.experiments.embedding import embed

SPLIT = "test"  # of the prepared data: the released validation split
UNKNOWN_WORD = "unk"


def official_scores(run: Run, seed: int = 0) -> dict[str, dict]:
    """Every official protocol of the run's data set on the released validation split.

    A caption without a word (FashionIQ has 15) is asked as one unknown word: our choice, the
    codebases ask the empty sentence.

    Args:
        run: of a data set that `cmir prepare fashioniq` or `cirr` made with --images.
        seed: of the bootstrap.

    Returns:
        Name of the protocol -> result of `captioned.score`; `captioned.table` shows it.

    Raises:
        InputError: the data set has no captions, or is not split for training.
    """
    data = run.task.data
    triplets = fashioniq_cirr.of_prepared(data, SPLIT)
    found = run.task.split(SPLIT)
    place = {label: row for row, label in enumerate(found.gallery_labels.tolist())}
    images = run.embedded.gallery[[place[label] for label in triplets.images.tolist()]]
    asked = {}

    def queries(name: str):
        if name not in asked:
            said = fashioniq_cirr.texts(triplets, name)
            texts = [text if tokens_of(text) else UNKNOWN_WORD for text in said]
            asked[name] = embed(run.system, run.task, run.tokens, SPLIT, texts).queries
        return asked[name]

    family = data.info["protocol"].partition("/")[0] + "/"
    official = [p for p in PRESETS.values() if p.captions and p.name.startswith(family)]
    return {p.name: fashioniq_cirr.score(triplets, images, queries, p, seed) for p in official}
