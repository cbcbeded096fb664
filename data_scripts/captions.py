"""Photographs with sentences into the prepared layout, from any of five layouts."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from cmir_repro.core.errors import InputError, check_seed
from cmir_repro.data.prepare import captions as writing
from cmir_repro.data.prepare import checks
from cmir_repro.data.prepare.captions import RELEASES, Release
from cmir_repro.data.prepared import Prepared
from cmir_repro.data.readers import captions as reading
from cmir_repro.data.readers.captions import MOST, Captions
from data_scripts import options


class Read(NamedTuple):
    """What was read, a name for it, what is known of it, and what else the data depend on."""

    found: Captions
    name: str
    release: Release
    made: dict


def prepare(
    *,
    karpathy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="layout: dataset_NAME.json")
    ] = None,
    albef: Annotated[
        tuple[Path, Path, Path] | None,
        typer.Option(metavar="TRAIN VAL TEST", help="layout: ALBEF's lists; -: none"),
    ] = None,
    coco: Annotated[
        Path | None, typer.Option(metavar="FILE", help="layout: captions_val2017.json")
    ] = None,
    multi30k: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="layout: image_splits/ and *.en.gz")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="layout: a sentence a row"),
    ] = None,
    id: Annotated[
        str | None,
        typer.Option(help="column of the image; default: image"),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(help="column of the text; default: caption"),
    ] = None,
    suffix: options.Suffix = "",
    separator: options.Separator = None,
    images: options.Images = None,
    text_only: Annotated[bool, typer.Option("--text-only", help="sentences, no pixels")] = False,
    name: options.Name = None,
    release: Annotated[
        Literal[tuple(RELEASES)] | None, typer.Option(help="default: what the file's name says")
    ] = None,
    captions: Annotated[int, typer.Option(help="kept an image; 0: all")] = MOST,
    size: options.Size = 224,
    allow_missing: options.AllowMissing = False,
    partial: options.Partial = False,
    split_seed: Annotated[
        int | None,
        typer.Option(callback=check_seed, help="draw the splits of --coco and --csv"),
    ] = None,
    val: options.Val = 0.1,
    test: options.Test = 0.2,
) -> Prepared:
    """Photographs with sentences in any of five layouts, see docs/data/captions.md.

    cmir prepare captions --karpathy dataset_flickr30k.json --images FOLDER
    """
    layout = options.one_given(
        karpathy=karpathy, albef=albef, coco=coco, multi30k=multi30k, csv=csv
    )
    options.one_given(images=images, text_only=text_only)
    if captions < 0:
        raise InputError(f"--captions {captions} must be at least 0")
    most, shares = captions or None, (val, test)
    if layout == "csv":
        read = _table(csv, id, text, suffix, separator, most, images, split_seed, shares)
    elif layout == "coco":
        read = _one_of_coco(coco, most, split_seed, shares)
    else:
        read = _with_splits(karpathy, albef, multi30k, most, release)
    counts, title = writing.facts(read.found), f"{read.name} with Karpathy's splits"
    checks.audit(counts, read.release.expected, title, partial)
    data = writing.prepare(
        name or (f"{read.name}-text" if text_only else read.name),
        read.found,
        read.release,
        read.made,
        images,
        size,
        allow_missing,
    )
    return checks.tell(data)


def _with_splits(
    karpathy: Path | None,
    albef: tuple[Path, Path, Path] | None,
    multi30k: Path | None,
    most: int | None,
    release: str | None,
) -> Read:
    """Layouts that come with Karpathy's splits; one of the first three is given."""
    if karpathy:
        found, key = reading.karpathy(karpathy, most), karpathy.name
    elif albef:
        found = reading.albef(*albef, most)
        key = [file.name for file in albef if file.name != "-"][-1]
    else:
        found, key = reading.multi30k(multi30k, most), "flickr30k"
    key = release or writing.release_of(key)
    known = RELEASES[key]._replace(digests="Multi30K" if multi30k else "")
    made = {"captions_per_image": most or "all"}
    return Read(found, key if key != "other" else "captions", known, made)


def _one_of_coco(
    file: Path, most: int | None, seed: int | None, shares: tuple[float, float]
) -> Read:
    """COCO's own file of one part; its images are not those of Karpathy's test split."""
    release = RELEASES["coco"]._replace(protocol=writing.ANY, expected={}, digests="COCO captions")
    found, made = _drawn(reading.coco(file, most), seed, shares)
    return Read(found, "coco-captions", release, {"captions_per_image": most or "all", **made})


def _table(
    file: Path,
    id: str | None,
    text: str | None,
    suffix: str,
    separator: str | None,
    most: int | None,
    images: Path | None,
    seed: int | None,
    shares: tuple[float, float],
) -> Read:
    """A CSV, one sentence a row; its own column of splits goes before drawn ones."""
    found = reading.csv_column(file, id, text, suffix, separator, most)
    if images:
        found = writing.merge_copies(found, images)
    if (found.images["split"] == reading.UNSPLIT).all():
        found, made = _drawn(found, seed or 0, shares)
    else:
        made = {"splits": "column split"}
        print(f"splits: those of the column split of {file.name}; none are drawn")
    made = {"kind": "photographs", "id": id, "text": text, **made}
    return Read(found, "captions", RELEASES["other"], {"captions_per_image": most or "all", **made})


def _drawn(found: Captions, seed: int | None, shares: tuple[float, float]) -> tuple[Captions, dict]:
    """With splits drawn by the seed, or as read where there is none; and what was done."""
    if seed is None:
        return found, {"splits": "all test"}
    val, test = shares
    split = writing.drawn_splits(len(found.images), val, test, seed)
    found = found._replace(images=found.images.assign(split=split))
    return found, {"splits": {"seed": seed, "val": val, "test": test}}


if __name__ == "__main__":
    options.as_command(__file__)
