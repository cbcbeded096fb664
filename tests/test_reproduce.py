"""Notebooks: how they are run and cleaned, and what the committed ones must be."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from papermill.exceptions import PapermillExecutionError

from cmir_repro import reproduce
from cmir_repro.core import parameters, paths
from cmir_repro.core.errors import InputError
from cmir_repro.report import pages, yours

PARAMETERS = 'dataset: str = "css"  # the data set\nscale: str = "auto"  # how large\n'
KERNEL = {"name": "python3", "display_name": "Mine", "language": "python"}
COMMITTED = reproduce.notebooks()
ELSEWHERE = re.compile(r"(?<![\w.:/>])(?:~|/(?:home|root|tmp|work|usr|opt|mnt|var|Users|content))/")


def notebook(*cells):
    tagged = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    return new_notebook(
        cells=[new_markdown_cell("# Title"), tagged, *cells],
        metadata={"kernelspec": KERNEL, "papermill": {"input_path": "/home/me/in.ipynb"}},
    )


def stream(text, name="stderr"):
    return new_output("stream", name=name, text=text)


# Cleaning


def test_cleaning_keeps_tags_and_outputs_and_drops_papermill():
    picture = new_output("display_data", {"text/plain": "<Figure>"}, metadata={"w": 1})
    result = new_output("execute_result", {"text/plain": "3"}, execution_count=9)
    error_free = new_code_cell(
        "1 + 2",
        execution_count=9,
        outputs=[picture, result],
        metadata={"tags": ["nbval-ignore-output"], "papermill": {"duration": 3}},
    )
    injected = new_code_cell('scale = "mini"', metadata={"tags": ["injected-parameters"]})
    empty = new_code_cell("")
    found = reproduce.clean(notebook(injected, empty, error_free))
    nbformat.validate(found)
    assert [cell.source for cell in found.cells] == ["# Title", PARAMETERS, "", "1 + 2"]
    assert [cell.get("execution_count") for cell in found.cells] == [None, 1, None, 2]
    assert found.cells[1].metadata == {"tags": ["parameters"]}
    assert found.cells[3].metadata == {"tags": ["nbval-ignore-output"]}
    assert found.cells[3].outputs == [picture, {**result, "execution_count": 2}]
    assert found.metadata.keys() == {"kernelspec", "language_info"}
    assert found.metadata.kernelspec.display_name == "Python 3"
    assert "/home" not in nbformat.writes(found)
    assert nbformat.writes(reproduce.clean(found)) == nbformat.writes(found)  # nothing left to do


def test_a_widget_gives_way_to_what_is_seen_without_its_kernel():
    alone = {reproduce.WIDGET: {"model_id": "x"}, "text/plain": "Panel()"}
    cell = new_code_cell("panel", execution_count=1, outputs=[
        new_output("display_data", {**alone, "text/html": "<p>seen</p>"}),
        new_output("display_data", alone),
    ])  # fmt: skip
    seen, bare = reproduce.clean(notebook(cell)).cells[-1].outputs
    assert seen.data == {"text/plain": "Panel()", "text/html": "<p>seen</p>"}
    assert bare.data == alone


def test_a_progress_bar_becomes_what_is_left_on_the_screen():
    outputs = [
        stream("before\n", "stdout"),
        stream("\r  0%"),
        stream("\r 50%"),
        stream("after\n", "stdout"),
        stream("\r100%\n"),
        stream("\rsecond 0%\rsecond 100%\n"),
        new_output("display_data", {"text/plain": "<Figure>"}),
        stream("windows\r\n", "stdout"),
    ]
    found = reproduce.clean(notebook(new_code_cell("x", outputs=outputs))).cells[-1].outputs
    assert [(o.output_type, o.get("name"), o.get("text")) for o in found] == [
        ("stream", "stdout", "before\nafter\n"),
        ("stream", "stderr", "100%\nsecond 100%\n"),
        ("display_data", None, None),
        ("stream", "stdout", "windows\n"),
    ]


# Running


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A repository of one notebook, without a README or a ledger."""
    for name in ("notebooks", "results"):
        (tmp_path / name).mkdir()
    source = (
        "import os, pathlib\nfrom tqdm import tqdm\n\nfor _ in tqdm(range(3)):\n    pass\n"
        'print(scale, pathlib.Path("01_a.ipynb").exists())'
    )
    nbformat.write(notebook(new_code_cell(source)), tmp_path / "notebooks" / "01_a.ipynb")
    (tmp_path / "notebooks" / "draft.ipynb").write_text("not numbered")
    monkeypatch.setattr(paths, "checkout", lambda: tmp_path)
    monkeypatch.setattr(yours, "write", lambda: Path("own"))
    monkeypatch.setattr(pages, "write", lambda: print("pages are written"))
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    for name in ("DATA", "WEIGHTS", "RUNS", "RESULTS", "FIGURES"):
        monkeypatch.delenv(f"CMIR_{name}", raising=False)
    return tmp_path


@pytest.fixture
def executed(monkeypatch):
    """`execute` only notes what it was asked for and copies the notebook."""
    calls = []

    def note(notebook, out, parameters):
        calls.append((notebook.name, parameters, dict(os.environ)))
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(notebook, out)
        return 1.0

    monkeypatch.setattr(reproduce, "execute", note)
    return calls


def test_a_notebook_runs_in_its_folder_with_the_parameters_given(folder, capfd):
    reproduce.reproduce("css", "mini", in_place=True)
    assert "without encryption" not in capfd.readouterr().err  # the kernel's own log
    built = nbformat.read(folder / "home" / "notebooks" / "css-mini" / "01_a.ipynb", 4)
    assert any("injected-parameters" in cell.metadata.get("tags", []) for cell in built.cells)
    mine = nbformat.read(folder / "notebooks" / "01_a.ipynb", 4)
    assert len(mine.cells) == 3
    assert [output.text for output in mine.cells[2].outputs if output.name == "stdout"] == [
        "mini True\n"
    ]
    (bar,) = [output.text for output in mine.cells[2].outputs if output.name == "stderr"]
    assert bar.count("%") == 1
    assert bar.startswith("100%")


def test_reproduce_runs_all_in_order_and_leaves_the_sources_alone(folder, executed, monkeypatch):
    first = folder / "notebooks" / "01_a.ipynb"
    shutil.copy(first, folder / "notebooks" / "10_c.ipynb")
    shutil.copy(first, folder / "notebooks" / "02_b.ipynb")
    before = first.read_bytes()
    reproduce.reproduce("css", "paper", in_place=False)
    assert [call[0] for call in executed] == ["01_a.ipynb", "02_b.ipynb", "10_c.ipynb"]
    assert all(call[1] == {"dataset": "css", "scale": "paper"} for call in executed)
    assert first.read_bytes() == before


def test_a_notebook_gets_those_parameters_only_that_it_has(folder, executed):
    book = nbformat.read(folder / "notebooks" / "01_a.ipynb", 4)
    book.cells[1].source = 'scale: str = "auto"  # how large'
    nbformat.write(book, folder / "notebooks" / "02_b.ipynb")
    reproduce.reproduce("css", "mini")
    assert [given for _, given, _ in executed] == [
        {"dataset": "css", "scale": "mini"}, {"scale": "mini"},
    ]  # fmt: skip


def test_what_a_notebook_does_not_declare_is_refused_before_it_runs(folder):
    out = folder / "out.ipynb"
    with pytest.raises(InputError, match=r"^01_a.ipynb: parameter 'scal' is unknown; allowed: da"):
        reproduce.execute(folder / "notebooks" / "01_a.ipynb", out, {"scal": "mini"})
    assert not out.exists()


def test_papermill_alone_is_refused_a_misspelt_name_and_a_text_for_a_list(tmp_path):
    book = notebook(new_code_cell("from cmir_repro import notebook\nnotebook.check_parameters()"))
    book.cells[1].source += "seeds: list = [0, 1]  # one each"
    nbformat.write(book, tmp_path / "in.ipynb")
    with pytest.raises(PapermillExecutionError) as caught:
        papermill.execute_notebook(
            tmp_path / "in.ipynb", tmp_path / "out.ipynb", {"scal": "full", "seeds": "[0]"},
            kernel_name="python3", progress_bar=False,
        )  # fmt: skip
    assert caught.value.ename == "InputError"
    assert caught.value.evalue.startswith(
        "parameter 'scal' is unknown; allowed: dataset, scale, seeds; "
        "parameter seeds = '[0]' must be a list, as [0, 1]; "
    )


def test_only_maintainers_write_into_the_checkout(folder, executed, capsys):
    before = sorted(folder.rglob("*"))
    reproduce.reproduce("css", "mini")
    made = set(folder.rglob("*")) - set(before)
    assert all(path.is_relative_to(folder / "home") for path in made)
    assert "figures: home/figures; ledger: home/results; tables: own" in (
        said := capsys.readouterr().out
    )
    assert "all results: none (no ledger holds a run yet" in said
    reproduce.reproduce("css", "mini", in_place=True)
    said = capsys.readouterr().out
    assert "figures: figures; ledger: home/results; tables: own" in said
    assert "pages are written" in said
    for (_, _, environment), figures in zip(executed, (None, folder / "figures"), strict=True):
        assert environment["CMIR_HOME"] == str(folder / "home")
        assert environment.get("CMIR_FIGURES") == (figures and str(figures))
    assert "CMIR_FIGURES" not in os.environ


def test_a_home_beside_the_notebooks_is_the_same_in_all_of_them(folder, executed, monkeypatch):
    monkeypatch.delenv("CMIR_HOME")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    monkeypatch.setattr(paths, "checkout", lambda: folder)
    (folder / "elsewhere" / "cmir-workspace").mkdir()
    reproduce.reproduce("css", "mini")
    assert executed[0][2]["CMIR_HOME"] == str(folder / "elsewhere" / "cmir-workspace")
    assert "CMIR_HOME" not in os.environ


@pytest.mark.parametrize(
    ("agrees", "codes", "expected", "passes"),
    [(False, [], 1, 0), (True, [5], 5, 1), (True, [0, 6], 6, 2), (True, [0, 0], 0, 2)],
)
def test_the_check_works_elsewhere_and_fails_with_any_pass(
    folder, executed, monkeypatch, capsys, agrees, codes, expected, passes
):
    commands, ledgers = [], []

    def run(command, **_):
        commands.append(command)
        ledgers.append(os.environ["CMIR_RESULTS"])
        return subprocess.CompletedProcess(command, codes[len(commands) - 1])

    monkeypatch.setattr(pages, "check", lambda: [] if agrees else [folder / "README.md"])
    monkeypatch.setattr(subprocess, "run", run)
    before = sorted(folder.rglob("*"))
    assert reproduce.check() == expected
    assert sorted(folder.rglob("*")) == before
    if not agrees:  # nothing is run for an hour to say then that a page is stale
        assert not executed
        assert "README.md; type: cmir tables --pages" in capsys.readouterr().out
        return
    ((_, parameters, environment),) = executed
    assert parameters == {"scale": "mini"}
    for name in ("HOME", "RESULTS"):
        assert not Path(environment[f"CMIR_{name}"]).is_relative_to(folder)
    assert environment["CMIR_DATA"] == str(folder / "home" / "data")  # rendered once
    assert environment["CMIR_RUNS"] == environment["CUDA_VISIBLE_DEVICES"] == ""
    # What nbval runs writes to another ledger than the first pass did.
    assert environment["CMIR_RESULTS"] not in ledgers
    assert len(commands) == passes
    if commands:
        assert {"--nbval", str(folder / "notebooks" / "01_a.ipynb")} <= set(commands[0])


def test_an_unknown_scale_is_one_line(folder, executed):
    with pytest.raises(InputError, match="scale 'huge' is unknown"):
        reproduce.reproduce("css", "huge")
    assert not executed


def test_without_a_checkout_there_is_nothing_to_run(folder, executed, monkeypatch):
    monkeypatch.setattr(paths, "checkout", lambda: None)
    with pytest.raises(InputError, match="in a clone of the repository"):
        reproduce.reproduce("css", "mini")


def test_a_failing_cell_is_one_line(folder, monkeypatch):
    def fail(*_, **__):
        cell = {"exec_count": 2, "source": "notebook.start(dataset)", "traceback": []}
        raise PapermillExecutionError(
            cell_index=3, ename="InputError", evalue="the data set 'cs' is not prepared yet", **cell
        )

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    message = "^01_a.ipynb, cell 3: InputError: the data set 'cs' is not prepared yet$"
    with pytest.raises(InputError, match=message):
        reproduce.reproduce("cs", "mini")


# The committed notebooks


@pytest.fixture(params=COMMITTED or [None], ids=lambda path: path.stem if path else "none")
def committed(request):
    if request.param is None:
        pytest.skip("no notebook is there yet")
    return nbformat.read(request.param, as_version=4)


def code(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def texts(cell):
    """Everything readable that a cell printed or showed."""
    for output in cell.outputs:
        yield output.get("text", "")
        for kind, value in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield value


def test_one_cell_of_commented_literals_is_tagged_parameters(committed):
    (cell,) = [c for c in committed.cells if "parameters" in c.metadata.get("tags", [])]
    lines = cell.source.splitlines()
    names = set()
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.Assign | ast.AnnAssign)
        ast.literal_eval(statement.value)
        target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
        names.add(target.id)
        after = lines[statement.end_lineno - 1][statement.end_col_offset :]
        assert re.fullmatch(r"\s+# .{5,}", after), f"{target.id} has no comment"
    first = code(committed)[1].source
    assert names == set(parameters.declared(cell.source)), "each as NAME: KIND = LITERAL"
    assert "notebook.start(" in first or "notebook.begin(" in first
    if "notebook.start(" in first:
        assert {"dataset", "task", "scale"} <= names


def test_a_notebook_is_committed_executed_and_clean(committed):
    nbformat.validate(committed)
    assert committed.metadata.kernelspec.name == "python3"
    assert [cell.execution_count for cell in code(committed)] == list(
        range(1, len(code(committed)) + 1)
    )
    assert not any(o.output_type == "error" for cell in code(committed) for o in cell.outputs)
    copy = nbformat.from_dict(committed)
    assert nbformat.writes(reproduce.clean(copy)) == nbformat.writes(committed)


def test_a_notebook_runs_anywhere_without_a_network(committed):
    for cell in code(committed):
        assert not re.search(r"^\s*[!%]|https?://|\burllib\b|\brequests\b", cell.source, re.M)
        for text in (cell.source, *texts(cell)):
            assert not ELSEWHERE.search(text), text
            assert "Traceback" not in text


def test_a_notebook_reads_like_a_text(committed):
    kinds = "".join(cell.cell_type[0] for cell in committed.cells)
    assert kinds.startswith("m")
    assert "cccc" not in kinds, "prose before code"
    for cell in code(committed):
        assert len(cell.source.splitlines()) <= 25, cell.source


def test_the_first_code_prints_versions_device_and_provenance(committed):
    shown = "\n".join(text for cell in code(committed)[:2] for text in texts(cell))
    for word in ("torch", "device: ", "data: "):
        assert word in shown


def test_outputs_are_small(committed):
    assert len(nbformat.writes(committed)) < 1_500_000
