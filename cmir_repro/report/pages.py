"""README.md, docs/benchmarks.md and docs/results: prose by hand, tables made from the ledger.

A table stands between <!-- table: NAME --> and <!-- end of table -->, NAME a key of TABLES.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError, one_of
from cmir_repro.core.files import write_text
from cmir_repro.report import (
    ablation,
    composition,
    exchange,
    overview,
    protocols,
    published,
    reach,
    scorecard,
    settings,
    summary,
    tables,
)
from cmir_repro.report.results_page import figures

README, BENCHMARKS, RESULTS = "README.md", "docs/benchmarks.md", "docs/results"
START, STOP = "<!-- table: {} -->", "<!-- end of table -->"
_MARKER = re.compile(r"<!-- (?:table: (?P<name>\S*)|end of table) -->")


def _recalls(protocol: str) -> str:
    return published.markdown(published.recalls(protocol), decimals=1)


def _composed(dataset: str) -> str:
    return published.markdown(published.composed(dataset), decimals=2)


def _two_galleries() -> str:
    table = published.two_galleries().reset_index()
    return published.markdown(table.assign(certainty="secondary"), decimals=2)


def _codes(dataset: str) -> str:
    return published.markdown(published.codes(dataset), decimals=2)


# System -> the task that settings are searched on.
_SEARCHED = {"dim": "3d-3d", "aai": "3d", "crcgs": "3d-colour-shape"}
# Name of a table -> what makes its Markdown from the ledgers.
TABLES: dict[str, Callable[[], str]] = {
    "summary": summary.markdown,
    "overview": overview.markdown,
    "scorecard": scorecard.markdown,
    "findings": scorecard.findings,
    "css-mini-3d-3d": partial(tables.markdown, "dim", "css", "mini", "3d-3d"),
    "css-mini-2d-3d": partial(tables.markdown, "dim", "css", "mini", "2d-3d"),
    "photos-mini": partial(tables.markdown, "dim", "photos", "mini", "photo"),
    "audit-css-mini-3d-3d": partial(composition.markdown, "css", "mini", "3d-3d"),
    "audit-photos-mini": partial(composition.markdown, "photos", "mini", "photo"),
    "css-full-3d-3d": partial(tables.markdown, "dim", "css", "full", "3d-3d"),
    "audit-css-full-3d-3d": partial(composition.markdown, "css", "full", "3d-3d"),
    **{
        f"ablation-css-{scale}-3d-3d": partial(ablation.markdown, "css", scale, "3d-3d")
        for scale in ("mini", "full")
    },
    "reach-css-full-3d-3d": partial(reach.markdown, "css", "full", "3d-3d"),
    "css-full-2d-3d": partial(tables.markdown, "dim", "css", "full", "2d-3d"),
    "css-paper-3d-3d": partial(tables.markdown, "dim", "css", "paper", "3d-3d"),
    "css-paper-2d-3d": partial(tables.markdown, "dim", "css", "paper", "2d-3d"),
    "aai-css-mini-3d": partial(tables.markdown, "aai", "css", "mini", "3d"),
    "aai-photo-names-mini": partial(tables.markdown, "aai", "photo-names", "mini", "photo"),
    "aai-coco-pictures-mini": partial(tables.markdown, "aai", "coco-pictures", "mini", "photo"),
    "aai-css-full-3d": partial(tables.markdown, "aai", "css", "full", "3d"),
    "aai-css-paper-3d": partial(tables.markdown, "aai", "css", "paper", "3d"),
    "crcgs-css-mini": partial(tables.markdown, "crcgs", "css", "mini", "3d-colour-shape"),
    "crcgs-wikipedia-mini": partial(tables.markdown, "crcgs", "wikipedia", "mini", "labels"),
    "crcgs-photos-tags-mini": partial(tables.markdown, "crcgs", "photos-tags", "mini", "labels"),
    "crcgs-css-full": partial(tables.markdown, "crcgs", "css", "full", "3d-colour-shape"),
    "crcgs-css-paper": partial(tables.markdown, "crcgs", "css", "paper", "3d-colour-shape"),
    "protocols": protocols.markdown,
    "figures": figures.markdown,
    **{
        f"settings-{system}-css-full": partial(settings.markdown, system, "css", "full", task)
        for system, task in _SEARCHED.items()
    },
    **{
        f"validation-{system}-css-{scale}": partial(settings.predicts, system, "css", scale, task)
        for system, task in _SEARCHED.items()
        for scale in ("full", "mini")
    },
    **{f"published-{name}": partial(_composed, name) for name in published.known("composed")},
    "published-two-galleries": _two_galleries,
    **{f"exchange-{name}": partial(exchange.markdown, name) for name in exchange.REFERENCES},
    "published-flickr30k": partial(_recalls, "flickr30k-1k"),
    "published-coco-1k": partial(_recalls, "coco-1k-5fold"),
    "published-coco-5k": partial(_recalls, "coco-5k"),
    "published-mirflickr": partial(_codes, "mirflickr"),
    "published-nuswide": partial(_codes, "nuswide"),
    "published-coco-hashing": partial(_codes, "coco"),
}


def filled(text: str, where: str = "the page") -> str:
    """A page with each marked table replaced by what the ledgers say.

    Args:
        where: what errors call the page.

    Raises:
        InputError: an unknown table, or a marker without its other half.
    """
    parts, place, opened = [], 0, None
    for marker in _MARKER.finditer(text):
        name = marker["name"]
        if name is None and opened is None:
            raise InputError(f"{where}: {STOP} ends no table")
        if name is not None and opened is not None:
            raise InputError(f"{where}: table {opened} is not ended by {STOP}")
        if name is None:
            parts += ["\n", TABLES[opened](), "\n"]
            place = marker.start()
        else:
            one_of(f"{where}: table", name, TABLES)
            parts.append(text[place : marker.end()])
        opened = name
    if opened is not None:
        raise InputError(f"{where}: table {opened} is not ended by {STOP}")
    return "".join([*parts, text[place:]])


def write() -> list[Path]:
    """Write the tables of the committed ledger into the pages; for maintainers.

    Returns:
        The pages that were written: those that differed.

    Raises:
        InputError: unusable records or markers, or no pages to write to.
    """
    stale = _stale()
    for page, text in stale.items():
        write_text(page, text)
    return list(stale)


def check() -> list[Path]:
    """The pages that do not show what the committed ledger says; errors as in `write`."""
    return list(_stale())


def complaint(differing: list[Path]) -> str:
    """What to tell of pages that differ, and what to type."""
    names = ", ".join(paths.shown(page) for page in differing)
    return f"tables differ from the committed ledger: {names}; type: cmir tables --pages"


def files() -> list[Path]:
    """README.md, the page of benchmarks and those of results.

    Raises:
        InputError: there is no checkout.
    """
    checkout = paths.checkout()
    if checkout is None:
        raise InputError("there are no pages here; type this in a clone of the repository")
    benchmarks = checkout / BENCHMARKS
    return [
        checkout / README,
        *[benchmarks] * benchmarks.exists(),
        *sorted((checkout / RESULTS).glob("*.md")),
    ]


def _stale() -> dict[Path, str]:
    """Pages that differ from the committed ledger -> what they should hold."""
    differing = {}
    with _committed_only():
        for page in files():
            text = page.read_text(encoding="utf-8")
            made = filled(text, paths.shown(page))
            if made != text:
                differing[page] = made
    return differing


@contextmanager
def _committed_only() -> Iterator[None]:
    """A while in which the user's ledger is an empty folder."""
    before = os.environ.get("CMIR_RESULTS")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["CMIR_RESULTS"] = empty
        try:
            yield
        finally:
            os.environ.pop("CMIR_RESULTS")
            if before is not None:
                os.environ["CMIR_RESULTS"] = before
