"""Methods of composed retrieval against data sets: what runs, and how often it has."""

from typing import NamedTuple

from cmir_repro.experiments.presets.dim import FUSIONS, UNIMODAL, WITH_DIM
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.report import markdown as md
from cmir_repro.report import tables


class Column(NamedTuple):
    """A data set, or one task of it, in the overview."""

    title: str
    dataset: str
    task: str
    protocol: str
    one_attribute: bool = False  # texts are one attribute


COLUMNS = (
    Column("CSS 3D", "css", "3d-3d", "tirg/css"),
    Column("CSS 2D-3D", "css", "2d-3d", "tirg/css"),
    Column("photos", "photos", "photo", "own/same-caption"),
    Column("Fashion200k", "fashion200k", "photo", "tirg/fashion200k"),
    Column("MIT-States", "mitstates", "photo", "tirg/mitstates", one_attribute=True),
    # What a run is scored by; features of any origin, and runs too, under all others of these
    # data sets: see captioned and official_scores.
    Column("FashionIQ", "fashioniq", "photo", "fashioniq/val-all"),
    Column("CIRR", "cirr", "photo", "cirr/val-all"),
)


def markdown() -> str:
    """Methods x data sets x protocols as a Markdown table of numbers of seeds."""
    found = {c: tables.finished("dim", c.dataset, "mini", c.task) for c in COLUMNS}
    rows = [
        [method, *(_seeds(method, compositor, column, found[column]) for column in COLUMNS)]
        for method, compositor in (UNIMODAL | FUSIONS).items()
    ]
    return "\n".join(md.table(["method", *(f"{c.title}<br>`{c.protocol}`" for c in COLUMNS)], rows))


def _seeds(method: str, compositor: str, column: Column, found: dict) -> str:
    if COMPOSITORS[compositor].one_attribute and not column.one_attribute:
        return "–"
    with_dim = found.get(method + WITH_DIM, [])
    if not found.get(method) and not with_dim:
        return "trains"
    counts = [len(found.get(method, [])), *([len(with_dim)] if method in FUSIONS else [])]
    return " + ".join(map(str, counts))
