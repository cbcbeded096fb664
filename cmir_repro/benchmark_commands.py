"""Commands of `cmir` for benchmarks, their servers and leaderboards: one thin function each."""

from pathlib import Path
from typing import Annotated

import typer

from cmir_repro.command_line import RESULT, Preset, Ties, chosen, finish
from cmir_repro.core.errors import check_seed
from cmir_repro.core.files import check_output


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
    from cmir_repro.evaluation import judged, judged_files, ranked_lists

    # A folder's features end in .npz, so that what is written may lie among them and be replaced.
    read = annotations, None if source.is_dir() else source
    check_output(out, RESULT, *read)
    check_output(lists, ranked_lists.WRITTEN, *read)
    check_output(lists and Path(f"{lists}.qrels"), (".qrels",), *read)
    rule = chosen(protocol, ties, "judged")
    result = judged_files.score_files(source, annotations, rule, split, seed, lists, depth)
    finish(result, judged.table(result), out)


def score_css_x(
    queries: Annotated[Path, typer.Option(metavar="FILE", help="features of css-x's queries")],
    gallery: Annotated[Path, typer.Option(metavar="FILE", help="features of css-x's pictures")],
    seed: Annotated[int, typer.Option(callback=check_seed, help="of the bootstrap")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="result as JSON")] = None,
) -> None:
    """Score features of CSS-X: what a model confuses."""
    from cmir_repro.core.protocol import preset
    from cmir_repro.experiments import css_x

    check_output(out, RESULT, queries, gallery)
    found = css_x.of_files(queries, gallery, preset(css_x.NAME), seed)
    finish(css_x.as_dict(found), css_x.text(found), out)


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
        check_output(file, RESULT, annotations, None if source.is_dir() else source)
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
    from cmir_repro.evaluation.ranked_lists import WRITTEN
    from cmir_repro.experiments import run_lists

    check_output(file, WRITTEN)
    for path in run_lists.write(run, file, depth):
        print(paths.shown(path))


def leaderboard(
    result: Annotated[
        str, typer.Argument(help="a run in the ledger, or a file of --out; to show: MTEB's, a card")
    ],
    out: Annotated[Path | None, typer.Argument(help="to write; without it RESULT is shown")] = None,
    form: Annotated[
        str, typer.Option(help="mteb (task result, JSON) or card (metadata, YAML)")
    ] = "mteb",
    model: Annotated[str, typer.Option(metavar="NAME", help="of a card")] = "",
) -> None:
    """Results as MTEB or model cards keep them; or show a result in any form."""
    from cmir_repro.core.errors import naming
    from cmir_repro.data.readers.files import read_json
    from cmir_repro.evaluation import leaderboard as forms
    from cmir_repro.experiments import ledger

    file = result.endswith((*RESULT, *forms.CARDS))
    if out is None:
        found = forms.read(Path(result)) if file else forms.shown(ledger.read(result).result)
        print(forms.text(found))
        return
    check_output(out, forms.CARDS if form == "card" else RESULT, result)
    found = read_json(Path(result), dict) if file else ledger.read(result).result
    with naming(result):
        forms.write(out, found, form, model)
    print(out)
