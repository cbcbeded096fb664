"""Commands of `cmir` for large galleries: one thin function each."""

from pathlib import Path
from typing import Annotated

import typer

from cmir_repro.core import paths
from cmir_repro.core.errors import check_seed
from cmir_repro.core.files import check_output

Feature = Annotated[Path, typer.Argument(metavar="FEATURES", help="file or folder of shards")]


def add_to(app: typer.Typer) -> None:
    """Make the functions of this module commands."""
    for function in (index, search, shards):
        app.command()(function)


def index(
    features: Feature,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="of the index")],
    memory: Annotated[
        float, typer.Option(min=0, help="GiB; exact while the vectors fit, else IVF-PQ")
    ] = 4.0,
    kind: Annotated[str, typer.Option(help="exact, ivfpq, or auto: by the memory")] = "auto",
    code: Annotated[int, typer.Option(min=1, help="bytes a vector at most, of IVF-PQ")] = 64,
    cells: Annotated[int, typer.Option(min=0, help="of IVF-PQ; 0: 4 sqrt(N)")] = 0,
    seed: Annotated[
        int, typer.Option(callback=check_seed, help="of what IVF-PQ is trained on")
    ] = 0,
) -> None:
    """Build an index of a gallery's features, or go on with it."""
    from cmir_repro.evaluation.index import build

    card = build.build(features, out, memory, kind, code, cells, seed)
    size = sum(file.bytes for file in card.files.values())
    print(
        f"{paths.shown(out)}: {card.kind} index of {card.count:,} vectors, "
        f"{size / card.count:.1f} bytes each"
    )


def search(
    folder: Annotated[Path, typer.Argument(metavar="INDEX", help="folder of cmir index")],
    queries: Annotated[Path, typer.Argument(metavar="QUERIES", help="features, as the gallery's")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="LISTS", help=".parquet or .trec")],
    depth: Annotated[int, typer.Option(min=1, help="items a query")] = 100,
    probe: Annotated[
        int | None, typer.Option(min=1, help="cells looked into; default: 1 in 16, 32 at least")
    ] = None,
    rerank: Annotated[
        Path | None, typer.Option(metavar="FEATURES", help="score IVF-PQ's candidates by these")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="queries a step")] = 256,
) -> None:
    """Ask an index; writes ranked lists that score-judged reads."""
    from cmir_repro.evaluation.index import search as asking
    from cmir_repro.evaluation.ranked_lists import WRITTEN

    check_output(out, WRITTEN, folder, queries, rerank)
    count = asking.write_lists(folder, queries, out, depth, probe, rerank, batch)
    print(f"{paths.shown(out)}: the lists of {count:,} queries")


def shards(
    source: Annotated[
        str, typer.Argument(metavar="FOLDER", help="pictures, or a prepared data set")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="for the shards")],
    count: Annotated[int, typer.Option(min=1, help="pictures a shard")] = 1000,
) -> None:
    """Write pictures as WebDataset shards, which own-folder reads."""
    from cmir_repro.data.prepare import picture_shards

    written = picture_shards.write(source, out, count)
    print(f"{paths.shown(out)}: {written:,} pictures")


def is_index(name: str) -> bool:
    """Whether `cmir verify` is given the folder of an index."""
    from cmir_repro.evaluation.index import card

    return (Path(name) / card.NAME).is_file()


def verify(folder: Path) -> None:
    """Read the files of an index whole; an `InputError` names the first that differs."""
    from cmir_repro.evaluation.index import card

    card.read(folder, whole=True)
    print(f"{paths.shown(folder)}: every file is as it was written")
