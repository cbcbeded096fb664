"""The command `cmir`, or `python -m cmir_repro`: one thin function a command.

A command parses, calls and prints. What it calls is imported when it runs, so that help is there at
once. What cannot be used ends in one line on stderr and status 2.
"""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cmir_repro import benchmark_commands, feature_commands, gallery_commands
from cmir_repro.command_line import RESULT, Preset, Scripts, Ties, chosen, finish, group, trained
from cmir_repro.core import paths
from cmir_repro.core.config import parse
from cmir_repro.core.errors import InputError, check_seed, one_of
from cmir_repro.core.files import check_output

# Beside the statuses of `command_line`. The grid: time ran out, or others are at the rest; some
# cells cannot be run.
TIME_RAN_OUT, CELLS_FAILED = 3, 4
YEAR = 366 * 24 * 3600  # seconds

app = group(help="Cross-modal image retrieval: data, runs, scores and tables of three papers.")
prepare = group(cls=Scripts, help="Bring a data set into the prepared layout.")
ledger = group(help="Records of runs: merge two ledgers.")
app.add_typer(prepare, name="prepare")


System = Annotated[str, typer.Argument(help="dim, aai or crcgs")]
Scale = Annotated[str, typer.Option(help="mini, full (hours) or paper (GPU)")]
Device = Annotated[str, typer.Option(help="cpu, cuda or auto: what there is")]
Seed = Annotated[int, typer.Option(callback=check_seed, help="of weights, batches and bootstrap")]
Bootstrap = Annotated[int, typer.Option("--seed", callback=check_seed, help="of the bootstrap")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="result and every query's, as JSON")]
Features = Annotated[Path, typer.Option(metavar="FILE", help=".npz, or .npy with ids")]
FeatureFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="read these: file or folder of shards")
]
Ranks = Annotated[str, typer.Argument(help="files with query and rank, a comma between seeds")]
Ids = Annotated[Path | None, typer.Option(metavar="FILE", help="for .npy: an id a line, or a CSV")]


@app.command()
def run(
    system: System = "dim",
    method: Annotated[
        str | None, typer.Option(help="of the tables; default: TIRG, AAI or CRCGS")
    ] = None,
    dataset: Annotated[str, typer.Option(help="css, or one that was prepared")] = "css",
    task: Annotated[str, typer.Option(help="of the data set; auto: its first")] = "auto",
    scale: Scale = "mini",
    seed: Seed = 0,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="dim only; default: fast, the scale's own")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--setting", "-s", metavar="KEY=VALUE", help="say train.steps=100, model.…"),
    ] = None,
    image_features: FeatureFile = None,
    text_features: FeatureFile = None,
    device: Device = "auto",
) -> None:
    """Train and score one model, or find it in the ledger."""
    from cmir_repro.core.device import choose
    from cmir_repro.experiments import run as runs
    from cmir_repro.experiments.experiment import say
    from cmir_repro.experiments.systems import SYSTEMS

    one_of("system", system, SYSTEMS)
    changes = parse(setting or [], {"model": "model", "train": "training"})
    names = {"dataset": dataset, "task": task, "scale": scale}
    named = names | ({"method": method} if method else {})
    if recipe and system != "dim":
        raise InputError(f"--recipe is for dim; settings of {system}: -s train.KEY=VALUE")
    recipes = {"recipe_name": recipe} if recipe else {}
    given = {"image_features": image_features, "text_features": text_features}
    files = {name: path for name, path in given.items() if path}
    config = SYSTEMS[system].presets.configure(**named, seed=seed, **recipes, **changes, **files)
    typed = ["cmir", "run", system, "--method", config.method, "--seed", str(seed)]
    typed += [word for name, value in names.items() for word in (f"--{name}", value)]
    typed += ["--recipe", recipe] if recipe else []
    typed += [word for text in setting or [] for word in ("-s", text)]
    typed += [w for k, path in files.items() for w in (f"--{k.replace('_', '-')}", str(path))]
    with trained():
        record = runs.run(config, device=choose(device), command=shlex.join(typed)).record
    say(f"{config.method} on {config.dataset}, {config.task}, scale {scale}, seed {seed}")
    for name, metric in record.result["metrics"].items():
        say(f"{name:<24}{metric['value']:>9.2f}  [{metric['low']:.2f}, {metric['high']:.2f}]")
    say(f"record: {paths.shown(paths.results() / 'records' / f'{record.run}.json')}")


@app.command()
def grid(
    system: Annotated[str, typer.Argument(help="dim, aai, crcgs or all")] = "all",
    scale: Scale = "mini",
    dataset: Annotated[
        list[str] | None, typer.Option(help="may be repeated; default: css, and photos if there")
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="may be repeated; default: the tables'")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="may be repeated; default: all of the tables")
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="may be repeated; default: 0 1 2")] = None,
    backend: Annotated[
        Path | None, typer.Option(metavar="FILE.yml", help="where; default: in this process")
    ] = None,
    seconds: Annotated[
        int | None, typer.Option(min=1, help="stop cleanly after so long; default: when done")
    ] = None,
    hours: Annotated[float | None, typer.Option(help="the same in hours")] = None,
    search: Annotated[
        bool, typer.Option("--search", help="try settings, judged by validation data only")
    ] = False,
    device: Device = "auto",
    list_only: Annotated[bool, typer.Option("--list", help="only tell what is missing")] = False,
) -> None:
    """Run what the tables lack; status 3: time ran out, 4: some failed."""
    from cmir_repro.experiments import grid as cells
    from cmir_repro.experiments.grid import settings

    filled = cells.fill(
        system, scale, dataset, task, method, seed or cells.SEEDS, search,
        device=device, backend=settings.read(backend) if backend else None,
        seconds=_budget(seconds, hours), list_only=list_only,
    )  # fmt: skip
    if list_only:
        for name, time in zip(filled.left, filled.times, strict=True):
            print(f"{name}  {time}")
    elif filled.left:
        raise typer.Exit(CELLS_FAILED if filled.failed else TIME_RAN_OUT)


@app.command()
def score(
    queries: Features,
    gallery: Features,
    protocol: Preset,
    ties: Ties = None,
    query_ids: Ids = None,
    gallery_ids: Ids = None,
    seed: Bootstrap = 0,
    out: Out = None,
) -> None:
    """Score features of composed queries: recall at k."""
    from cmir_repro.evaluation import recall

    check_output(out, RESULT, queries, gallery, query_ids, gallery_ids)
    result = recall.score_files(
        queries, gallery, chosen(protocol, ties, "recall"),
        query_ids=query_ids, gallery_ids=gallery_ids, seed=seed,
    )  # fmt: skip
    finish(result, recall.table(result), out)


@app.command()
def record(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="dim, aai or crcgs")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="what your tables call the model")],
    file: Annotated[
        list[str], typer.Option(metavar="WHAT=FILE", help="e.g. queries=q.npz, gallery=g.npz")
    ],
    dataset: Annotated[str, typer.Option(help="data set")] = "css",
    task: Annotated[str, typer.Option(help="task of the data set")] = "auto",
    scale: Annotated[str, typer.Option(help="size of the generated data")] = "mini",
    seed: Annotated[
        int, typer.Option(callback=check_seed, help="which of its trainings they come from")
    ] = 0,
) -> None:
    """Score features of your model as a run and keep that in your ledger."""
    from cmir_repro.experiments import own

    files = dict(part.partition("=")[::2] for part in file)
    typed = shlex.join(["cmir", *sys.argv[1:]])
    kept = own.record_scores(system, name, files, dataset, task, scale, seed, typed)
    print(f"{kept.run} is in your ledger; cmir tables shows it")


@app.command()
def score_images_sentences(
    images: Features,
    sentences: Features,
    protocol: Preset,
    ties: Ties = None,
    image_ids: Ids = None,
    sentence_ids: Ids = None,
    seed: Bootstrap = 0,
    out: Out = None,
) -> None:
    """Score features of images and sentences: RSUM."""
    from cmir_repro.evaluation import image_text

    check_output(out, RESULT, images, sentences, image_ids, sentence_ids)
    result = image_text.score_files(
        images, sentences, chosen(protocol, ties, "image_text"),
        image_ids=image_ids, sentence_ids=sentence_ids, seed=seed,
    )  # fmt: skip
    finish(result, image_text.table(result), out)


@app.command()
def score_labels(
    queries: Annotated[Path, typer.Option(metavar="FILE", help=".npz with categories")],
    database: Annotated[Path, typer.Option(metavar="FILE", help=".npz with categories")],
    protocol: Preset,
    ties: Ties = None,
    seed: Bootstrap = 0,
    out: Out = None,
) -> None:
    """Score features or codes by categories: MAP."""
    from cmir_repro.evaluation import labels

    check_output(out, RESULT, queries, database)
    result = labels.score_files(queries, database, chosen(protocol, ties, "labels"), seed)
    finish(result, labels.table(result), out)


@app.command()
def audit(
    image_only: Ranks,
    text_only: Ranks,
    model: Ranks,
    other: Annotated[str, typer.Option(metavar="FILES", help="of a second model")] = "",
    out: Out = None,
) -> None:
    """How many queries one input alone solves, and recall on the others."""
    from cmir_repro.evaluation import audit as shortcuts

    lists = (image_only, text_only, model, other)
    check_output(out, RESULT, *(name for names in lists for name in names.split(",")))
    found = shortcuts.audit_files(image_only, text_only, model, other or None)
    finish(shortcuts.as_dict(found), shortcuts.text(found), out)


@app.command()
def score_triplets(
    features: Annotated[Path, typer.Argument(metavar="FOLDER", help="images.npz, queries-1.npz …")],
    annotations: Annotated[
        Path, typer.Option(metavar="FOLDER", help="the release: captions/, image_splits/")
    ],
    protocol: Preset,
    ties: Ties = None,
    split: Annotated[str, typer.Option(help="of the release")] = "val",
    seed: Bootstrap = 0,
    out: Out = None,
) -> None:
    """Score features of FashionIQ or CIRR by one of their rules."""
    from cmir_repro.evaluation import triplet_files

    # Features end in .npz, so that a result may lie among them and be replaced.
    check_output(out, RESULT, annotations)
    rule = chosen(protocol, ties, "fashioniq_cirr")
    result = triplet_files.score_files(features, annotations, rule, split, seed)
    finish(result, triplet_files.table(result), out)


@app.command()
def tables(
    committed: Annotated[
        bool, typer.Option("--pages", help="of README and docs/results instead (maintainers)")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="only compare these pages; status 1: they differ")
    ] = False,
) -> None:
    """Write the tables of your runs into your workspace."""
    from cmir_repro.report import pages, yours

    if not check:
        for path in pages.write() if committed else [yours.write()]:
            print(paths.shown(path))
    elif differing := pages.check():
        print(pages.complaint(differing))
        raise typer.Exit(1)


@app.command()
def report(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="default: results.html in your workspace")
    ] = None,
) -> None:
    """Write one page of all results, to be opened in a browser."""
    from cmir_repro.report import results_page

    check_output(out, (".html",))
    print(paths.shown(results_page.write(out)))


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="name of a run in the ledger")],
    folder: Annotated[
        Path | None, typer.Argument(help="default: in your ledger, by name: cmir.load(NAME)")
    ] = None,
) -> None:
    """Write a run's weights in half precision, and a model card."""
    from cmir_repro.experiments.export import export as written

    print(paths.shown(written(run, folder)))


@app.command()
def verify(
    dataset: Annotated[
        str, typer.Argument(metavar="DATA", help="css, one that was prepared, or an index")
    ],
    scale: Scale = "mini",
) -> None:
    """Read prepared data, or an index, whole; status 1: a file is not as written."""
    from cmir_repro.data import digests, registry

    if gallery_commands.is_index(dataset):
        return gallery_commands.verify(Path(dataset))
    folder = registry.folder(dataset, scale)
    differing = digests.verify(folder)
    for line in differing:
        print(f"{paths.shown(folder)}: {line}")
    if differing:
        raise typer.Exit(1)
    print(f"{paths.shown(folder)}: every file is as it was written")


@app.command()
def reproduce(
    dataset: Annotated[str, typer.Option(help="css, or one that was prepared")] = "css",
    scale: Annotated[str, typer.Option(help="mini, full, paper or auto: by the device")] = "auto",
    in_place: Annotated[
        bool, typer.Option("--in-place", help="write over notebooks/, cleaned (maintainers)")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="what make test runs")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="notebooks at a time; default: 2 on a CPU")
    ] = None,
) -> None:
    """Run the notebooks in order, into your workspace."""
    from cmir_repro import reproduce as notebooks

    workers = workers or notebooks.at_a_time()
    if check:
        raise typer.Exit(notebooks.check(workers))
    with trained():
        notebooks.reproduce(dataset, scale, in_place, workers)


@ledger.command()
def merge(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="the ledger that is read")],
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="default: your own ledger")
    ] = None,
) -> None:
    """Copy into a ledger the runs that it lacks."""
    from cmir_repro.experiments import merging

    into = into or paths.results()
    new = merging.merge(source, into)
    print("\n".join([f"{len(new)} runs copied into {into}", *new]))


app.add_typer(ledger, name="ledger")
for commands in (feature_commands, benchmark_commands, gallery_commands):
    commands.add_to(app)


def _budget(seconds: int | None, hours: float | None) -> int | None:
    """Whole seconds that a grid may take; None: as long as it takes."""
    if hours is None:
        return seconds
    if seconds is not None:
        raise InputError("--seconds and --hours say the same: give one of them")
    if not 1 <= hours * 3600 <= YEAR:  # refuses nan too
        raise InputError(f"--hours {hours} must be a second at least and a year at most")
    return int(hours * 3600)


def main() -> None:
    """The console script."""
    app()
