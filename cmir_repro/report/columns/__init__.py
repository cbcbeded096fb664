"""What the tables of each system show; `tables` does the rest. A system is one file more."""

from cmir_repro.report.columns.aai import AAI
from cmir_repro.report.columns.base import Columns
from cmir_repro.report.columns.crcgs import CRCGS
from cmir_repro.report.columns.dim import DIM

COLUMNS: dict[str, Columns] = {"dim": DIM, "aai": AAI, "crcgs": CRCGS}
