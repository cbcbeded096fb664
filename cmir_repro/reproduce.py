"""Run the notebooks in order: the main job, and the check that the committed ones are true.

What they make goes to the user's workspace, so that a checkout stays as it is.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from papermill.exceptions import PapermillExecutionError

from cmir_repro.core import parameters, paths
from cmir_repro.core.device import choose, scale_for
from cmir_repro.core.errors import InputError, naming
from cmir_repro.core.files import write_text
from cmir_repro.report import pages, results_page, yours

CELL_SECONDS = 6 * 3600  # papermill's own default is to wait forever
# Errors only: a kernel on this machine's own loopback warns that its messages are not encrypted.
KERNEL_LOG = "--IPKernelApp.log_level=40"
# A widget is nothing without the kernel that made it; what stands beside it is seen without one.
WIDGET = "application/vnd.jupyter.widget-view+json"


def notebooks() -> list[Path]:
    """The numbered notebooks of the checkout, in order.

    Raises:
        InputError: there is no checkout.
    """
    checkout = paths.checkout()
    if checkout is None:
        raise InputError("the notebooks are not installed; type this in a clone of the repository")
    return sorted((checkout / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def declared(notebook: Path) -> dict[str, parameters.Parameter]:
    """What the cell tagged `parameters` declares, name -> parameter."""
    cells = nbformat.read(notebook, as_version=4).cells
    source = next((cell.source for cell in cells if "parameters" in _tags(cell)), "")
    return parameters.declared(source)


def execute(notebook: Path, out: Path, values: dict) -> float:
    """Run one notebook with papermill; its progress bars show on this terminal.

    Args:
        values: of its parameters, name -> value.

    Returns:
        Seconds it took.

    Raises:
        InputError: the notebook has no such parameters, and nothing is run; or a cell failed, and
            `out` holds all up to there.
    """
    import papermill

    with naming(notebook.name):
        parameters.check(declared(notebook), values)
    out.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            notebook,
            out,
            parameters=values,
            cwd=notebook.parent,
            kernel_name="python3",
            execution_timeout=CELL_SECONDS,
            progress_bar=False,
            extra_arguments=[KERNEL_LOG],
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
        )
    except PapermillExecutionError as error:
        raise InputError(
            f"{notebook.name}, cell {error.cell_index}: {error.ename}: {error.evalue}"
        ) from error
    return time.perf_counter() - started


def clean(notebook: nbformat.NotebookNode, keep_parameters: bool = False) -> nbformat.NotebookNode:
    """Make an executed notebook fit to read and commit, in place.

    Keeps outputs and tags; drops papermill's metadata (paths, times) and, unless told to keep it,
    its injected cell, of a progress bar all but what is left on the screen in the end, and widgets
    where the output has another form beside them.
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
            if len(output.get("data", ())) > 2:  # more than the widget and its name
                output.data.pop(WIDGET, None)
            if "execution_count" in output:
                output.execution_count = count
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def reproduce(dataset: str = "css", scale: str = "auto", in_place: bool = False) -> None:
    """The notebooks at a scale, then the tables, all into the user's workspace.

    Args:
        scale: "mini", "full", "paper" or "auto": see `device.scale_for`.
        in_place: write notebooks and figures over the committed ones too, the notebooks cleaned,
            and the tables of the committed ledger into the pages; for maintainers.

    Raises:
        InputError: an unknown name, a cell that fails, or records that make no tables.
    """
    every, device = notebooks(), choose()
    size = scale_for(device, scale)
    folder = paths.notebooks() / f"{dataset}-{size}"
    print(f"{len(every)} notebooks, {dataset} at scale {size} on {device}", flush=True)
    moved = {"CMIR_HOME": paths.home()}  # notebooks run in a folder of their own
    if in_place:
        moved["CMIR_FIGURES"] = paths.committed_figures()
    with _environment(**moved):
        for number, notebook in enumerate(every, 1):
            which = f"[{number}/{len(every)}] {notebook.name}"
            print(which, flush=True)
            out = folder / notebook.name
            seconds = execute(notebook, out, _had(notebook, dataset=dataset, scale=size))
            print(f"{which}: {seconds:.0f} s", flush=True)
            _write(clean(nbformat.read(out, as_version=4), keep_parameters=True), out)
            if in_place:
                _write(clean(nbformat.read(out, as_version=4)), notebook)
        made, opened = yours.write(), _results_page()
        if in_place:
            pages.write()
        print(f"executed notebooks: {paths.shown(folder)}; "
              f"figures: {paths.shown(paths.figures())}; "
              f"ledger: {paths.shown(paths.results())}; tables: {paths.shown(made)}; "
              f"all results: {opened}")  # fmt: skip


def check() -> int:
    """Every notebook end to end at mini, nbval on the committed ones, then the science tests.

    Works in a workspace of its own, where only prepared data and weights are the user's, and on
    the CPU. The later passes load what the first one trained.

    Returns:
        0, or the status of the first pass that failed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        shared = {"CMIR_DATA": paths.data(), "CMIR_WEIGHTS": paths.weights()}
        emptied = {"CMIR_RUNS": "", "CMIR_FIGURES": "", "CUDA_VISIBLE_DEVICES": ""}
        with _environment(**shared, **emptied, CMIR_HOME=root, CMIR_RESULTS=root / "first"):
            if differing := pages.check():
                print(pages.complaint(differing))
                return 1
            print("the tables of README and docs/results agree with the ledger", flush=True)
            for notebook in notebooks():
                seconds = execute(notebook, root / notebook.name, _had(notebook, scale="mini"))
                print(f"{notebook.name} ran end to end in {seconds:.0f} s", flush=True)
            # What the notebooks show is committed: a ledger without the runs of the first pass.
            with _environment(CMIR_RESULTS=root / "second"):
                for what in (["--nbval", *map(str, notebooks())], ["-m", "science"]):
                    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *what]
                    done = subprocess.run(command, cwd=paths.checkout(), check=False)
                    if done.returncode:
                        return done.returncode
    return 0


def _results_page() -> str:
    """Where the page of all results is, or why there is none: notebooks are worth more than it."""
    try:
        return paths.shown(results_page.write())
    except InputError as error:
        return f"none ({error})"


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n")  # as nbformat.write ends it


@contextmanager
def _environment(**values: object) -> Iterator[None]:
    """Variables of the environment, for a while; kernels and tests that are started see them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update({name: str(value) for name, value in values.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _had(notebook: Path, **values: object) -> dict[str, object]:
    """Those of the values that are parameters of this notebook."""
    return {name: value for name, value in values.items() if name in declared(notebook)}


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
