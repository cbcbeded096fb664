"""Made-up features of the images and sentences of a prepared data set, in files of every kind."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file


def made_up(count, *shape, seed=0, dtype="float16"):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(dtype)


def save(path, ids, features, lengths=None):
    """Write a file of the kind that its name says; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ids, more = [str(name) for name in ids], {} if lengths is None else {"lengths": lengths}
    if path.suffix == ".npz":
        np.savez(path, ids=np.array(ids), features=features, **more)
    elif path.suffix == ".npy":
        np.save(path, features)
        path.with_suffix(".txt").write_text("".join(f"{name}\n" for name in ids))
    elif path.suffix == ".safetensors":
        save_file({"features": features, **more}, path, {"ids": json.dumps(ids)})
    else:
        table = pa.table({"id": ids, "features": features.tolist(), **more})
        pq.write_table(table, path)  # pandas would make empty values of NaN
    return path


def shards(folder, ids, features, count=3, suffix=".npy"):
    """The same as a folder of numbered shards."""
    for number, rows in enumerate(np.array_split(np.arange(len(ids)), count)):
        name = f"part-{number:05d}-of-{count:05d}{suffix}"
        save(folder / name, np.array(ids)[rows], features[rows])
    return folder


def of(data, folder, image_shape=(12,), text_shape=(10,)):
    """Features of all images and distinct sentences of a prepared data set: the two files."""
    images = data.images["image"].tolist()
    texts = sorted(set(data.queries["text"]))
    return (
        save(folder / "images.npz", images, made_up(len(images), *image_shape)),
        save(folder / "texts.safetensors", texts, made_up(len(texts), *text_shape, seed=1)),
    )
