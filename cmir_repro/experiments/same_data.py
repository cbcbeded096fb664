"""Whether a data set is the one that the committed records of its name speak of."""

from cmir_repro.experiments import ledger


def published(dataset: str, scale: str) -> set[str]:
    """Digests of the tables of the committed records of a data set and scale."""
    found = ledger.records(ledger.COMMITTED, dataset=dataset, scale=scale)
    return {record.data["tables"] for record in found}


def unlike(dataset: str, scale: str, tables: str) -> str:
    """A sentence where the data are others than those of the committed records, else "".

    Args:
        tables: `tables_sha256` of dataset.json.
    """
    known = published(dataset, scale)
    if not known or tables in known:
        return ""
    theirs = ", ".join(sorted(digest[:12] for digest in known))
    return (
        f"{dataset}, scale {scale}: the tables ({tables[:12]}) are not those of the published "
        f"records ({theirs}), so the numbers are of other data under the same name"
    )
