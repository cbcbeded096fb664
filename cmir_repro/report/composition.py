"""The shortcut audit of runs in the ledger."""

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.audit import Audit, audit
from cmir_repro.experiments.ledger import queries
from cmir_repro.experiments.presets.dim import UNIMODAL
from cmir_repro.report import tables


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
            queries(r.run, r.origin).set_index("query")["rank"]
            for r in records
            if name in UNIMODAL or r.seed in seeds
        ]
        for name, records in found.items()
    }
    image, text = (ranks[name] for name in UNIMODAL)
    return audit(image, text, ranks[model], None if other is None else ranks[other])
