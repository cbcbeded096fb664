"""Run the notebooks in order: the main job, and the check that the committed ones are true.

python -m cmir_repro.reproduce [--scale mini] [--dataset css]    run all, then the tables
python -m cmir_repro.reproduce --in-place                        the same, over notebooks/
python -m cmir_repro.reproduce --check                           for `make test`
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import nbformat

from cmir_repro.core import paths
from cmir_repro.core.device import choose, scale_for
from cmir_repro.core.errors import InputError
from cmir_repro.report import tables

NOTEBOOKS = paths.REPOSITORY / "notebooks"
BUILD = paths.REPOSITORY / "build"
CELL_SECONDS = 6 * 3600  # papermill's own default is to wait forever


def notebooks() -> list[Path]:
    """The numbered notebooks, in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def execute(notebook: Path, out: Path, parameters: dict) -> float:
    """Run one notebook with papermill; its progress bars show on this terminal.

    Returns:
        Seconds it took.

    Raises:
        papermill.PapermillExecutionError: a cell failed; `out` holds all up to there.
    """
    import papermill

    out.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    papermill.execute_notebook(
        notebook,
        out,
        parameters=parameters,
        cwd=notebook.parent,
        kernel_name="python3",
        execution_timeout=CELL_SECONDS,
        progress_bar=False,
        stdout_file=sys.stdout,
        stderr_file=sys.stderr,
    )
    return time.perf_counter() - started


def clean(notebook: nbformat.NotebookNode, keep_parameters: bool = False) -> nbformat.NotebookNode:
    """Make an executed notebook fit to read and commit, in place.

    Keeps outputs and tags; drops papermill's metadata (paths, times) and, unless told to keep it,
    its injected cell, and of a progress bar all but what is left on the screen in the end.
    """
    if not keep_parameters:
        notebook.cells = [c for c in notebook.cells if "injected-parameters" not in _tags(c)]
    count = 0
    for cell in notebook.cells:
        cell.metadata = {"tags": _tags(cell)} if _tags(cell) else {}
        if cell.cell_type != "code":
            continue
        if cell.source.strip():
            count += 1
            cell.execution_count = count
        cell.outputs = _whole_streams(cell.outputs)
        for output in cell.outputs:
            if output.output_type == "stream":
                lines = output.text.split("\n")
                output.text = "\n".join(line.rstrip("\r").split("\r")[-1] for line in lines)
            if "execution_count" in output:
                output.execution_count = count
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def reproduce(dataset: str, scale: str, in_place: bool) -> None:
    """The notebooks at a scale, then the README tables."""
    device = choose()
    size = scale_for(device, scale)
    folder = BUILD / "notebooks" / f"{dataset}-{size}"
    every = notebooks()
    print(f"{len(every)} notebooks, {dataset} at scale {size} on {device}", flush=True)
    for number, notebook in enumerate(every, 1):
        print(f"[{number}/{len(every)}] {notebook.name}", flush=True)
        out = folder / notebook.name
        seconds = execute(notebook, out, {"dataset": dataset, "scale": size})
        print(f"[{number}/{len(every)}] {notebook.name}: {seconds:.0f} s", flush=True)
        nbformat.write(clean(nbformat.read(out, as_version=4), keep_parameters=True), out)
        if in_place:
            nbformat.write(clean(nbformat.read(out, as_version=4)), notebook)
    status = tables.main([])
    if status:
        raise InputError("the README tables could not be made; see above")
    print(f"executed notebooks: {paths.shown(folder)}; figures: {paths.shown(paths.figures())}; "
          f"ledger: {paths.shown(paths.results())}; tables: README.md")  # fmt: skip


def check() -> int:
    """Every notebook end to end at mini, nbval on the committed ones, then the science tests.

    Works on copies of ledger and figures, so that the committed ones stay as they are, and on the
    CPU. The later passes load what the first one trained.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        os.environ["CMIR_RUNS"] = str(root / "runs")
        os.environ["CMIR_FIGURES"] = str(root / "figures")
        if tables.main(["--check"]):
            return 1
        print("README tables agree with the ledger", flush=True)
        os.environ["CMIR_RESULTS"] = str(root / "first")
        shutil.copytree(paths.REPOSITORY / "results", root / "first")
        for notebook in notebooks():
            seconds = execute(notebook, root / notebook.name, {"scale": "mini"})
            print(f"{notebook.name} ran end to end in {seconds:.0f} s", flush=True)
        os.environ["CMIR_RESULTS"] = str(root / "second")
        _committed_results(root / "second")
        pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        for what in (["--nbval", *map(str, notebooks())], ["-m", "science"]):
            done = subprocess.run([*pytest, *what], cwd=paths.REPOSITORY, check=False)
            if done.returncode:
                return done.returncode
        return 0


def _committed_results(folder: Path) -> None:
    """The ledger that the committed notebooks show; `make reproduce` may have written another."""
    folder.mkdir()
    archive = ["git", "-C", str(paths.REPOSITORY), "archive", "HEAD:results"]
    try:
        done = subprocess.run(archive, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            tar.extractall(folder, filter="data")
    except (OSError, subprocess.CalledProcessError):  # no git, or no checkout
        shutil.copytree(paths.REPOSITORY / "results", folder, dirs_exist_ok=True)


def _whole_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Texts of one stream joined, up to the next picture or table: each update of a bar is one."""
    out, streams = [], {}
    for output in outputs:
        if output.output_type != "stream":
            streams = {}
        elif output.name in streams:
            streams[output.name].text += output.text
            continue
        else:
            streams[output.name] = output
        out.append(output)
    return out


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))
