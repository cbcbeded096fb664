"""The figures of the notebooks, each with the command and the records it is made from."""

import base64
import io
import shlex
from pathlib import Path

from PIL import Image

from cmir_repro.core import paths
from cmir_repro.experiments.ledger import Record
from cmir_repro.report import words
from cmir_repro.report.plots import captions

WIDTH = 1100  # pixels, at most


def figures(records: list[Record]) -> list[dict]:
    """The user's figures and those that came along, by name; the user's hides the other.

    Returns:
        Dicts of name, title, caption, image (WebP in base64), width, height, command and runs.
    """
    found: dict[str, Path] = {}
    for folder in (paths.figures(), paths.committed_figures()):
        for path in sorted(folder.glob("*.png")) if folder else ():
            found.setdefault(path.stem, path)
    return [one for name in sorted(found) if (one := _figure(name, found[name], records))]


def _figure(name: str, path: Path, records: list[Record]) -> dict | None:
    """None of a picture that is damaged."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError):
        return None
    picture.thumbnail((WIDTH, 4 * WIDTH))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80, method=4)
    of, setting = captions.described(name), captions.setting(name)
    made = _made_from(of, setting, records)
    return {
        "name": name,
        "caption": of.caption if of else "",
        "image": base64.b64encode(buffer.getvalue()).decode(),
        "width": picture.width,
        "height": picture.height,
        "command": _command(of, made),
        "where": words.setting(made[0].dataset, made[0].scale, made[0].task) if made else "",
        "runs": [record.run for record in made],
    }


def _made_from(of: captions.Described | None, setting: str, records: list[Record]) -> list[Record]:
    if of is None:
        return []
    return [
        r
        for r in records
        if r.system == of.system
        and f"{r.dataset}-{r.scale}-{r.task}" == setting
        and of.methods(r.method)
        and (r.seed == 0 or not of.one_seed)
    ]


def _command(of: captions.Described | None, made: list[Record]) -> str:
    if of is None:
        return ""
    words_of = ["papermill", f"notebooks/{of.notebook}", "out.ipynb"]
    if made:
        for key in ("dataset", "task", "scale"):
            words_of += ["-p", key, getattr(made[0], key)]
    return shlex.join(words_of)
