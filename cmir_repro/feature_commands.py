"""Commands of `cmir` for features of other models: one thin function each."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cmir_repro.core import paths


def add_to(app: typer.Typer) -> None:
    """Make the functions of this module commands."""
    for function in (embed, baselines):
        app.command()(function)


def embed(
    source: Annotated[
        str, typer.Argument(metavar="FOLDER", help="pictures, a prepared data set, texts.txt, .csv")
    ],
    model: Annotated[
        str, typer.Option(metavar="FOLDER", help="saved by transformers, or an AAI of cmir export")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="for the shards")],
    texts: Annotated[bool, typer.Option("--texts", help="the sentences of a data set")] = False,
    view: Annotated[str, typer.Option(help="of the data set; default: all it has")] = "",
    grid: Annotated[bool, typer.Option("--grid", help="a vector a place, not one in all")] = False,
    shard: Annotated[int, typer.Option(min=1, help="rows a file")] = 4096,
    batch: Annotated[int, typer.Option(min=1, help="rows a step")] = 32,
    precision: Annotated[str, typer.Option(help="float16 or float32")] = "float16",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto: what there is")] = "auto",
) -> None:
    """Write features of pictures or texts by a saved model: CLIP, SigLIP, DINOv2, BERT, ..."""
    from cmir_repro.core.device import choose
    from cmir_repro.experiments import embed as embedding

    texts = texts or source.endswith((".txt", ".csv"))
    found = embedding.texts_of(source) if texts else embedding.images_of(source, view)
    net = embedding.towers(model, choose(device), texts)
    embedding.embed(found, net, out, grid, shard, batch, precision)
    print(f"{paths.shown(out)}: features of {len(found.ids):,} {'texts' if texts else 'images'}")


def baselines(
    text_features: Annotated[Path, typer.Option(metavar="FILE", help="vectors of the texts")],
    image_features: Annotated[
        Path | None, typer.Option(metavar="FILE", help="of the images; default: the data set's")
    ] = None,
    name: Annotated[str, typer.Option(help="of the model; default: the file's")] = "",
    dataset: Annotated[str, typer.Option(help="data set")] = "css",
    task: Annotated[str, typer.Option(help="task of the data set")] = "auto",
    scale: Annotated[str, typer.Option(help="size of the generated data")] = "mini",
) -> None:
    """Compose queries without training, by sum, slerp, ..., and keep the scores in your ledger."""
    from cmir_repro.experiments import training_free

    typed = shlex.join(["cmir", *sys.argv[1:]])
    files = image_features or "", text_features
    for kept in training_free.record(*files, name, dataset, task, scale, command=typed):
        values = [f"{kept.result['metrics'][f'R@{k}']['value']:7.2f}" for k in (1, 5, 10)]
        print(f"{kept.method:<60}{''.join(values)}")
    print("R@1, R@5, R@10; cmir tables shows them")
