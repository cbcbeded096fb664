"""The shortcut audit of runs in the ledger."""

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.audit import COMPOSED, SOLVED, Audit, audit
from cmir_repro.evaluation.intervals import Crossed
from cmir_repro.evaluation.verdicts import verdict
from cmir_repro.experiments.ledger import queries
from cmir_repro.experiments.presets.dim import UNIMODAL
from cmir_repro.report import markdown as md
from cmir_repro.report import tables

WITHIN = 10  # the cut-off of what counts as solved on pages


def composition(
    dataset: str,
    scale: str,
    task: str,
    model: str = "TIRG",
    other: str | None = "TIRG + DIM",
) -> Audit:
    """`evaluation.audit` of the runs of one setting, over the seeds that the models share.

    Raises:
        InputError: a method has no run, or the models share no seed.
    """
    compared = [name for name in (model, other) if name is not None]
    found = tables.finished("dim", dataset, scale, task, [*UNIMODAL, *compared])
    lacking = [name for name in (*UNIMODAL, *compared) if name not in found]
    if lacking:
        raise InputError(
            f"{dataset}, {task}, scale {scale} has no run of {', '.join(lacking)}; "
            f"type: cmir grid dim --scale {scale} --dataset {dataset} --method '{lacking[0]}'"
        )
    seeds = set.intersection(*({r.seed for r in found[name]} for name in compared))
    if not seeds:
        raise InputError(f"{model} and {other} share no seed, so they cannot be paired")
    ranks = {
        name: [
            queries(r.run, r.origin).set_index("query")
            for r in records
            if name in UNIMODAL or r.seed in seeds
        ]
        for name, records in found.items()
    }
    image, text = (ranks[name] for name in UNIMODAL)
    return audit(image, text, ranks[model], None if other is None else ranks[other])


def markdown(
    dataset: str, scale: str, task: str, model: str = "TIRG", other: str = "TIRG + DIM"
) -> str:
    """The audit as Markdown: who solves the queries within rank 10, and R@1 on what is left.

    Until all four methods have a run, the words for that.
    """
    needed = [*UNIMODAL, model, other]
    if len(tables.finished("dim", dataset, scale, task, needed)) < len(needed):
        return tables.NO_RUN
    found = composition(dataset, scale, task, model, other)
    shares = found.shares[found.shares["within"] == WITHIN]
    names = {"neither": "neither: needs composition"}
    rows = [
        [
            names.get(row.solved_by, row.solved_by),
            f"{row.percent:.1f} {md.bounds(row)}",
            f"{row.one_run:.1f}",
        ]
        for row in shares.itertuples()
    ]
    head = [f"solved within rank {WITHIN} by", "queries (%) [95 %]", "one run (%)"]
    parts = found.parts[(found.parts["within"] == WITHIN) & (found.parts["metric"] == "R@1")]
    parts = parts[parts["queries"].isin([SOLVED, COMPOSED]) & parts["difference_low"].notna()]
    heads = [
        "queries",
        "number",
        f"R@1 of {model}",
        f"R@1 of {other}",
        "difference [95 %]",
        f"{other} is",
    ]
    gains = [_gain(row, found.seeds, model) for row in parts.itertuples()]
    return "\n".join([*md.table(head, rows), "", *md.table(heads, gains)])


def _gain(row, seeds: int, model: str) -> list[str]:
    gain = Crossed(row.difference, row.difference_low, row.difference_high, seeds)
    return [
        row.queries,
        f"{row.count:,}",
        f"{row.recall:.1f} [{row.low:.1f}, {row.high:.1f}]",
        f"{row.other:.1f} [{row.other_low:.1f}, {row.other_high:.1f}]",
        md.interval(gain),
        f"{verdict(gain)} {model}",
    ]
