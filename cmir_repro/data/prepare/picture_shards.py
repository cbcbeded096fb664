"""Pictures as WebDataset shards: tar files whose members are called KEY.ENDING, the key its id.

    OUT/pictures-00000-of-00004.tar    of `write`; any names that end in .tar are read

The format is that of `webdataset`, which is not needed here. Shards from elsewhere are unpacked
by `archive`, which trusts none.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic, read_json, scratch, write_json
from cmir_repro.core.progress import bar
from cmir_repro.data.feature_store import NUMBERED
from cmir_repro.data.prepare.archive import unpack
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers.files import ENDINGS, without_ending

PLAN = "shards.json"  # which pictures, how many a shard: whoever goes on writes the same


def write(source: Path | str, out: Path, count: int = 1000, progress: bool = True) -> int:
    """Write the pictures of a prepared data set or folder as shards; how many.

    Files of a folder are copied as they are, prepared pixels become PNG. The same command goes on
    where it was stopped; each shard is there whole.

    Args:
        source: folder of pictures, or of a prepared data set, or its name.
        out: folder for shards.
        count: pictures a shard.

    Raises:
        InputError: there are no pictures, a name has a dot, where WebDataset lets the ending begin,
            or the folder cannot be written or holds other shards.
    """
    out, place = Path(out), Path(source)
    folders = (place, paths.data() / str(source))
    prepared = next((folder for folder in folders if (folder / "dataset.json").exists()), None)
    names, take = _prepared(Prepared(prepared)) if prepared else _folder(place)
    for name in names:
        if "." in without_ending(Path(name).name):
            raise InputError(
                f"{name!r:.80} has a dot, where WebDataset lets the ending begin; rename the file"
            )
    shards = -(-len(names) // count)
    wanted = [out / f"pictures-{shard:05d}-of-{shards:05d}.tar" for shard in range(shards)]
    plan = {"names": hashlib.sha256("\n".join(names).encode()).hexdigest(), "count": count}
    there = read_json(out / PLAN) if (out / PLAN).exists() else None
    if there != plan and (there or any(out.glob("*.tar"))):
        raise InputError(f"{out} holds other shards; name another folder, or delete it")
    write_json(out / PLAN, plan)
    for shard, path in enumerate(bar(wanted, desc="shards", unit="shard", disable=not progress)):
        if not path.exists():
            rows = range(shard * count, min((shard + 1) * count, len(names)))
            with atomic(path) as temporary, tarfile.open(temporary, "w") as tar:
                for row in rows:
                    content = take(row)
                    member = tarfile.TarInfo(names[row])  # of no owner and no time
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return len(names)


@contextmanager
def folder_of(pictures: Path) -> Iterator[Path]:
    """A folder of pictures, itself or, where it holds shards, what they hold, for a while.

    Raises:
        InputError: a numbered shard is missing, one is damaged, as `archive.unpack`, or two hold
            a file of one name.
    """
    shards = sorted(pictures.glob("*.tar")) if pictures.is_dir() else []
    if not shards:
        yield pictures
        return
    for number in filter(None, (NUMBERED.fullmatch(shard.stem) for shard in shards)):
        for each in range(int(number[3])):
            name = f"{number[1]}-{each:05d}-of-{number[3]}.tar"
            if not (pictures / name).exists():
                raise InputError(f"{pictures} lacks the shard {name}; copy it there again")
    with scratch(paths.data()) as temporary:
        together = temporary / "pictures"
        for number, shard in enumerate(bar(shards, desc=pictures.name, unit="shard")):
            content = temporary / str(number)
            unpack(shard, content)
            for file in sorted(path for path in content.rglob("*") if path.is_file()):
                target = together / file.relative_to(content)
                if target.exists():
                    raise InputError(f"{shard} holds {target.name} again; leave out one")
                target.parent.mkdir(parents=True, exist_ok=True)
                file.rename(target)
        yield together


def _folder(root: Path):
    found = root.rglob("*") if root.is_dir() else ()
    files = sorted(file for file in found if file.suffix.lower() in ENDINGS)
    if not files:
        raise InputError(f"{root} is neither a prepared data set nor a folder of pictures")
    names = [file.relative_to(root).as_posix() for file in files]
    return names, lambda row: files[row].read_bytes()


def _prepared(data: Prepared):
    views, ids = data.views, data.images["image"].tolist()
    if not views:
        raise InputError(f"{data.folder} was prepared without pictures; name their own folder")
    several = len(views) > 1
    names = [f"{view}/{name}.png" if several else f"{name}.png" for view in views for name in ids]

    def take(row: int) -> bytes:
        view, place = divmod(row, len(ids))
        out = io.BytesIO()
        Image.fromarray(data.take(views[view], np.array([place]))[0]).save(out, "png")
        return out.getvalue()

    return names, take
