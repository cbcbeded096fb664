"""One colour and one marker for a method, in every figure.

A paper's own method is the vermilion triangle and what it is measured against the blue circle: of
DIM every fusion network with it and the same without.
"""

from collections.abc import Iterable

from cmir_repro.experiments.presets import aai, crcgs, dim
from cmir_repro.report.plots.style import COLORS, MARKERS, look

_REFERENCE, _OWN = look(0), look(1)
# Those that stand beside one another as lines.
_LOOKS = {
    "Image only": look(2),
    "Text only": look(3),
    aai.REFERENCE: _REFERENCE,
    aai.FULL: _OWN,
    crcgs.REFERENCE: _REFERENCE,
    crcgs.FULL: _OWN,
    "CCA, ITQ": look(2),
    "DCMH": look(3),
    "Released": look(4),
    "DSCMR": look(5),
}


def look_of(method: str) -> tuple[str, str] | None:
    """Colour and marker of a method; None where it has none of its own."""
    if method.endswith(dim.WITH_DIM):
        return _OWN
    return _LOOKS.get(method) or (_REFERENCE if method in dim.FUSIONS else None)


def looks(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each line of a figure, no two alike.

    Methods have their own; other names, and a second fusion network, the first that is free.
    """
    names, found = list(dict.fromkeys(names)), {}
    for name in names:
        own = look_of(name)
        if own is not None and own not in found.values():
            found[name] = own
    free = (look(i) for i in range(len(COLORS) * len(MARKERS)))
    taken = set(found.values())
    for name in names:
        if name not in found:
            found[name] = next(one for one in free if one not in taken)
    return found
