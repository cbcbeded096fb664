"""Run the notebooks in order: the main job, and the check that the committed ones are true.

What they make goes to the user's workspace, so that a checkout stays as it is.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

from cmir_repro.core import paths, processes
from cmir_repro.core.device import choose, scale_for
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import write_text
from cmir_repro.core.processes import environment
from cmir_repro.notebook_runs import Job, declared, execute, side_by_side
from cmir_repro.report import pages, results_page, yours

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


def at_a_time() -> int:
    """How many notebooks are run side by side where nothing is said: two, on a CPU with cores."""
    return min(2, processes.cores()) if choose() == "cpu" else 1


def reproduce(
    dataset: str = "css", scale: str = "auto", in_place: bool = False, workers: int = 1
) -> None:
    """The notebooks at a scale, then the tables, all into the user's workspace.

    Args:
        scale: "mini", "full", "paper" or "auto": see `device.scale_for`.
        in_place: write notebooks and figures over the committed ones too, the notebooks cleaned,
            and the tables of the committed ledger into the pages; for maintainers.
        workers: notebooks at a time.

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
    jobs = [
        Job(notebook, folder / notebook.name, _had(notebook, dataset=dataset, scale=size))
        for notebook in every
    ]
    with environment(**moved):
        for number, (job, seconds) in enumerate(_executed(jobs, workers), 1):
            print(f"[{number}/{len(jobs)}] {job.notebook.name}: {seconds:.0f} s", flush=True)
            _write(clean(nbformat.read(job.out, as_version=4), keep_parameters=True), job.out)
            if in_place:
                _write(clean(nbformat.read(job.out, as_version=4)), job.notebook)
        made, opened = yours.write(), _results_page()
        if in_place:
            pages.write()
        print(f"executed notebooks: {paths.shown(folder)}; "
              f"figures: {paths.shown(paths.figures())}; "
              f"ledger: {paths.shown(paths.results())}; tables: {paths.shown(made)}; "
              f"all results: {opened}")  # fmt: skip


def check(workers: int = 1) -> int:
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
        with environment(**shared, **emptied, CMIR_HOME=root, CMIR_RESULTS=root / "first"):
            if differing := pages.check():
                print(pages.complaint(differing))
                return 1
            print("the tables of README and docs/results agree with the ledger", flush=True)
            jobs = [
                Job(notebook, root / notebook.name, _had(notebook, scale="mini"))
                for notebook in notebooks()
            ]
            for job, seconds in _executed(jobs, workers):
                print(f"{job.notebook.name} ran end to end in {seconds:.0f} s", flush=True)
            # What the notebooks show is committed: a ledger without the runs of the first pass.
            each = processes.threads(max(1, processes.cores() // workers))
            with environment(**each, CMIR_RESULTS=root / "second"):
                nbval, science = ["--nbval", *map(str, notebooks())], ["-m", "science"]
                # Cells of a notebook stay in one process, of the science tests those of a group.
                for what, spread in ((nbval, "loadfile"), (science, "loadgroup")):
                    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *what]
                    command += ["-n", str(workers), "--dist", spread] if workers > 1 else []
                    done = subprocess.run(command, cwd=paths.checkout(), check=False)
                    if done.returncode:
                        return done.returncode
    return 0


def _executed(jobs: list[Job], workers: int) -> Iterator[tuple[Job, float]]:
    if workers > 1:
        yield from side_by_side(jobs, workers)
        return
    for job in jobs:
        print(job.notebook.name, flush=True)
        yield job, execute(*job)


def _results_page() -> str:
    """Where the page of all results is, or why there is none: notebooks are worth more than it."""
    try:
        return paths.shown(results_page.write())
    except InputError as error:
        return f"none ({error})"


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n")  # as nbformat.write ends it


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
