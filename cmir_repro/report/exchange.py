"""The page on the exchange rate of protocols: tables of notebook 07, which lie with the figures."""

import pandas as pd

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import atomic
from cmir_repro.evaluation import exchange
from cmir_repro.report import markdown as md

# Name of a table's file, exchange-NAME.csv -> the rule that others are compared with.
REFERENCES = {"css": "tirg/css", "fashioniq": "fashioniq/original"}


def save(name: str, table: pd.DataFrame) -> None:
    """Keep a table of `evaluation.exchange` among the figures: exchange-NAME.csv.

    Raises:
        InputError: the folder cannot be written.
    """
    with atomic(paths.figures() / f"exchange-{name}.csv") as temporary:
        table.round(3).to_csv(temporary)


def markdown(name: str) -> str:
    """A committed table, and below it how far each rule lies from the reference.

    Raises:
        InputError: the file is missing.
    """
    path = (paths.committed_figures() or paths.figures()) / f"exchange-{name}.csv"
    if not path.is_file():
        raise InputError(f"{path} does not exist; notebook 07 makes it")
    table, reference = pd.read_csv(path, index_col="vectors"), REFERENCES[name]
    first = [[kind, *(f"{value:.1f}" for value in row)] for kind, row in table.T.items()]
    far = exchange.rates(table, reference)
    second = [[rule, *(f"{value:+.1f}" for value in row)] for rule, row in far.T.items()]
    head = [f"points above `{reference}`", "smallest", "mean", "largest", "apart"]
    return "\n".join([*md.table(["vectors", *table], first), "", *md.table(head, second)])
