"""Anyone's features, scores or ranked lists of a benchmark, scored from its annotations.

    cmir score-judged SOURCE --annotations DIR --protocol circo/official

SOURCE is a folder with images.npz and queries.npz as `features` describes them; or an `.npz` with
queries (Q,) str, images (N,) str and scores or distances (Q, N); or ranked lists in a format of
`ranked_lists`. For own/judged the annotations are TREC's judgements instead.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from cmir_repro.core.errors import InputError, naming
from cmir_repro.core.protocol import Protocol
from cmir_repro.core.scorers import check_scorer
from cmir_repro.data.judged import Judged
from cmir_repro.data.readers import benchmarks
from cmir_repro.evaluation import judged as scoring
from cmir_repro.evaluation import ranked_lists
from cmir_repro.evaluation.features import align, load_features, read_arrays
from cmir_repro.evaluation.judged import Scores
from cmir_repro.evaluation.ranked_lists import RankedList

OWN = "own/judged"


class Source(NamedTuple):
    """What was given: a score for every item, or lists; and which of these it was, in words."""

    kind: str
    scores: Scores | None = None
    lists: dict[str, RankedList] | None = None
    tolerance: float | None = None  # of ties; None: the protocol's


def score_files(
    source: Path,
    annotations: Path,
    protocol: Protocol,
    split: str | None = None,
    seed: int = 0,
    lists: Path | None = None,
    depth: int = 100,
) -> dict:
    """Score a source under a benchmark's rule.

    Args:
        annotations: folder of the release, or for own/judged a file of judgements.
        split: of the release; None: its usual one.
        lists: where to write ranked lists of `depth` items; TREC's judgements go beside them.

    Returns:
        As `judged.summary`, and "given": what the source was.

    Raises:
        InputError: the protocol is of other data; annotations or source are missing or do not fit;
            lists have no such name.
    """
    check_scorer(protocol, "judged")
    if lists is not None:
        ranked_lists.check_name(Path(lists))  # before the work, not after it
    source = Path(source)
    if protocol.name.partition("[")[0] == OWN:
        judged = _own(source, Path(annotations))
    else:
        judged = asked(protocol.name, annotations, split)
    given = read_source(source, judged)
    with naming(source):
        if given.lists is None:
            found = scoring.of_scores(judged, given.scores, protocol, given.tolerance)
        else:
            found = scoring.of_lists(judged, given.lists, protocol)
    with naming(annotations):
        result = scoring.summary(judged, found, protocol, seed)
    if lists is not None:
        write_lists(lists, judged, given, protocol, depth)
    return {**result, "given": given.kind}


def asked(protocol: str, annotations: Path, split: str | None = None) -> Judged:
    """What a benchmark asks, from its release; errors name the release.

    Raises:
        InputError: no benchmark has this protocol, or the annotations are missing or impossible.
    """
    read = benchmarks.of_protocol(protocol)
    with naming(annotations):
        return read(Path(annotations), *([split] if split else []))


def write_lists(
    path: Path, judged: Judged, given: Source, protocol: Protocol, depth: int
) -> dict[str, RankedList]:
    """Write the first `depth` items of each query, and what is right as PATH.qrels."""
    if depth < 1:
        raise InputError(f"depth must be at least 1, got {depth}")
    found = given.lists or scoring.top(judged, given.scores, protocol, depth, given.tolerance)
    ranked_lists.write(path, found)
    answers = dict(zip(judged.ids.tolist(), judged.relevant, strict=True))
    ranked_lists.write_judgements(Path(f"{path}.qrels"), answers)
    return found


def read_source(source: Path, judged: Judged) -> Source:
    """The features, scores, distances or lists at a path, for a benchmark's queries.

    Raises:
        InputError: it is missing, of another format, or lacks a query or an image.
    """
    source = Path(source)
    if not source.exists():
        raise InputError(
            f"{source} does not exist; give a folder with images.npz and queries.npz, an .npz of "
            "scores or distances, or ranked lists"
        )
    if source.is_dir():
        images = align(load_features(source / "images.npz"), judged.images)
        queries = load_features(source / "queries.npz")
        queries = align(queries, judged.ids)
        with naming(source):
            found = scoring.of_features(queries, images, judged.images, judged.ids)
        return Source("features", found)
    if source.suffix == ".npz":
        return _matrix(source, judged)
    return Source("ranked lists", lists=ranked_lists.read(source))


def _matrix(path: Path, judged: Judged) -> Source:
    arrays = read_arrays(path, ("queries", "images", "scores", "distances"), ("queries", "images"))
    kinds = [kind for kind in ("scores", "distances") if kind in arrays]
    if len(kinds) != 1:
        raise InputError(f"{path} must have one of the keys scores and distances, (Q, N)")
    matrix, names = arrays[kinds[0]], (arrays["queries"], arrays["images"])
    for key, found in zip(("queries", "images"), names, strict=True):
        if found.ndim != 1 or found.dtype.kind != "U" or len(set(found.tolist())) < len(found):
            raise InputError(f"{path}: {key} must be text, (N,), each once")
    if matrix.shape != tuple(map(len, names)) or matrix.dtype.kind not in "fiu":
        wanted, got = ("x".join(map(str, shape)) for shape in (map(len, names), matrix.shape))
        raise InputError(
            f"{path}: {kinds[0]} must be {wanted} numbers, a row a query; got {got} {matrix.dtype}"
        )
    rows, columns = (
        _places(path, key, found, needed)
        for key, found, needed in zip(("queries", "images"), names,
                                      (judged.ids, judged.images), strict=True)
    )  # fmt: skip
    signed = matrix if kinds[0] == "scores" else -matrix.astype(np.float64)
    matrix = signed[np.ix_(rows, columns)]
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise InputError(
            f"{path}: {kinds[0]} of {len(bad)} of {len(matrix)} queries are NaN or infinite, first "
            f"{str(judged.ids[bad[0]])!r}; compute them again"
        )
    return Source(kinds[0], scoring.of_matrix(matrix, judged.images), tolerance=0.0)


def _places(path: Path, key: str, found: np.ndarray, needed: np.ndarray) -> list[int]:
    place = {name: i for i, name in enumerate(found.tolist())}
    lost = [name for name in needed.tolist() if name not in place]
    if lost:
        raise InputError(
            f"{path}: {key} lack {len(lost)} of {len(needed)} that are needed, first {lost[0]!r}"
        )
    return [place[name] for name in needed.tolist()]


def _own(source: Path, judgements: Path) -> Judged:
    """What TREC's judgements ask; each query's gallery is what the source ranks for it."""
    if judgements.is_dir():
        raise InputError(
            f"{judgements} is a folder; the annotations of {OWN} are a file of TREC's judgements"
        )
    answers = ranked_lists.read_judgements(judgements)
    ids = np.array(list(answers))
    relevant = list(answers.values())
    if source.is_dir():
        images = load_features(source / "images.npz").ids
    elif source.suffix == ".npz":
        images = read_arrays(source, ("images",), ("images",))["images"]
    else:
        found = ranked_lists.read(source)
        nothing = RankedList(np.array([], str))
        both = {
            name: np.array(list(dict.fromkeys([*found.get(name, nothing).items.tolist(),
                                               *answers[name].tolist()])))
            for name in answers
        }  # fmt: skip
        return Judged(ids, relevant, ids, both, open_ended=True)
    return Judged(ids, relevant, np.full(len(ids), "all"), {"all": images})
