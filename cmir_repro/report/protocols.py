"""The protocols as a table: what each implements, and the command that scores it."""

from cmir_repro.core.protocol import ALIASES, PRESETS, Protocol
from cmir_repro.core.scorers import SCORERS


def markdown() -> str:
    """A row for each preset, in the order of PRESETS."""
    also: dict[str, list[str]] = {}
    for other, name in ALIASES.items():
        also.setdefault(name, []).append(f"`{other}`")
    lines = [
        "| preset | command | gallery | source image | right | measures |",
        "|---|---|---|---|---|---|",
    ]
    for name, p in PRESETS.items():
        names = ", ".join([f"`{name}`", *also.get(name, ())])
        source = "left out" if p.drop_source else "kept"
        cells = names, f"`{SCORERS[p.scorer]}`", p.gallery, source, p.relevance, _measures(p)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _measures(p: Protocol) -> str:
    """What is measured, in the names that results have, and how it is averaged."""
    ks = "/".join(map(str, p.cutoffs))
    if p.measures:
        named = [name for name in p.measures if not name.startswith("R@")]
        return ", ".join([*named, f"R@{ks}"])
    if p.depths:
        return f"{', '.join(f'MAP@{depth}' for depth in p.depths)}, P@{ks}, {p.similarity}"
    if p.direction:
        folds = f", mean of {p.folds} folds" if p.folds else ""
        return f"R@{ks} both ways, RSUM{folds}"
    subset = f", R_s@{'/'.join(map(str, p.subset_cutoffs))}" if p.subset_cutoffs else ""
    captions = f"; captions: {p.captions}" if p.captions else ""
    return f"R@{ks}{subset}, {p.aggregate}{captions}"
