"""Features of pictures or sentences by a saved model, written as shards that any system reads.

    OUT/features.json                            what they are of, and by which model
    OUT/features-00000-of-00004.safetensors      see `data.feature_store`

A shard appears whole or not at all, and those that are there are not made again.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import atomic, read_json, sha256, write_json
from cmir_repro.core.progress import bar
from cmir_repro.data import registry, sentences, training_pairs
from cmir_repro.data.prepare.pictures import load_picture
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.files import ENDINGS, lines, read_csv, without_ending
from cmir_repro.data.words import has_word
from cmir_repro.experiments import shared
from cmir_repro.experiments.own_towers import OwnTowers
from cmir_repro.models.pretrained import Pretrained

TOLD = "features.json"
PRECISIONS = ("float16", "float32")


def towers(model: str, device: str, texts: bool) -> Pretrained | OwnTowers:
    """What makes features: a model that transformers saved in a folder, or an AAI of `export`.

    Raises:
        InputError: neither, or it does not read this.
    """
    try:
        folder = shared.find(model)
    except InputError:
        return Pretrained(model, device, texts)
    return OwnTowers(folder, device, texts)


class Source(NamedTuple):
    """What is embedded: N ids, and positions -> what the model reads, pictures or sentences."""

    ids: list[str]
    take: Callable[[Sequence[int]], list]


def images_of(place: Path | str, view: str = "") -> Source:
    """The pictures of a prepared data set (its folder or name), or of a folder.

    Args:
        view: of the data set; "": all that it has.

    Ids are those of the data set, VIEW/ID where it has several views; of a folder the names of the
    files without their endings, with the path where two have one name.

    Raises:
        InputError: there are none.
    """
    data = _prepared(place)
    if data is not None:
        return _prepared_images(data, view)
    root = Path(place)
    if not root.is_dir():
        raise InputError(f"{root} is neither a prepared data set nor a folder of pictures")
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in ENDINGS)
    if not files:
        raise InputError(
            f"the folder {root} has no pictures; their names end in {', '.join(ENDINGS)}"
        )
    ids = [without_ending(file.name) for file in files]
    if len(set(ids)) < len(ids):
        ids = [without_ending(file.relative_to(root).as_posix()) for file in files]
    return Source(ids, lambda rows: [Image.fromarray(load_picture(files[row])) for row in rows])


def texts_of(place: Path | str) -> Source:
    """The distinct sentences of a prepared data set, or of a .txt (one a line) or .csv file.

    Ids are the sentences themselves; of a .csv, which has the columns id and text, its ids.

    Raises:
        InputError: there are none, or one has no word.
    """
    path = Path(place)
    if path.suffix == ".csv":
        table = read_csv(path, ["id", "text"])
        return _source(path, table["id"].tolist(), table["text"].tolist())
    if path.suffix == ".txt":
        found = list(dict.fromkeys(line for line in lines(path) if line))
        return _source(path, found, found)
    data = _prepared(place)
    if data is None:
        raise InputError(f"{place} is neither a prepared data set nor a .txt or .csv file of texts")
    found = set(data.queries["text"])
    if (data.folder / sentences.FILE).exists():
        views = [view for _, view in data.info["tasks"].values()] or [None]
        found |= {text for view in views for text in sentences.sentences(data, view)["text"]}
    if rule := data.info.get("training_pairs"):
        for split in ("train", "val"):
            rows = data.images[data.images["split"] == split]
            if len(rows):
                drawn = training_pairs.build(rule, rows)
                found |= {*drawn.sentences(), *drawn.texts()}
    return _source(data.folder, sorted(found), sorted(found))


def embed(
    source: Source,
    model: Pretrained | OwnTowers,
    out: Path,
    grid: bool = False,
    shard: int = 4096,
    batch: int = 32,
    precision: str = "float16",
    progress: bool = True,
) -> Path:
    """Write features of everything in a source; goes on where an earlier call stopped.

    Args:
        source: of `images_of` or `texts_of`, the latter for a model that reads texts.
        out: folder; of features of this source by this model, or new.
        grid: a vector a place instead of one in all.
        shard: rows a file.
        batch: rows a step.
        precision: of PRECISIONS.

    Returns:
        `out`.

    Raises:
        InputError: `out` holds features of something else, a number is not finite, or the folder
            cannot be written.
    """
    one_of("precision", precision, PRECISIONS)
    texts = model.reads_texts
    longest = model.longest(source.take(range(len(source.ids)))) if texts else 0
    told = {
        "model": model.name,
        "weights": digest_of(Path(model.folder)),
        "what": "texts" if texts else "images",
        "grid": grid,
        "precision": precision,
        "rows": len(source.ids),
        "shard": shard,
        "ids": hashlib.sha256("\n".join(source.ids).encode()).hexdigest(),
    }
    _same_or_new(out / TOLD, told)
    count = -(-len(source.ids) // shard)
    with bar(total=len(source.ids), desc=out.name, unit="row", disable=not progress) as shown:
        for number in range(count):
            rows = range(number * shard, min((number + 1) * shard, len(source.ids)))
            path = out / f"features-{number:05d}-of-{count:05d}.safetensors"
            if not path.exists():
                _write(path, source, rows, model, grid, longest, batch, precision)
            shown.update(len(rows))
    return out


def digest_of(folder: Path) -> str:
    """What tells saved models apart: the digest of the files in a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return hashlib.sha256("\n".join(f"{f.name} {sha256(f)}" for f in files).encode()).hexdigest()


def _write(path, source, rows, model, grid, longest, batch, precision) -> None:
    found, lengths = [], []
    for start in range(rows.start, rows.stop, batch):
        some = source.take(range(start, min(start + batch, rows.stop)))
        if model.reads_texts:
            features, tokens = model.texts(some, grid, longest)
            lengths.append(tokens)
        else:
            features = model.images(some, grid)
        with np.errstate(over="ignore"):
            features = features.astype(precision)
        bad = np.flatnonzero(~np.isfinite(features.reshape(len(features), -1)).all(axis=1))
        if len(bad):
            raise InputError(
                f"{model.folder} gives numbers for {source.ids[start + bad[0]]!r:.80} that "
                f"{precision} cannot hold; --precision float32, or another model"
            )
        found.append(features)
    arrays = {"features": np.concatenate(found)}
    if grid and lengths:
        arrays["lengths"] = np.concatenate(lengths)
    save_shard(path, [source.ids[row] for row in rows], arrays)


def save_shard(path: Path, ids: list[str], arrays: dict[str, np.ndarray]) -> None:
    """Write one file of features, whole or not at all."""
    from safetensors.numpy import save_file

    with atomic(path) as temporary:
        save_file(arrays, temporary, {"ids": json.dumps(ids)})


def _same_or_new(path: Path, told: dict) -> None:
    if not path.exists():
        write_json(path, told)
        return
    there = read_json(path)
    other = [key for key in told if there.get(key) != told[key]]
    if other:
        key = other[0]
        raise InputError(
            f"{path.parent} holds features of something else ({key} {there.get(key)!r:.60}, now "
            f"{told[key]!r:.60}); name another --out or delete it"
        )


def _prepared(place: Path | str) -> Prepared | None:
    name, _, scale = str(place).partition("/")
    if name == registry.CSS:  # one folder a scale, drawn where it is missing
        return registry.open(name, scale or "mini")
    for folder in (Path(place), paths.data() / str(place)):
        if (folder / "dataset.json").exists():
            return Prepared(folder)
    return None


def _prepared_images(data: Prepared, view: str) -> Source:
    views, names = data.views, data.images["image"].tolist()
    if not views:
        raise InputError(f"{data.folder} was prepared without pictures; embed their own folder")
    if view:
        one_of(f"view of {data.info['name']}", view, views)
        views = [view]
    several = len(views) > 1
    ids = [f"{view}/{name}" if several else name for view in views for name in names]

    def take(rows: Sequence[int]) -> list:
        split = [divmod(row, len(names)) for row in rows]
        pictures = [data.take(views[view], np.array([row]))[0] for view, row in split]
        return [Image.fromarray(picture) for picture in pictures]

    return Source(ids, take)


def _source(path: Path, ids: list[str], texts: list[str]) -> Source:
    if not texts:
        raise InputError(f"{path} has no texts")
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise InputError(f"{path}: id {twice!r:.80} occurs twice; ids are unique")
    for name, text in zip(ids, texts, strict=True):
        if not has_word(text):
            raise InputError(
                f"{path}: the text of id {name!r:.80} has no word, {text!r:.60}; correct it, or "
                "take it out"
            )
    return Source(ids, lambda rows: [texts[row] for row in rows])
