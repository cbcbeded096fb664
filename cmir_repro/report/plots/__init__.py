"""The figures: arrays and tables in, a matplotlib figure out.

Functions return a closed `Figure`: a notebook shows it once, as the last value of a cell, and
nothing stays behind in pyplot.
"""

from cmir_repro.report.plots.alt import alt_text, describe_figures
from cmir_repro.report.plots.audit import composition_dots
from cmir_repro.report.plots.bars import value_bars
from cmir_repro.report.plots.curves import (
    bits_against_map,
    learning_curves,
    pooling_curves,
    precision_recall_curves,
    setting_curves,
)
from cmir_repro.report.plots.diagnosis import dots_by_row
from cmir_repro.report.plots.galleries import index_curves
from cmir_repro.report.plots.gap import gap_panels, gap_statistics
from cmir_repro.report.plots.intervals import difference_intervals, recall_intervals
from cmir_repro.report.plots.pictures import (
    attention_rows,
    edit_rows,
    image_grid,
    retrieval_rows,
    sentence_rows,
    shared_label_rows,
    tagged,
)
from cmir_repro.report.plots.released import depth_curves, force_panels, order_dots
from cmir_repro.report.plots.style import save_figure, style

__all__ = [
    "alt_text",
    "attention_rows",
    "bits_against_map",
    "composition_dots",
    "depth_curves",
    "describe_figures",
    "difference_intervals",
    "dots_by_row",
    "edit_rows",
    "force_panels",
    "gap_panels",
    "gap_statistics",
    "image_grid",
    "index_curves",
    "learning_curves",
    "order_dots",
    "pooling_curves",
    "precision_recall_curves",
    "recall_intervals",
    "retrieval_rows",
    "save_figure",
    "sentence_rows",
    "setting_curves",
    "shared_label_rows",
    "style",
    "tagged",
    "value_bars",
]
