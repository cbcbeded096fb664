"""Small raw files that claim or become much: refused in one line, soon, in little memory.

Those of pickles and .mat files are in tests/data/readers.
"""

import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from forked_child import forked
from fuzzing import campaign
from raw_files import READERS, Reader

from cmir_repro.data.readers import fashioniq_cirr, tags

IDS = [f"image{n}" for n in range(200_000)]


def _names(path):
    tags.names(path)


def _ids(path):
    fashioniq_cirr._check_ids(path.name, json.loads(path.read_text()))


def _zip(names, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, content)
    return out.getvalue()


def _tar(entries) -> bytes:
    """Entries are (type, name, bytes of zeros), packed; nothing of them is held here."""
    pack, out = zlib.compressobj(9, wbits=31), []
    for kind, name, size in entries:
        entry = tarfile.TarInfo(name)
        entry.type, entry.size = kind, size
        out.append(pack.compress(entry.tobuf(tarfile.GNU_FORMAT)))
        for _ in range(-(-size // 2**24)):
            out.append(pack.compress(bytes(2**24)))
    return b"".join(out) + pack.flush()


def _png(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


BOMBS = {
    "a CSV of a million columns": ("CSV", "a.csv", lambda: b"a," * 1_000_000 + b"b\n1\n"),
    "a CSV of short rows": (
        "CSV",
        "a.csv",
        lambda: ",".join(f"c{n}" for n in range(9_999)).encode() + b"\nx" * 500_000,
    ),
    "a CSV of fields over several lines": (
        "CSV",
        "a.csv",
        lambda: b"a,b\n" + b'x,"1\n2"\ny,z\n' * 50_000 + b'"',
    ),
    "JSON nested a million deep": ("JSON", "a.json", lambda: b"[" * 1_000_000),
    "lines: 1 GB of zeros": ("lines", "a.gz", lambda: gzip.compress(bytes(2**28)) * 4),
    "lines: 60 million ends": ("lines", "a.gz", lambda: gzip.compress(b"\n" * 60_000_000)),
    "one id twice among 200,000, lines": (
        Reader({}, _names),
        "a.txt",
        lambda: "\n".join([*IDS, IDS[7]]).encode(),
    ),
    "one id twice among 200,000, JSON": (
        Reader({}, _ids),
        "a.json",
        lambda: json.dumps([*IDS, IDS[7]]).encode(),
    ),
    "a zip of 3 GB of zeros": (
        "zip",
        "a.zip",
        lambda: _zip([f"{n}" for n in range(12)], bytes(2**28)),
    ),
    "a tar with remarks of 1 GB": (
        "tar",
        "a.tgz",
        lambda: _tar([(tarfile.XHDTYPE, "x", 2**30), (tarfile.REGTYPE, "a", 0)]),
    ),
    "a tar with a name of 1 GB": (
        "tar",
        "a.tgz",
        lambda: _tar([(tarfile.GNUTYPE_LONGNAME, "x", 2**30)]),
    ),
    "a PNG of 4 thousand million pixels": ("PNG", "a.png", lambda: _png(65_535, 65_535)),
    "a PNG of 49 million pixels, cut off": (
        "PNG",
        "a.png",
        lambda: _png(7_000, 7_000, zlib.compress(bytes(2**20))),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name, monkeypatch):
    forked(monkeypatch)
    reader, file, make = BOMBS[name]
    read = (READERS[reader] if isinstance(reader, str) else reader).read
    counts = campaign(
        name, {file: make()}, read, 1, np.random.default_rng(0), make=lambda seed, *_: seed
    )
    assert counts.refused == 1, counts.bad
