"""What is raised makes stale what uses it and nothing else; what is only moved, nothing."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from made_up_records import keep, made_up

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.experiments import grid, identity, ledger, versions
from cmir_repro.experiments.presets import aai, crcgs, dim
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.models.pooling import POOLERS
from cmir_repro.report import comparable, tables

CONFIGS = (dim.DIMRun, aai.AAIRun, crcgs.CRCGSRun)


def config_of(record):
    """The configuration of a record, of whichever system it is."""
    left_out = {"features", "search"}  # of the dump: where there are none, and always
    kind = next(k for k in CONFIGS if k.model_fields.keys() - left_out == record.config.keys())
    return kind(**record.config)


@pytest.fixture(scope="module")
def committed():
    """Run -> configuration, of every record that lies in the repository."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CMIR_COMMITTED", raising=False)
        every = ledger.records(ledger.COMMITTED)
        return {r.run: config_of(r) for r in every if r.kind != "features"}


def current(config):
    """As the repository's ledger has it, which tests do not see otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CMIR_COMMITTED", raising=False)
        return identity.current(config)


def stale(committed):
    return {run for run, config in committed.items() if not current(config)}


# Versions used


def test_a_run_uses_its_own_system_and_parts():
    shared = {"data": 1, "training": 1, "scoring": 1}
    rendered = {**shared, "rendering": 1}
    ranked = {**rendered, "recall": 2}
    assert versions.used(dim.configure()) == ranked | {"dim": 1, "compositor tirg": 1}
    photos = dim.configure("fashion200k", method="FiLM + DIM")
    assert versions.used(photos) == shared | {"recall": 2, "dim": 1, "compositor film": 1}
    released = dim.configure("css-released")
    assert "rendering" not in versions.used(released)
    assert versions.used(aai.configure()) == ranked | {"aai": 1, "pooler gpo": 1}
    assert versions.used(crcgs.configure()) == rendered | {"crcgs": 1}
    assert versions.used(crcgs.configure(method="DCMH")) == rendered | {"dcmh": 1}


def test_a_class_without_a_version_has_the_first(monkeypatch):
    class Mine(torch.nn.Module):
        """Of a reader, who need not know of versions."""

    monkeypatch.setitem(COMPOSITORS, "mine", Mine)
    config = dim.configure(method="mine", model={"compositor": "mine"})
    assert versions.used(config)["compositor mine"] == 1
    monkeypatch.setattr(Mine, "version", 3, raising=False)
    assert versions.used(config)["compositor mine"] == 3


# Committed records


def test_every_committed_record_is_current(committed):
    assert len(committed) >= 368
    assert not stale(committed)


def test_a_raised_compositor_makes_its_own_records_stale(committed, monkeypatch):
    monkeypatch.setattr(COMPOSITORS["film"], "version", 2)
    mine = {run for run, c in committed.items() if getattr(c.model, "compositor", "") == "film"}
    assert len(mine) >= 6
    assert stale(committed) == mine


@pytest.mark.parametrize(
    ("component", "system"),
    [("dim", dim.DIMRun), ("aai", aai.AAIRun)],
)
def test_a_raised_system_makes_its_own_records_stale(committed, monkeypatch, component, system):
    monkeypatch.setitem(versions.VERSIONS, component, 2)
    assert stale(committed) == {run for run, c in committed.items() if isinstance(c, system)}


COPY = """
from cmir_repro.experiments import grid
from cmir_repro.experiments.systems import SYSTEMS
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.models.pooling import POOLERS
for name in SYSTEMS:
    grid.fill(name, datasets=["css"], device="cpu", list_only=True)
assert POOLERS["another"] and COMPOSITORS["another"]
"""


def test_renaming_moving_and_adding_leave_every_record_current(tmp_path):
    """What a digest of sources took for another experiment, done to a copy of the package."""
    package = tmp_path / "cmir_repro"
    shutil.copytree(paths.PACKAGE, package)

    def edit(name, pattern, new):
        """The one file of that name, wherever it lies."""
        (path,) = package.rglob(name)
        text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"))
        assert count
        path.write_text(text, encoding="utf-8")
        return path

    edit("loop.py", r"\breading\b", "due_to_read")  # a local variable of the loop
    edit("pooling.py", r'"gpo": GPO\}', '"gpo": GPO, "another": Mean}')
    edit("compositors/__init__.py", r'"tirg": TIRG,', '"tirg": TIRG, "another": MRN,')
    edit("image.py", r"IMAGE_ENCODERS = \(\*CONVNETS,", 'IMAGE_ENCODERS = (*CONVNETS, "another",')
    moved = next(package.rglob("critics.py"))
    (package / "elsewhere").mkdir()
    (package / "elsewhere" / "__init__.py").touch()
    dotted = ".".join(moved.relative_to(tmp_path).with_suffix("").parts)
    shutil.move(moved, package / "elsewhere" / "critics.py")
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if dotted in text:
            path.write_text(text.replace(dotted, "cmir_repro.elsewhere.critics"), encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path), "CMIR_COMMITTED": str(paths.checkout() / "results")}
    env["CMIR_DATA"] = str(tmp_path)  # without photographs, whose cells nobody counts here
    done = subprocess.run(
        [sys.executable, "-c", COPY],
        cwd=tmp_path, env=os.environ | env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = [line for line in done.stdout.splitlines() if "in the ledger" in line]
    here = [_cells(name) for name in SYSTEMS]
    assert [tuple(map(int, re.findall(r"\d+", line)[:2])) for line in said] == here


def _cells(system):
    """How many cells of a system's CSS grid are current here, and how many there are."""
    every = grid.cells(system, "mini", ["css"])
    return sum(map(current, every)), len(every)


# Tables


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_RESULTS", str(tmp_path))


def shown():
    return tables.markdown("dim", "css", "mini", "3d-3d")


def test_a_table_says_which_of_its_records_are_stale(root, monkeypatch):
    for method in ("TIRG", "FiLM"):
        keep(made_up(method))
    assert "stale" not in shown()
    monkeypatch.setattr(COMPOSITORS["film"], "version", 2)
    assert (
        "\n1 of 2 records are stale, made by versions that are no longer those of the code: "
        "film-0." in shown()
    )


def test_a_table_says_which_of_its_records_come_from_a_changed_tree(root):
    keep(made_up("TIRG"))
    for seed in range(4):
        keep(made_up("FiLM", seed, code={"dirty": True}))
    keep(made_up("MRN", code={"dirty": "unknown"}))
    line = next(line for line in shown().splitlines() if "commit they name" in line)
    assert line.startswith("4 of 6 records were made by code that the commit they name")
    assert line.endswith(": film-0, film-1, film-2 and 1 more.")


def test_a_record_of_before_versions_is_stale(root):
    keep(made_up("TIRG", versions={}))
    assert "1 of 1 records are stale" in shown()


def test_a_table_mixes_no_versions_of_one_component(root, monkeypatch):
    keep(made_up("FiLM", 0))
    keep(made_up("TIRG", 0))
    monkeypatch.setattr(COMPOSITORS["film"], "version", 2)
    keep(made_up("FiLM", 1))
    with pytest.raises(InputError) as caught:
        tables.finished("dim", "css", "mini", "3d-3d")
    assert "'compositor film': 1 (film-0) and 2 (film-1)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_poolers_and_compositors_all_have_versions():
    assert all(kind.version >= 1 for kind in (*COMPOSITORS.values(), *POOLERS.values()))
    assert comparable.remarks({}, dim.configure) == []
