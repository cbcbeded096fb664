"""Commands of `cmir` for benchmarks, their servers and leaderboards: one thin function each."""

from pathlib import Path
from typing import Annotated

import typer

from cmir_repro.command_line import Preset, Ties
from cmir_repro.core.errors import check_seed, one_of


def add_to(app: typer.Typer) -> None:
    """Make the functions of this module commands."""
    for function in (score_judged, score_css_x, server_file, lists, leaderboard):
        app.command()(function)


def score_judged(
    source: Annotated[Path, typer.Argument(help="features, scores or ranked lists, see docs")],
    annotations: Annotated[
        Path, typer.Option(metavar="PATH", help="the release's folder; own/judged: TREC's qrels")
    ],
    protocol: Preset,
    ties: Ties = None,
    split: Annotated[str | None, typer.Option(help="of the release; default: val")] = None,
    lists: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write ranked lists: .parquet or .trec")
    ] = None,
    depth: Annotated[int, typer.Option(help="of these lists")] = 100,
    seed: Annotated[int, typer.Option(callback=check_seed, help="of the bootstrap")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="result and every query's, as JSON")
    ] = None,
) -> None:
    """Score CIRCO, GeneCIS, i-CIR, MTEB and others: MAP, nDCG."""
    from cmir_repro.core.files import write_json
    from cmir_repro.core.protocol import TIES, preset
    from cmir_repro.evaluation import judged, judged_files

    rule = preset(protocol)
    if ties:
        one_of("ties", ties, TIES)
        rule = rule.changed(ties=ties)
    result = judged_files.score_files(source, annotations, rule, split, seed, lists, depth)
    if out:
        write_json(out, result)
    print(judged.table(result))


def score_css_x(
    queries: Annotated[Path, typer.Option(metavar="FILE", help="features of css-x's queries")],
    gallery: Annotated[Path, typer.Option(metavar="FILE", help="features of css-x's pictures")],
    seed: Annotated[int, typer.Option(callback=check_seed, help="of the bootstrap")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="result as JSON")] = None,
) -> None:
    """Score features of CSS-X: what a model confuses."""
    from cmir_repro.core.files import write_json
    from cmir_repro.core.protocol import preset
    from cmir_repro.experiments import css_x

    found = css_x.of_files(queries, gallery, preset(css_x.NAME), seed)
    if out:
        write_json(out, css_x.as_dict(found))
    print(css_x.text(found))


def server_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.json", help="checked; written first with --from")
    ],
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="circo/official, cirr/recall, cirr/recall_subset")
    ],
    annotations: Annotated[Path, typer.Option(metavar="FOLDER", help="the release")],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="SOURCE", help="as of score-judged")
    ] = None,
    split: Annotated[str, typer.Option(help="test, or val: then it is scored too")] = "test",
) -> None:
    """Write and check what the servers of CIRR and CIRCO score."""
    from cmir_repro.evaluation import server_files

    if source:
        found = server_files.write(file, protocol, annotations, source, split)
    else:
        found = server_files.check(file, protocol, annotations, split)
    print(server_files.text(file, found))


def lists(
    run: Annotated[str, typer.Argument(help="name of a run in the ledger")],
    file: Annotated[Path, typer.Argument(help=".parquet, or .trec; FILE.qrels goes beside it")],
    depth: Annotated[int, typer.Option(help="items a query")] = 100,
) -> None:
    """Write the ranked lists of a run, and what is right."""
    from cmir_repro.core import paths
    from cmir_repro.experiments import run_lists

    for path in run_lists.write(run, file, depth):
        print(paths.shown(path))


def leaderboard(
    result: Annotated[str, typer.Argument(help="a file of --out, or a run in the ledger")],
    out: Annotated[
        Path | None, typer.Argument(help="to write; without it RESULT is read and shown")
    ] = None,
    form: Annotated[
        str, typer.Option(help="mteb (task result, JSON) or card (metadata, YAML)")
    ] = "mteb",
    model: Annotated[str, typer.Option(metavar="NAME", help="of a card")] = "",
) -> None:
    """Results as MTEB or model cards keep them; or show such a file."""
    from cmir_repro.core.errors import naming
    from cmir_repro.data.readers.files import read_json
    from cmir_repro.evaluation import leaderboard as forms
    from cmir_repro.experiments import ledger

    if out is None:
        print(forms.text(forms.read(Path(result))))
        return
    known = result.endswith(".json")
    found = read_json(Path(result), dict) if known else ledger.read(result).result
    with naming(result):
        forms.write(out, found, form, model)
    print(out)
