"""A trained model small enough to share: the selected weights in half precision, and a card.

FOLDER/model.json holds configuration, vocabulary, protocol, record, digest and the sizes of the
net; the weights lie beside it, and README.md says in words what it is. `shared.load` builds the
model again, without its data.
"""

import re
from pathlib import Path

import pandas as pd

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import write_text
from cmir_repro.experiments import ledger
from cmir_repro.experiments.ledger import Record
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.training import checkpoint

# A recall or MAP moves by less, in points, when weights are rounded to half precision.
HALF_MOVES = 0.3
# System -> what `Shared.query` may be called with on the generated scenes.
_ASKED = {
    "dim": '"css_test_000000", "remove middle-left circle"',
    "aai": '"a small red cube and a large yellow sphere"',
    "crcgs": '"red cube"',
}


def name(record: Record) -> str:
    """What a model is called: data set, method, scale, and what differs from the usual."""
    usual = SYSTEMS[record.system].presets.default_task(record.dataset)
    words = [ledger.words(record.method), record.scale]
    words += [record.task] if record.task != usual else []
    words += [f"s{record.seed}"] if record.seed else []
    return f"{record.dataset}/{'-'.join(words)}"


def export(run: str, folder: Path | None = None) -> Path:
    """Write a finished run's selected weights as float16, with a card.

    Args:
        folder: by default one of the model's `name`, in the user's ledger.

    Returns:
        The folder.

    Raises:
        InputError: the run is not in the ledger, or its checkpoint or data are not here, or it has
            no weights; or the folder has a README.md that is no model's card.
    """
    record = ledger.read(run)
    if record.kind == "features" or not record.parameters:
        raise InputError(f"{run} has no trained weights to share")
    selected = "last" if record.config["train"]["selection"] == "last" else "best"
    tensors, facts = checkpoint.load(paths.runs() / run, selected)
    if facts["sha256"] != record.checkpoint_sha256:
        raise InputError(
            f"the checkpoint of {run} here is not the one its record was made from; run it again"
        )
    folder = Path(folder) if folder else paths.results() / "weights" / name(record)
    card_file = folder / "README.md"
    if card_file.exists() and not (folder / "model.json").exists():
        raise InputError(
            f"{card_file} is no model's card and would be replaced by one; name an empty folder"
        )
    half = {
        key: value.half() if value.is_floating_point() else value
        for key, value in tensors.items()
        if key.startswith("model.")
    }
    system = SYSTEMS[record.system]
    sizes = system.experiment(system.config.make(**record.config), progress=False).sizes()
    more = {"record": record.model_dump(), "sizes": sizes}
    digest = checkpoint.save(folder, "model", half, {**facts, **more})
    write_text(card_file, card(record, digest))
    return folder


def card(record: Record, digest: str) -> str:
    """A model card: what it is, what it reaches, where it comes from. All from its record.

    Args:
        digest: sha256 of the weights file.
    """
    metrics = pd.DataFrame(
        [
            {"metric": key, "value": f"{m['value']:.2f}", "95 %": _interval(m)}
            for key, m in sorted(record.result["metrics"].items(), key=_natural)
        ]
    )
    protocol = record.result["protocol"]
    dirty = ", from a changed tree" if record.code.get("dirty") is True else ""
    took = f"{record.steps:,} steps, {record.seconds:,.0f} s by the clock"
    took += f", {record.cpu_seconds:,.0f} s of the processor" if record.cpu_seconds else ""
    kind = record.data["kind"]
    made = "; its data were made by it" if kind == "rendered" else ""
    facts = {
        "data": f"`{record.dataset}` ({kind}), task `{record.task}`, scale `{record.scale}`; "
        f"sha256 of dataset.json {record.data['manifest']}",
        "seed": record.seed,
        "parameters": f"{record.parameters:,} trained ones; floats are stored in half precision",
        "training": f"{took}; {record.hardware['gpu'] or record.hardware['cpu']}",
        "weights kept": record.selection,
        "protocol": f"`{protocol['name']}`: {protocol['gallery']}; relevant: "
        f"{protocol['relevance']}",
        "command": f"`{record.command}`",
        "record": f"`{record.run}`, {record.finished}, commit {record.code['commit']}{dirty}",
        "sha256": digest,
        "licence": f"MIT, as the code{made}",
    }
    rows = [f"| {key} | {value} |" for key, value in facts.items()]
    asked = _ASKED[record.system] if record.dataset == "css" else "..."
    call = f'cmir.load("{name(record)}").query({asked})'
    return "\n".join(
        [
            f"# {record.method}: {record.dataset}, {record.task}, scale {record.scale}, "
            f"seed {record.seed}",
            "",
            f"```python\nimport cmir_repro as cmir\n\nprint({call})\n```",
            "",
            metrics.to_markdown(index=False, disable_numparse=True),
            "",
            "Percentages of the record, with intervals over queries; one seed. They are of weights "
            f"in single precision; half precision moves a recall or MAP by less than {HALF_MOVES} "
            "points.",
            "",
            "| | |\n|---|---|",
            *rows,
            "",
            "The model has seen nothing but these data: it shows what the method does with them, "
            "and is of no use for other pictures or sentences.",
            "",
        ]
    )


def _natural(metric: tuple[str, dict]) -> list:
    """R@5 comes before R@10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", metric[0])]


def _interval(metric: dict) -> str:
    return f"[{metric['low']:.2f}, {metric['high']:.2f}]"
