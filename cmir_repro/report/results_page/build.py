"""`results.html`: every number can be opened.

One file with everything in it, which a browser opens from disk, without a server or the network.
Data and libraries are packed by gzip, which browsers unpack: DataTables as itables brings it, and
plotly.
"""

import base64
import gzip
import json
from importlib.resources import files
from pathlib import Path
from string import Template

import itables
import plotly
from plotly.offline import get_plotlyjs

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import write_text
from cmir_repro.experiments.ledger import Record
from cmir_repro.report.results_page import answers, figures, queries, records
from cmir_repro.report.results_page.album import Album

MOST_BYTES = 10_000_000  # of the page
NAME = "results.html"


def write(path: Path | None = None) -> Path:
    """Write the page; gives the file.

    Args:
        path: by default `results.html` in the user's workspace.

    Raises:
        InputError: there is no readable record in any ledger, the page would be larger than
            MOST_BYTES, or the file cannot be written.
    """
    path = paths.home() / NAME if path is None else Path(path)
    text = page(content())
    if len(text.encode()) > MOST_BYTES:
        raise InputError(
            f"{path.name} would have {len(text.encode()):,} bytes, more than {MOST_BYTES:,}; "
            "move some records to another ledger (CMIR_RESULTS)"
        )
    write_text(path, text)
    return path


def content() -> dict:
    """All that the page shows, as JSON values.

    Returns:
        runs: rows as in `records.row`, with set and values (how each query did) and curves;
        sets: of queries, see `records.asked_sets`, with shown and answers; pictures: WebP in
        base64; figures: see `figures.figures`; notes: sentences of what is left out, and why.

    Raises:
        InputError: there is no readable record in any ledger.
    """
    found, notes = records.records()
    if not found:
        raise InputError(
            notes[0] if notes else "no ledger holds a run yet, so there is nothing to report; "
            "cmir run makes one"
        )  # fmt: skip
    sets, values, lost = records.asked_sets(found)
    notes += lost
    runs = [_run(record, values.get(record.run), notes) for record in found]
    album = Album()
    trained, lost = answers.models()
    notes += lost
    for one in sets:
        notes += _look_at(one, album, trained)
    notes += album.lost
    if album.left_out:
        notes.append(f"{album.left_out:,} more pictures would make the page too large.")
    return {
        "runs": runs,
        "sets": sets,
        "pictures": album.pictures,
        "figures": figures.figures(found),
        "notes": list(dict.fromkeys(notes)),
    }


def page(shown: dict) -> str:
    """The page that shows `content()`."""
    here = files(__package__)
    bundle = Path(itables.__file__).parent / "html" / "dt_bundle.js"
    pictures = shown["pictures"]
    parts = {
        "style": bundle.with_suffix(".css").read_text() + here.joinpath("page.css").read_text(),
        "data": _packed(json.dumps({**shown, "pictures": []}, separators=(",", ":"))),
        "pictures": json.dumps(pictures),  # packed already
        "tables": _packed(bundle.read_text()),
        "plots": _packed(get_plotlyjs()),
        "script": here.joinpath("page.js").read_text(),
        "versions": f"itables {itables.__version__}, plotly {plotly.__version__}",
        "count": f"{len(shown['runs']):,}",
    }
    return Template(here.joinpath("page.html").read_text()).substitute(parts)


def _run(record: Record, values: tuple[int, list] | None, notes: list[str]) -> dict:
    found = records.row(record)
    found["set"], found["values"] = values or (None, None)
    found["curves"] = {}
    if record.kind == "run":
        try:
            found["curves"] = records.curves(record)
        except InputError as error:
            notes.append(f"The learning curve of a run is left out: {error}.")
    return found


def _look_at(one: dict, album: Album, trained: list) -> list[str]:
    """Give a set what its queries look like, and the answers to some; sentences of what lacks."""
    one |= {"shown": [], "asked": [], "answers": []}
    try:
        looks = queries.looks(one, album)
    except InputError as error:
        return [f"Pictures and texts of {one['name']} are left out: {error}."]
    if looks is None:
        return []
    one["asked"], one["answers"], lost = answers.of_set(trained, one, looks)
    one["shown"] = [looks.query(*key) for key in one["keys"]]
    return lost


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
