"""Valid raw files of every kind and what reads each: the seeds of a campaign with mutants."""

import gzip
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tiny_captions
from fuzzing import FOLDER
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_array

from cmir_repro.data.prepare import archive, pictures
from cmir_repro.data.readers import captions, files, npy_pickle, tags
from cmir_repro.data.readers.matlab import MatFile


class Reader(NamedTuple):
    """seeds: name -> content; read: gives a value or refuses, and checks what it gives."""

    seeds: dict[str, bytes]
    read: Callable[[Path], object]


def _csv(path: Path) -> None:
    table = files.read_csv(path)
    assert len(table)
    assert all(isinstance(value, str) for value in table.to_numpy().ravel())


def _json(path: Path) -> None:
    kind = list if "list" in path.name else dict
    assert isinstance(files.read_json(path, kind), kind)


def _karpathy(path: Path) -> None:
    found = captions.karpathy(path)
    assert found.images["image"].is_unique
    assert set(found.sentences["image"]) == set(found.images["image"])


def _lines(path: Path) -> None:
    assert all(isinstance(line, str) for line in files.lines(path))


def _matrix(path: Path) -> None:
    for block in tags.zeros_and_ones(path, 5):
        assert block.shape[1] == 5
        assert block.max() <= 1


def _pickle(path: Path) -> None:
    _plain(npy_pickle.load_npy(path))


def _plain(value: object) -> None:
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _plain(item)
    else:
        assert value is None or type(value) in (bool, int, float, str, bytes)


def _mat(path: Path) -> None:
    with MatFile(path) as mat:
        for name, shape in mat.shapes.items():
            array = mat.take(name)
            assert array.shape == shape
            assert array.dtype.kind in "buif"
        for name in mat.named:
            mat.texts(name)


def _archive(path: Path) -> None:
    out = path.parent / "out"
    archive.unpack(path, out)
    for found in out.rglob("*"):
        assert not found.is_symlink()


def _picture(path: Path) -> None:
    found = pictures.load_picture(path)
    assert found.dtype == np.uint8
    assert found.ndim == 3
    assert found.shape[2] == 3


def _saved(save: Callable, *arguments: object, **options: object) -> bytes:
    out = io.BytesIO()
    save(out, *arguments, **options)
    return out.getvalue()


def _encoded(format: str, mode: str = "RGB", **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    return _saved(image.save, format=format, **options)


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _encoded("JPEG", exif=exif)


def _tar(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as file:
        for name in ("a/one.txt", "a/" + "b" * 120 + "/two.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = 5
            file.addfile(entry, io.BytesIO(b"hello"))
    return out.getvalue()


def _zip(method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        file.writestr("a/one.txt", "hello " * 20)
        file.writestr("two.txt", b"")
    return out.getvalue()


def _hdf5() -> dict[str, bytes]:
    import h5py

    out = {}
    for name, options in {
        "plain.mat": {},
        "packed.mat": {"compression": 9, "chunks": (4, 2)},
    }.items():
        content = io.BytesIO()
        with h5py.File(content, "w") as file:
            file.create_dataset("YAll", data=np.arange(20.0).reshape(5, 4), **options)
            file.create_dataset("LAll", data=np.eye(4, dtype=np.uint8), **options)
            group = file.create_group("sparse")
            group.attrs["MATLAB_sparse"] = np.uint64(5)
            group["data"], group["ir"], group["jc"] = np.ones(3), [0, 2, 4], [0, 1, 3]
        out[name] = content.getvalue()
    return out


def _mat5() -> dict[str, bytes]:
    arrays = {
        "YAll": np.arange(20.0).reshape(5, 4),
        "LAll": np.eye(4, dtype=np.uint8),
        "FAll": np.array(["im1.jpg", "im2.jpg"], dtype=object),
        "sparse": csc_array(np.eye(3)),
    }
    return {
        "plain.mat": _saved(savemat, arrays),
        "packed.mat": _saved(savemat, arrays, do_compression=True),
    }


def release() -> dict:
    thing = {"color": "red", "shape": "circle", "size": "large", "pos": (np.float64(0.2), 0.3)}
    mods = [{"from": [0, np.int64(1)], "to": [1, 0], "to_str": "make red circle large"}]
    part = {"objects_img": [[thing], [thing, dict(thing)]], "mods": mods, "labels": ["a", b"b"]}
    return {"train": part, "test": part, "x": np.arange(6.0).reshape(2, 3)}


def _karpathy_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return tiny_captions.flickr30k(Path(folder) / "a.json").read_bytes()


CSV = "id,text,split\n" + "".join(f'p{n}.jpg,"a ""dog"", {n}",train\n' for n in range(8))
JSON = b'{"a": [1, 2.5, "text", null, true], "b": {"c": "\\u00e9", "d": []}}'
ROWS = "".join("0\t1\t0 1\t1\n" for _ in range(6)).encode()
TEXT = "".join(f"line {n}, é\r\n" for n in range(9)).encode()

READERS = {
    "CSV": Reader({"a.csv": CSV.encode(), "b.csv": CSV.replace(",", ";").encode()}, _csv),
    "JSON": Reader({"a.json": JSON, "list.json": b"[" + JSON + b", 3]"}, _json),
    "JSON of Karpathy": Reader({"a.json": _karpathy_file()}, _karpathy),
    "lines": Reader({"a.txt": TEXT, "a.gz": gzip.compress(TEXT, mtime=0)}, _lines),
    "matrix of 0 and 1": Reader({"a.txt": ROWS}, _matrix),
    "pickle in npy": Reader(
        {"a.npy": _saved(np.save, np.array(release(), dtype=object), allow_pickle=True)}, _pickle
    ),
    ".mat": Reader(_mat5(), _mat),
    "HDF5": Reader(_hdf5(), _mat),
    "tar": Reader({"a.tar": _tar("w"), "a.tgz": _tar("w:gz"), "a.txz": _tar("w:xz")}, _archive),
    "zip": Reader(
        {"a.zip": _zip(zipfile.ZIP_DEFLATED), "b.zip": _zip(zipfile.ZIP_STORED)}, _archive
    ),
    "PNG": Reader({"a.png": _encoded("PNG"), "b.png": _encoded("PNG", "P")}, _picture),
    "JPEG": Reader({"a.jpg": _encoded("JPEG"), "b.jpg": _turned()}, _picture),
    "WebP": Reader({"a.webp": _encoded("WEBP"), "b.webp": _encoded("WEBP", "RGBA")}, _picture),
    "TIFF": Reader(
        {"a.tif": _encoded("TIFF"), "b.tif": _encoded("TIFF", compression="tiff_lzw")}, _picture
    ),
    "GIF and BMP": Reader({"a.gif": _encoded("GIF", "P"), "a.bmp": _encoded("BMP")}, _picture),
}


def folder_of(path: Path) -> Path:
    """The folder FOLDER that a mutant lies in or below."""
    return next(parent for parent in path.parents if parent.name == FOLDER)
