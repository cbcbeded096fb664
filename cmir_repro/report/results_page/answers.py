"""The first answers to some queries, by the trained models that are here.

Lists are not kept in the ledger: they are made when the page is, by the models that came along and
those that the user exported (`cmir export RUN`), among the test data of scale mini. A model of
another scale answers them too; its name says so.
"""

import numpy as np

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.judged import top
from cmir_repro.experiments import shared
from cmir_repro.report.results_page.queries import Looks

SCALE = "mini"
FIRST = 8  # answers of a query
ASKED = 48  # queries of a set, half in either direction where there are two


def models() -> tuple[list[shared.Shared], list[str]]:
    """The models that are here, and a sentence for each that cannot be read."""
    found, lost = [], []
    for name in shared.names():
        try:
            found.append(shared.load(name))
        except InputError as error:
            lost.append(f"The answers of a model are left out: {error}.")
    return sorted(found, key=lambda m: (m.config.scale, m.record.run)), lost


def chosen(keys: list[list[str]]) -> list[int]:
    """Places of the queries of a set that are answered, at even distances."""
    ways = list(dict.fromkeys(direction for direction, _ in keys))
    rows = []
    for way in ways:
        there = [n for n, (direction, _) in enumerate(keys) if direction == way]
        even = np.linspace(0, len(there) - 1, min(len(there), ASKED // len(ways)))
        rows += [there[i] for i in np.unique(even.astype(int))]
    return rows


def answers(model: shared.Shared, asked: dict, rows: list[int], looks: Looks) -> dict:
    """A model's first answers to queries of a set, see `records.asked_sets`.

    Args:
        rows: which queries.

    Returns:
        model: its name; found: place of the query -> at most FIRST triples (picture, text, 1 where
        it is right), best first.

    Raises:
        InputError: the data that the model needs are not here.
    """
    experiment = model.experiment(SCALE)
    encode = getattr(experiment, "encode", None)  # of CRCGS: without the hash heads
    features = encode(model.model) if encode else experiment.features(model.model, None)
    place = {tuple(asked["keys"][n]): n for n in rows}
    found = {}
    for way, (judged, scores) in experiment.rankings(features).items():
        right = dict(zip(judged.ids.tolist(), judged.relevant, strict=True))
        wanted = {query for direction, query in place if direction == way}
        first = top(judged, scores, experiment.protocol, FIRST, only=wanted)
        for query, best in first.items():
            hits = np.isin(best.items, right[query]).astype(int).tolist()
            items = [looks.item(way, name) for name in best.items.tolist()]
            found[place[way, query]] = [[*x, h] for x, h in zip(items, hits, strict=True)]
    trained = model.config.scale
    name = model.record.method + ("" if trained == SCALE else f", trained at {trained}")
    return {"model": name, "found": found}


def of_set(
    trained: list[shared.Shared], asked: dict, looks: Looks
) -> tuple[list[int], list[dict], list[str]]:
    """Which queries of a set are answered, every fitting model's answers, and what was left out."""
    fitting = [
        m
        for m in trained
        if (m.config.system, m.config.dataset, m.config.task, SCALE)
        == (asked["system"], asked["dataset"], asked["task"], asked["scale"])
    ]
    rows, found, lost = chosen(asked["keys"]), [], []
    for model in fitting:
        try:
            found.append(answers(model, asked, rows, looks))
        except InputError as error:
            lost.append(f"The answers of {model.record.run} are left out: {error}.")
    return (rows if found else []), found, lost
