"""What every notebook does first: choose device and scale, open the data, say what runs here."""

import sys
from dataclasses import dataclass

from cmir_repro import composed, device, ledger, plots
from cmir_repro.data.prepared import Prepared


@dataclass(frozen=True)
class Setting:
    """Where a notebook runs and on what."""

    device: str
    scale: str
    data: Prepared


def start(dataset: str, scale: str = "auto", device_name: str = "auto") -> Setting:
    """Open (or make) the data set, set the style of plots, print versions, device, provenance.

    Raises:
        InputError: unknown names, or data that must be fetched first.
    """
    plots.style()
    chosen = device.choose(device_name)
    size = device.scale_for(chosen, scale)
    data = composed.open_data(dataset, size, chosen)
    versions = ", ".join(f"{name} {version}" for name, version in ledger.software().items())
    hardware = ledger.hardware(chosen)
    print(versions)
    print(f"device: {hardware['gpu'] or hardware['cpu']} ({hardware['cores']} cores)")
    print(f"data: {dataset}, scale {size}, {data.info['provenance']['kind']}, "
          f"tables {data.info.get('tables_sha256', 'unknown')[:12]}")  # fmt: skip
    sys.stdout.flush()
    return Setting(chosen, size, data)
