"""What every script does around writing: audit, open again what is there, and tell.

The audit: counts that a release must give, computed from the files at hand and compared.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare.cautions import cautions
from cmir_repro.data.prepared import Prepared


def audit(
    found: Mapping[str, int], expected: Mapping[str, int], release: str, partial: bool = False
) -> None:
    """Print the counts and refuse files that do not give the expected ones.

    Args:
        found, expected: count by fact. release: what is checked, for the message.
        partial: print only.

    Raises:
        InputError: a count differs; the first is named.
    """
    print(audit_table(found, expected))
    differ = [name for name, count in expected.items() if found.get(name) != count]
    if differ and not partial:
        first = differ[0]
        raise InputError(
            f"{len(differ)} of {len(expected)} counts are not those of {release}, first {first}: "
            f"{found.get(first)}, expected {expected[first]}; get the files again, or use what is "
            "there with --partial"
        )


def audit_table(found: Mapping[str, int], expected: Mapping[str, int]) -> str:
    """The counts as aligned text; one that differs says what was expected."""
    width = max(map(len, found)) + 2
    lines = []
    for name, count in found.items():
        differs = name in expected and expected[name] != count
        note = f"   expected {expected[name]:,}" if differs else ""
        lines.append(f"{name:<{width}}{count:>9,}{note}")
    return "\n".join(lines)


def tables_hash(images: pd.DataFrame, queries: pd.DataFrame) -> str:
    """Digest of what the tables say, free of file format: the same on every machine."""
    text = images.to_csv(index=False) + queries.to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()


def some(names: Sequence[str]) -> str:
    """How many, and the first of them."""
    names = list(names)
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"{len(names):,} ({listed})" if names else "0"


def digest(digests: Sequence[str]) -> str:
    """One digest of many."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def reopen(folder: Path, wanted: Mapping[str, object]) -> Prepared:
    """The prepared data set in `folder`, for a second run of a script that asks for the same.

    Args:
        wanted: values that its dataset.json must hold, itself or under "provenance".

    Raises:
        InputError: a value differs, or the data set is damaged.
    """
    found = Prepared(folder)
    is_now = {**found.info, **found.info["provenance"]}
    for key, value in wanted.items():
        before = is_now.get(key)
        if before != value:
            # A digest, or a table of them, tells the reader nothing.
            short = "sha256" not in key and not isinstance(value, dict)
            what = f"{key} {before!r}, now asked for {value!r}" if short else f"other {key}"
            raise InputError(
                f"{paths.shown(folder)} was prepared with {what}; delete its dataset.json first "
                "(pixels that stay the same are kept)"
            )
    return found


# In the coverage: how many there were, and how many of them were lost or are here.
_COUNTED = (("images", "missing", "pictures"), ("queries", "lost", "queries"),
            ("sentences", "lost", "sentences"))  # fmt: skip


def nothing_left(coverage: Mapping[str, Mapping[str, int]]) -> list[str]:
    """In words, the splits of which all pictures, queries or sentences are missing."""
    out = []
    for where, part in coverage.items():
        for whole, gone, what in _COUNTED:
            if part.get(whole) and part[whole] == part.get(gone):
                out.append(f"nothing is left of {where}: all {part[whole]:,} {what} are missing")
        if part.get("listed") and not part["here"]:
            out.append(f"nothing is left of {where}: all {part['listed']:,} are missing")
    return out


def tell(data: Prepared) -> Prepared:
    """Print what was prepared: where it lies, counts, coverage, audit, and what was left out.

    Returns:
        What was given.
    """
    info = data.info
    print(f"{info['name']} ({info['provenance']['kind']}) in {paths.shown(data.folder)}, pixels: "
          f"{', '.join(data.views) or 'none'}, protocol: {info['protocol']}")  # fmt: skip
    print(data.counts().to_string())
    for file in info.get("differs", ()):
        print(f"not as published, and so in the protocol's name: {file}")
    for line in cautions(data):
        print(line)
    if "coverage" in info:
        print(pd.DataFrame(info["coverage"]).T.to_string())
        for line in nothing_left(info["coverage"]):
            print(line)
    if info.get("audit"):
        print(pd.DataFrame(info["audit"], dtype=object).fillna("unknown").to_string(index=False))
    for what, count in {**info.get("pictures", {}), **info.get("overlap", {})}.items():
        print(f"{what}: {count:,}")
    for line in info["left_out"]:
        print(f"left out: {line}")
    return data
