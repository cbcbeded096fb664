"""Counts that a release must give, computed from the files at hand and compared."""

from collections.abc import Mapping

from cmir_repro.core.errors import InputError


def table(found: Mapping[str, int], expected: Mapping[str, int]) -> str:
    """The counts as aligned text; one that differs says what was expected."""
    width = max(map(len, found)) + 2
    lines = []
    for name, count in found.items():
        differs = name in expected and expected[name] != count
        note = f"   expected {expected[name]:,}" if differs else ""
        lines.append(f"{name:<{width}}{count:>9,}{note}")
    return "\n".join(lines)


def check(found: Mapping[str, int], expected: Mapping[str, int], release: str) -> None:
    """Refuse files that do not give the expected counts.

    Raises:
        InputError: a count differs; the first is named.
    """
    differ = [name for name, count in expected.items() if found.get(name) != count]
    if differ:
        first = differ[0]
        raise InputError(
            f"{len(differ)} of {len(expected)} counts are not those of {release}, first {first}: "
            f"{found.get(first)}, expected {expected[first]}; get the files again, or use what is "
            "there with --partial"
        )
