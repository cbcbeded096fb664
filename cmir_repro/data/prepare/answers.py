"""Queries of a source and a text that lead to several targets: one query with several answers.

Else each target would count the others as wrong. Texts are one where the vocabulary sees the same
words.
"""

import pandas as pd

from cmir_repro.data.prepared import ALSO
from cmir_repro.data.tokenizers import tokens_of


def merged(queries: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The queries, rows that say the same as one; of val and test with all answers in one row.

    Training keeps a row a target: each is an example (our choice).

    Args:
        queries: split, source, target, text.

    Returns:
        The rows that stay, with a column `also` (see `data.prepared`) where one is needed; and
        what was merged, counted.
    """
    asked = queries.assign(text=[" ".join(tokens_of(text)) for text in queries["text"]])
    again = asked.duplicated(["split", "source", "text", "target"])
    queries, asked = queries[~again], asked[~again]
    groups = asked.groupby(["source", "text"], sort=False)["target"]
    several, first = groups.transform("size") > 1, groups.cumcount() == 0
    train = asked["split"] == "train"
    counts = {
        "rows that repeat an earlier one, left out": int(again.sum()),
        "queries with several right answers": int((several & first & ~train).sum()),
        "right answers of these": int((several & ~train).sum()),
        "training rows of a source and a text with several targets": int((several & train).sum()),
    }
    if (several & ~train).any():
        targets = groups.transform(lambda ids: ALSO.join(ids.iloc[1:]))
        queries = queries.assign(also=targets.where(several & ~train, ""))[train | first]
    return queries.reset_index(drop=True), counts
