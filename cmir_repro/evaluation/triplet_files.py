"""Anyone's features of FashionIQ or CIRR, scored by one rule from the released annotations.

    cmir score-triplets FEATURES --annotations cirr --protocol cirr/official

FEATURES is a folder with images.npz and, for each text that the protocol needs (`CAPTIONS`), a
file of queries: queries-1.npz, queries-1_and_2.npz, ... as `features` describes them. Ids are the
releases' own: of pictures their names; of CIRR's queries the pairid ("12"); of FashionIQ's, which
have none, category and place in the file of captions, counted from 0 ("dress/12").
"""

from pathlib import Path

import numpy as np

from cmir_repro.core.errors import InputError, naming, one_of
from cmir_repro.core.protocol import CAPTIONS, Protocol
from cmir_repro.core.scorers import check_scorer
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import fashioniq_cirr as releases
from cmir_repro.data.readers.release_digests import OTHER, differing
from cmir_repro.evaluation import fashioniq_cirr, recall
from cmir_repro.evaluation.fashioniq_cirr import QueryFeatures, Triplets
from cmir_repro.evaluation.features import Features, align, load_features

RELEASES = {"fashioniq": releases.fashioniq, "cirr": releases.cirr}
TITLES = {"fashioniq": "FashionIQ", "cirr": "CIRR"}  # of DIGESTS


def from_files(triplets: Triplets, folder: Path) -> tuple[np.ndarray, QueryFeatures]:
    """The features in a folder; a file of queries is read when a protocol needs it.

    Returns:
        `images` and `queries` of `fashioniq_cirr.score`.
    """
    folder = Path(folder)

    def queries(name: str) -> np.ndarray:
        found = load_features(_queries(folder, name))
        return align(found, _spelt_as(found, triplets.ids))

    return align(load_features(folder / "images.npz"), triplets.images), queries


def _queries(folder: Path, text: str) -> Path:
    return folder / f"queries-{text.replace(' ', '_')}.npz"


def _spelt_as(found: Features, ids: np.ndarray) -> np.ndarray:
    """(T,) ids such as "val/dress/00012", or "dress/12" where the file spells them so."""
    short = np.array([releases.released_id(name) for name in ids.tolist()])
    return short if set(found.ids.tolist()) & set(short.tolist()) else ids


def score_files(
    folder: Path, annotations: Path, protocol: Protocol, split: str = "val", seed: int = 0
) -> dict:
    """Score a folder of features under one rule.

    Args:
        annotations: folder of the release, with captions/ and image_splits/, or of the data set
            that was prepared from it.
        split: of the release; the test splits have no targets.

    Returns:
        As `fashioniq_cirr.score`; the protocol's name says which annotations are not as published.

    Raises:
        InputError: the protocol is of other data; annotations or features are missing or do not
            fit.
    """
    check_scorer(protocol, "fashioniq_cirr")
    name = protocol.name.partition("/")[0]
    one_of("release", name, RELEASES)
    triplets, others = _triplets(Path(annotations), name, split)
    if others:
        protocol = protocol.changed(gallery=f"{protocol.gallery}, {OTHER}: {', '.join(others)}")
    needed = {text for texts in CAPTIONS[protocol.captions] for text in texts}
    for text in sorted(needed):
        path = _queries(Path(folder), text)
        if not path.is_file():
            raise InputError(
                f"{path} does not exist; {protocol.name} needs queries with the text {text!r}"
            )
    with naming(folder):
        return fashioniq_cirr.score(triplets, *from_files(triplets, folder), protocol, seed)


def _triplets(folder: Path, name: str, split: str) -> tuple[Triplets, list[str]]:
    """The triplets of a split of a release, and which files are not as published."""
    if not (folder / "dataset.json").exists():
        found = RELEASES[name](folder)
        others = differing(TITLES[name], found.files)
        return fashioniq_cirr.of_tables(found.images, found.queries, split), others
    data = Prepared(folder)
    if data.info["protocol"].partition("/")[0] != name:
        raise InputError(f"{folder} is {data.info['name']}, prepared for {data.info['protocol']}")
    if split != "val":
        raise InputError(f"{folder} has the split val; of {split} name the release's folder")
    others = differing(TITLES[name], data.info["provenance"]["files"])
    return fashioniq_cirr.of_prepared(data), others


def table(result: dict) -> str:
    """A result of `score_files` as aligned text: all, then each category."""
    p = result["protocol"]
    lines = [
        f"{p['name']}: {p['gallery']}, source image {'left out' if p['drop_source'] else 'kept'}, "
        f"relevant: {p['relevance']}, captions: {p['captions']}, ties: {p['ties']}",
        f"{result['queries']} queries, {result['gallery']} images; {p['aggregate']}",
    ]
    parts = {"": result}
    if len(result["categories"]) > 1:
        parts |= result["categories"]
    for name, part in parts.items():
        head = f"{name}: {part['queries']} queries, {part['gallery']} images" if name else ""
        lines += ["", *recall.metric_lines(part["metrics"], 32, head)]
    return "\n".join(lines)
