"""Features in the plane, for pictures of the modality gap: PCA and UMAP, with coordinates as data.

Sets of features come as a dict of name -> (N_i, D); they are projected together, rows scaled to
length one first. Coordinates are a table, a row per point:

    method   "PCA" or "UMAP"
    seed     of UMAP, missing for PCA
    set      name of the set
    row      row of the point in its set
    x, y     coordinates; PCA in units of the scaled features, UMAP's have no meaning

PCA gives the same picture everywhere. UMAP gives the same one for a seed on one machine only, and
distances between far clusters say little: so coordinates are saved, figures are drawn from the
file, and several seeds stand side by side.
"""

import platform
import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ConfigDict, JsonValue
from typing_extensions import TypedDict

from cmir_repro.analysis.modality_gap import unit
from cmir_repro.core import config, files
from cmir_repro.core.errors import InputError, one_line

COMPONENTS = 50  # that UMAP sees of features of more dimensions
MANY, EPOCHS = 10_000, (500, 200)  # of UMAP, up to so many points and beyond, as in umap-learn
COLUMNS = ("method", "seed", "set", "row", "x", "y")
# What decides the coordinates, besides the features and the parameters.
PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "pynndescent", "umap-learn")


def pca(sets: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """First two principal components of the union of all sets.

    The sign of a component is free; here its largest loading is positive (the first of them, where
    several tie), so that every machine draws the same picture, unless two components hold the same
    variance and their axes are free to turn.

    Args:
        sets: name -> (N_i, D) features.

    Returns:
        Coordinates, method "PCA".

    Raises:
        InputError: see `modality_gap.unit`; no set, sets that differ in D, or D < 2.
    """
    scores, _ = _principal(_union(sets), 2)
    return _coordinates(scores, sets, "PCA", None)


def explained_variance(sets: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Share of the union's variance on each of the two axes of `pca`, 0 to 1.

    A picture that holds a tenth of the variance hides nine tenths: say so beside it.
    """
    share = _principal(_union(sets), 2)[1]
    return float(share[0]), float(share[1])


def umap(
    sets: Mapping[str, np.ndarray],
    seeds: Sequence[int] = (0,),
    n_neighbors: int = 15,
    min_dist: float = 0.1,
) -> pd.DataFrame:
    """UMAP (McInnes et al. 2018) of the union of all sets; the defaults are those of umap-learn.

    More than `COMPONENTS` dimensions are first reduced to as many principal components, and the
    graph of nearest neighbours, exact, is made once for all seeds: our choice, as is common for
    t-SNE and UMAP. umap-learn weighs the graph and starts from its spectrum; `layout` places the
    points, in as many epochs as umap-learn would. One thread, so a machine repeats itself.

    Args:
        sets: name -> (N_i, D) features.
        seeds: of UMAP's own generator, a map each.
        n_neighbors: size of the neighbourhoods that are kept.
        min_dist: how tightly points may be packed.

    Returns:
        Coordinates, method "UMAP", one seed after the other.

    Raises:
        InputError: as in `pca`; umap-learn is not installed; not more rows than n_neighbors.
    """
    x = _union(sets)
    if not 2 <= n_neighbors < len(x):
        raise InputError(f"n_neighbors {n_neighbors} must lie between 2 and {len(x) - 1}")
    try:
        from umap import UMAP  # slow to import, and only this function needs it
        from umap.umap_ import find_ab_params
    except ImportError as error:
        raise InputError(
            "umap-learn is not installed: pip install umap-learn, or draw the PCA alone"
        ) from error
    from cmir_repro.analysis.layout import layout  # compiled

    if x.shape[1] > COMPONENTS:
        x = _principal(x, COMPONENTS)[0]
    near = (*_neighbours(x, n_neighbors), None)  # None: no later point will be placed
    similarity = find_ab_params(1.0, min_dist)
    maps = []
    for seed in seeds:
        model = UMAP(
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            random_state=seed,
            n_jobs=1,
            n_epochs=0,  # the start alone
            precomputed_knn=near,
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "precomputed_knn")
            start = model.fit_transform(x)
        epochs = EPOCHS[len(x) > MANY]
        places = layout(model.graph_, start, *similarity, epochs, np.random.default_rng(seed))
        maps.append(_coordinates(places, sets, "UMAP", seed))
    return pd.concat(maps, ignore_index=True)


def _neighbours(x: np.ndarray, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the nearest neighbours, (N, n_neighbors), and distances; a point is its own first."""
    from sklearn.neighbors import NearestNeighbors  # half a second

    found = NearestNeighbors(n_neighbors=n_neighbors - 1, algorithm="brute").fit(x)
    distances, rows = found.kneighbors()  # which leaves a point itself out
    own = np.arange(len(x))[:, None]
    return np.hstack([own, rows]), np.hstack([np.zeros(own.shape), distances]).astype(np.float32)


def project(
    sets: Mapping[str, np.ndarray],
    seeds: Sequence[int] = (0, 1, 2),
    n_neighbors: int = 15,
    min_dist: float = 0.1,
) -> pd.DataFrame:
    """`pca`, and `umap` for all seeds, in one table; arguments and errors as there."""
    maps = [umap(sets, seeds, n_neighbors, min_dist)] if seeds else []
    return pd.concat([pca(sets), *maps], ignore_index=True)


class Note(TypedDict):
    """The JSON beside coordinates."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    parameters: dict[str, JsonValue]
    versions: dict[str, str]
    machine: str
    rows: int
    sha256: str


def save_coordinates(path: Path, coordinates: pd.DataFrame, parameters: Mapping) -> None:
    """Write coordinates as CSV, and what they were made with as JSON beside it.

    Coordinates are rounded to four decimals, finer than any figure shows. Columns beyond
    `COLUMNS`, such as "model", are kept.

    Args:
        path: ends in .csv; the JSON has the same name.
        coordinates: a table as above, or several of them concatenated.
        parameters: goes into the JSON: n_neighbors, min_dist, the checkpoint, ...

    Raises:
        InputError: the path does not end in .csv, a column is missing, a coordinate is not finite,
            or the folder cannot be written.
    """
    path = _csv(path)
    missing = set(COLUMNS) - set(coordinates.columns)
    if missing:
        raise InputError(f"coordinates lack the columns {', '.join(sorted(missing))}")
    if not np.isfinite(coordinates[["x", "y"]].to_numpy(float)).all():
        raise InputError("coordinates hold NaN or infinity")
    with files.atomic(path) as temporary:
        coordinates.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
    note = {
        "parameters": dict(parameters),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": f"{platform.system()} {platform.machine()}",
        "rows": len(coordinates),
        "sha256": files.sha256(path),
    }
    files.write_json(path.with_suffix(".json"), note)


def load_coordinates(path: Path) -> tuple[pd.DataFrame, dict]:
    """Read what `save_coordinates` wrote.

    Returns:
        The coordinates, and the JSON beside them: parameters, versions, machine, rows, sha256.

    Raises:
        InputError: a file is missing, or the two do not belong together.
    """
    path = _csv(path)
    note = config.read(path.with_suffix(".json"), Note)
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    if files.sha256(path) != note["sha256"]:
        raise InputError(f"{path} is not the file its JSON describes; project the features again")
    # Names of sets may look like numbers or like "NA": text is taken as it stands.
    types = {"method": "str", "seed": "Int64", "set": "str", "row": "int64"}
    types |= {"x": "float64", "y": "float64"}
    try:
        frame = pd.read_csv(path, dtype=types, keep_default_na=False, na_values={"seed": [""]})
    except Exception as error:  # pandas raises many kinds for a damaged file
        reason = one_line(error, 100)
        raise InputError(f"{path} holds no coordinates ({reason}); project them again") from error
    if missing := [column for column in COLUMNS if column not in frame]:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; project them again")
    if len(frame) != note["rows"] or not np.isfinite(frame[["x", "y"]].to_numpy()).all():
        raise InputError(f"{path} lacks rows or holds no finite numbers; project them again")
    return frame, note


def _union(sets) -> np.ndarray:
    if not sets:
        raise InputError("no sets were given, so there is nothing to project")
    features = [unit(x, name) for name, x in sets.items()]
    dimensions = {name: x.shape[1] for name, x in zip(sets, features, strict=True)}
    if len(set(dimensions.values())) > 1:
        raise InputError(f"sets must share one joint space, got dimensions {dimensions}")
    if features[0].shape[1] < 2:
        raise InputError("a picture in the plane needs at least 2 dimensions, got 1")
    return np.concatenate(features)


def _principal(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first components of (N, D), (N, count), and their shares of the variance, (count,)."""
    x = x - x.mean(axis=0)
    variance, vectors = np.linalg.eigh(x.T @ x)  # ascending; (D, D) is cheaper than an SVD of x
    loadings = vectors.T[: -count - 1 : -1]  # (count, D)
    size = np.abs(loadings)
    # With a tolerance, or rounding would choose among loadings of the same size.
    largest = np.argmax(size > size.max(axis=1, keepdims=True) * (1 - 1e-6), axis=1)
    loadings = loadings * np.sign(loadings[np.arange(count), largest])[:, None]
    return x @ loadings.T, variance[: -count - 1 : -1] / (variance.sum() or 1.0)


def _coordinates(points, sets, method, seed) -> pd.DataFrame:
    sizes = [len(x) for x in sets.values()]
    return pd.DataFrame(
        {
            "method": method,
            "seed": pd.array([pd.NA if seed is None else seed] * sum(sizes), dtype="Int64"),
            "set": np.repeat([str(name) for name in sets], sizes),
            "row": np.concatenate([np.arange(n) for n in sizes]),
            "x": points[:, 0].astype(np.float64),
            "y": points[:, 1].astype(np.float64),
        }
    )


def _csv(path) -> Path:
    path = Path(path)
    if path.suffix != ".csv":
        raise InputError(f"coordinates are stored as .csv, got {path.name}")
    return path


def _versions() -> dict[str, str | None]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found
