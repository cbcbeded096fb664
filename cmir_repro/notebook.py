"""What every notebook does first: choose device and scale, open the data, say what runs here."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmir_repro.core import device, parameters
from cmir_repro.data import registry
from cmir_repro.data.prepared import Prepared
from cmir_repro.experiments import ledger, same_data
from cmir_repro.experiments.presets.dim import default_task
from cmir_repro.report import plots

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@dataclass(frozen=True)
class Setting:
    """Where a notebook runs and on what."""

    device: str
    scale: str
    task: str
    data: Prepared

    @property
    def scenes(self) -> bool:
        """Whether labels spell scenes of the generated world."""
        provenance = self.data.info["provenance"]
        return provenance["kind"] == "rendered" or provenance.get("relevance") == "scene"


def start(dataset: str, scale: str = "auto", task: str = "auto") -> Setting:
    """Open (or make) the data set, set the style of plots, print versions, device, provenance.

    Raises:
        InputError: unknown names, parameters that do not fit, or data that must be fetched first.
    """
    check_parameters()
    chosen = device.choose()
    size = device.scale_for(chosen, scale)
    data = registry.open(dataset, size, chosen)
    task = default_task(dataset) if task == "auto" else task
    if data.info["tasks"]:  # data with categories have none between images
        data.views_of(task)  # refuses an unknown one before anything is trained
    kind, digest = data.info["provenance"]["kind"], data.info.get("tables_sha256", "unknown")[:12]
    begin(f"{dataset}, scale {size}, {kind}, tables {digest}", chosen)
    said = same_data.unlike(dataset, size, data.info.get("tables_sha256", "unknown"))
    for line in [*data.info.get("differs", ()), *([said] if said else [])]:
        print(f"not as published: {line}")
    return Setting(chosen, size, task, data)


def begin(what: str, chosen: str = "cpu") -> None:
    """Set the style of plots, and print versions, device and what the data are.

    For notebooks that open no data set; `start` does it for the others. Figures that are shown
    from then on carry alternative text.

    Args:
        what: the data, in words.
        chosen: device.

    Raises:
        InputError: parameters that do not fit.
    """
    check_parameters()
    plots.style()
    if (shell := _shell()) is not None:
        plots.describe_figures(shell)
    hardware = ledger.hardware(chosen)
    print(", ".join(f"{name} {version}" for name, version in ledger.software().items()))
    print(f"device: {hardware['gpu'] or hardware['cpu']} ({hardware['cores']} cores)")
    print(f"data: {what}")
    sys.stdout.flush()


def check_parameters() -> None:
    """Refuse values that the notebook's cell of parameters does not declare so; `begin` does it.

    Raises:
        InputError: an unknown name, or a value of another kind; see `core.parameters.check`.
    """
    if (shell := _shell()) is not None:
        parameters.check_cells(shell.user_ns.get("In", []))


def _shell() -> "InteractiveShell | None":
    from IPython import get_ipython

    return get_ipython()  # None outside of notebooks
