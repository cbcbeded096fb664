"""Records of the ledger that may stand in one table."""

from collections.abc import Callable, Iterable, Mapping

from cmir_repro.core.errors import InputError, first
from cmir_repro.core.protocol import only_protocol
from cmir_repro.experiments import identity, ledger, versions
from cmir_repro.experiments.presets.base import RunConfig


def finished(
    dataset: str,
    scale: str,
    task: str,
    methods: Iterable[str],
    configure: Callable,
    origin: str | None = None,
) -> dict[str, list[ledger.Record]]:
    """Comparable records of each method, by seed: method -> records.

    Runs of the tables only: those of `methods`, at their own settings and not a reader's variant,
    which a notebook may have put there. All must share protocol, selection rule, data and versions.

    Args:
        configure: called as `configure(dataset, task, scale, method, seed)`: a method's own
            settings.
        origin: the ledger that is read; by default the committed one, so that a table says the
            same wherever it is made, and the user's where that has nothing of this setting.

    Raises:
        InputError: two records do not compare.
    """
    methods, found = list(methods), []
    for each in (origin,) if origin else (ledger.COMMITTED, ledger.OWN):
        found = found or [
            r
            for r in ledger.records(each, dataset=dataset, scale=scale, task=task)
            if r.method in methods
            and as_configured(r, configure(dataset, task, scale, r.method, r.seed))
        ]
    if not found:
        return {}
    only_protocol(r.result["protocol"] for r in found)
    check_same("selection rules", {r.selection for r in found})
    check_same("data tables", {r.data["tables"] for r in found})
    check_versions(found)
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


def as_configured(record: ledger.Record, config: RunConfig) -> bool:
    """Whether a record is of this configuration, as it is or as small data changed it.

    The name of a run is that of what was asked for; see `Experiment.suit`.
    """
    return record.config == config.model_dump(mode="json") or record.run == identity.name(config)


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


def check_versions(records: Iterable[ledger.Record]) -> None:
    """Refuse a table whose records were made by different versions of one component.

    Raises:
        InputError: they were; the component, its versions and the records of each are named.
    """
    made: dict[str, dict[int, list[str]]] = {}
    for record in records:
        for component, version in record.versions.items():
            made.setdefault(component, {}).setdefault(version, []).append(record.run)
    for component, by_version in made.items():
        if len(by_version) > 1:
            each = [f"{v} ({first(runs)})" for v, runs in sorted(by_version.items())]
            raise InputError(
                f"one table would mix versions of {component!r}: {' and '.join(each)}; run those "
                "of the older version again, or remove their records from results/records"
            )


def stale(records: Iterable[ledger.Record], configure: Callable) -> list[ledger.Record]:
    """Those that another version of something made than a run would be made by now.

    Args:
        configure: as in `finished`.
    """
    return [
        r
        for r in records
        if r.versions != versions.used(configure(r.dataset, r.task, r.scale, r.method, r.seed))
    ]


def remarks(by_method: Mapping[str, list[ledger.Record]], configure: Callable) -> list[str]:
    """Lines below a table: which records are stale, and which come from a changed tree."""
    every = [r for records in by_method.values() for r in records]
    old = stale(every, configure)
    dirty = [r for r in every if r.code.get("dirty") is True]
    found = []
    if old:
        found.append(
            f"{len(old)} of {len(every)} records are stale, made by versions that are no longer "
            f"those of the code: {first([r.run for r in old])}."
        )
    if dirty:
        found.append(
            f"{len(dirty)} of {len(every)} records were made by code that the commit they name "
            f"does not hold: {first([r.run for r in dirty])}."
        )
    return ["", " ".join(found)] if found else []


def machine(record: ledger.Record) -> str:
    """The hardware of a run, for the line below a table."""
    return record.hardware["gpu"] or f"{record.hardware['cores']} cores of {record.hardware['cpu']}"
