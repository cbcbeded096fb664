"""The figures of the notebooks, each with the command and the records it is made from."""

import shlex
from pathlib import Path

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.prepare.pictures import opened
from cmir_repro.experiments import ledger
from cmir_repro.experiments.ledger import Record
from cmir_repro.report import words
from cmir_repro.report.plots import captions
from cmir_repro.report.results_page.album import webp

WIDTH = 1100  # pixels, at most


def figures(records: list[Record]) -> list[dict]:
    """The user's figures and those that came along, by name; the user's hides the other.

    Returns:
        Dicts of name, caption, image (WebP in base64), width, height, command, where and runs. A
        damaged picture is left out.
    """
    found: dict[str, Path] = {}
    for folder in (paths.figures(), paths.committed_figures()):
        for path in sorted(folder.glob("*.png")) if folder else ():
            found.setdefault(path.stem, path)
    return [
        {"name": name, **shown, **made_from(name, records)}
        for name in sorted(found)
        if (shown := _shown(name, found[name]))
    ]


def made_from(name: str, records: list[Record]) -> dict:
    """What a figure is made from, by its name.

    Returns:
        command, and where, its setting in words, both empty where unknown; runs, names of records.
    """
    of, setting = captions.described(name), captions.setting(name)
    if of is None:
        return {"command": "", "where": "", "runs": []}
    made = [
        r
        for r in records
        if r.system == of.system
        and f"{r.dataset}-{r.scale}-{r.task}" == setting
        and of.methods(r.method)
        and (r.seed == 0 or not of.one_seed)
    ]
    typed, where = ["papermill", f"notebooks/{of.notebook}", "out.ipynb"], ""
    if made:
        dataset, scale, task = made[0].dataset, made[0].scale, made[0].task
        typed += ["-p", "dataset", dataset, "-p", "task", task, "-p", "scale", scale]
        where = words.setting(dataset, scale, task)
    return {"command": shlex.join(typed), "where": where, "runs": [r.run for r in made]}


def markdown() -> str:
    """The committed figures as Markdown for a page of docs/results."""
    folder, records = paths.committed_figures(), ledger.records(ledger.COMMITTED)
    told = []
    for path in sorted(folder.glob("*.png")):
        of, made = captions.described(path.stem), made_from(path.stem, records)
        caption = of.caption if of else path.stem
        count = f", from {len(made['runs'])} records" if made["runs"] else ""
        told.append(
            f"![{caption}](../../figures/{path.name})\n\n{caption} "
            f"[Vector](../../figures/{path.stem}.svg){count}: `{made['command']}`"
        )
    return "\n\n".join(told)


def _shown(name: str, path: Path) -> dict | None:
    """None of a picture that is damaged."""
    try:
        with opened(path) as image:
            said = str(image.info.get("Description", ""))  # as `plots.save_figure` puts it
            picture = image.convert("RGB")
    except InputError:
        return None
    encoded = webp(picture, (WIDTH, 4 * WIDTH), quality=80)
    of = captions.described(name)
    return {
        "caption": said or (of.caption if of else ""),
        "image": encoded,
        "width": picture.width,
        "height": picture.height,
    }
