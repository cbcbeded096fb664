"""A folder of your own pictures and one CSV into the prepared layout."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.data.prepare import checks, writer
from cmir_repro.data.prepare.own import Made, Settings, files_of, from_attributes, from_rows
from cmir_repro.data.prepare.picture_shards import folder_of
from cmir_repro.data.prepare.pictures import (
    VIEW,
    done_to,
    fill_squares,
)
from cmir_repro.data.prepare.writer import Content
from cmir_repro.data.prepared import SPLITS, Prepared
from cmir_repro.data.readers.files import read_csv
from data_scripts import options

TAKEN = ("css", "fashion200k", "mitstates", "fashioniq", "cirr")  # other data sets lie there


def _draw(target: Path, made: Made, folder: Path, settings: Settings) -> dict[str, int]:
    """Write the pixel file of each split; what was done to the pictures, counted."""
    here = [split for split in SPLITS if (made.images["split"] == split).any()]
    for left in target.glob(f"pixels-{VIEW}-*.npy"):  # of a try with other shares
        if left.stem.split("-")[2] not in here:
            left.unlink()
    for split in here:
        rows = (made.images["split"] == split).to_numpy()
        files = files_of(folder, made.images["image"][rows], settings)
        path = target / f"pixels-{VIEW}-{split}.npy"
        fill_squares(path, files, settings.size, checks.digest(made.digests[rows]))
    for left in target.glob(".pixels-*.part"):  # of broken-off tries with other arguments
        left.unlink()
    return done_to(files_of(folder, made.images["image"], settings))


def prepare(
    *,
    name: options.OwnName,
    csv: options.Csv,
    images: options.Pictures,
    suffix: options.Suffix = Settings.suffix,
    separator: options.Separator = None,
    size: options.Size = Settings.size,
    val: options.Val = Settings.val,
    test: options.Test = Settings.test,
    seed: options.Seed = Settings.seed,
    id: Annotated[str, typer.Option(help="column that names the image")] = Settings.id,
    attributes: Annotated[
        str, typer.Option(help="columns, comma between: captions are made of them")
    ] = "",
    unseen: Annotated[
        str,
        typer.Option(help="two of them: some pairs are for the test"),
    ] = "",
    unseen_share: Annotated[
        float, typer.Option(help="share of these pairs")
    ] = Settings.unseen_share,
    queries_per_image: Annotated[
        int, typer.Option(help="for val and test; equal ones count once")
    ] = Settings.queries_per_image,
    licence: options.Licence = "not stated",
    source: options.Source = None,
    allow_missing: options.AllowMissing = False,
) -> Prepared:
    """Your own pictures and one CSV: attributes, or queries of your own.

    cmir prepare own-folder --name photos --csv metadata.csv --images images
    --attributes gender,colour,type

    cmir prepare own-folder --name mine --csv queries.csv --images images
    """
    settings = Settings(
        suffix, size, val, test, seed, id, options.names(attributes), options.names(unseen),
        unseen_share, queries_per_image,
    )  # fmt: skip
    if name.split("-")[0] in TAKEN:
        raise InputError(
            f"--name {name!r} cannot be used; other data are called {', '.join(TAKEN)}"
        )
    table = read_csv(csv, separator=separator)
    provenance = {
        "kind": "photographs",
        "csv_sha256": sha256(csv),
        "allow_missing": allow_missing,
        **({"splits": "column split"} if settings.attributes and "split" in table else {}),
        **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()},
    }

    def make() -> Content:
        read = from_attributes if settings.attributes else from_rows
        made = read(name, csv, table, images, settings, allow_missing)
        pictures = {"pictures_sha256": checks.digest(made.digests)}
        return Content(
            made.images,
            made.queries,
            {**made.info, "provenance": {**provenance, **pictures}, "tasks": {VIEW: [VIEW, VIEW]}},
            draw=lambda target: _draw(target, made, images, settings),
        )

    same = {"licence": licence, "sources": [source] if source else []}
    with folder_of(images) as images:
        return checks.tell(writer.prepare(name, provenance, make, same))


if __name__ == "__main__":
    options.as_command(__file__)
