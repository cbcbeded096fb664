"""Records of the ledger that may stand in one table."""

from collections.abc import Callable, Iterable

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import only_protocol
from cmir_repro.experiments import ledger


def finished(
    dataset: str, scale: str, task: str, methods: Iterable[str], configure: Callable
) -> dict[str, list[ledger.Record]]:
    """Comparable records of each method, by seed: method -> records.

    Runs of the tables only: those of `methods`, at their own settings and not a reader's variant,
    which a notebook may have put there. All must share protocol, selection rule and data.

    Args:
        configure: called as `configure(dataset, task, scale, method, seed)`: a method's own
            settings.

    Raises:
        InputError: two records do not compare.
    """
    methods = list(methods)
    found = [
        r
        for r in ledger.records(dataset=dataset, scale=scale, task=task)
        if r.method in methods
        and r.config == configure(dataset, task, scale, r.method, r.seed).model_dump(mode="json")
    ]
    if not found:
        return {}
    only_protocol(r.result["protocol"] for r in found)
    check_same("selection rules", {r.selection for r in found})
    check_same("data tables", {r.data["tables"] for r in found})
    by_method: dict[str, list[ledger.Record]] = {}
    for method in methods:
        rows = [r for r in found if r.method == method]
        seeds = [r.seed for r in rows]
        if len(set(seeds)) < len(seeds):
            raise InputError(
                f"the ledger holds two records of {method!r} for one seed: "
                f"{', '.join(r.run for r in rows)}; keep one in results/records"
            )
        if rows:
            by_method[method] = rows
    return by_method


def check_same(what: str, values: set[str]) -> None:
    """Refuse a table of records that differ: there may be one value of `what` only.

    Raises:
        InputError: there are more; all are named.
    """
    if len(values) > 1:
        raise InputError(
            f"one table would mix {what}: {', '.join(sorted(values))}; "
            "remove the records of one of them from results/records"
        )


def machine(record: ledger.Record) -> str:
    """The hardware of a run, for the line below a table."""
    return record.hardware["gpu"] or f"{record.hardware['cores']} cores of {record.hardware['cpu']}"
