"""Where a user's things go, rule by rule, and what is only read."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.core.files import write_text

CHECKOUT = Path(__file__).resolve().parents[2]
MOVED = ("data", "weights", "runs", "results", "figures")


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No variable set; the current folder is an empty one."""
    for name in ("HOME", "COMMITTED", *map(str.upper, MOVED)):
        monkeypatch.delenv(f"CMIR_{name}", raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def test_by_default_it_is_in_the_current_folder(tmp_path):
    assert paths.home() == tmp_path / "project" / "cmir-workspace"
    assert not any((tmp_path / "project").iterdir())


def test_the_nearest_workspace_above_is_found(tmp_path, monkeypatch):
    inner = tmp_path / "project" / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "cmir-workspace").mkdir()
    monkeypatch.chdir(inner)
    assert paths.home() == tmp_path / "cmir-workspace"
    (tmp_path / "project" / "cmir-workspace" / "notebooks").mkdir(parents=True)
    assert paths.home() == tmp_path / "project" / "cmir-workspace"
    monkeypatch.chdir(tmp_path / "project" / "cmir-workspace" / "notebooks")
    assert paths.home() == tmp_path / "project" / "cmir-workspace"


def test_inside_the_checkout_it_is_the_checkouts(tmp_path, monkeypatch):
    root = a_checkout(tmp_path / "clone", monkeypatch)
    (root / "notebooks").mkdir()
    for here in (root, root / "notebooks"):
        monkeypatch.chdir(here)
        assert paths.home() == root / "cmir-workspace"
    monkeypatch.chdir(tmp_path)
    assert paths.home() == tmp_path / "cmir-workspace"


def test_a_named_home_is_used_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "project" / "cmir-workspace").mkdir()
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "mine"))
    assert paths.home() == tmp_path / "mine"
    assert paths.tables() == tmp_path / "mine" / "tables"
    assert paths.notebooks() == tmp_path / "mine" / "notebooks"
    monkeypatch.setenv("CMIR_HOME", "beside")
    assert paths.home() == tmp_path / "project" / "beside"
    monkeypatch.setenv("CMIR_HOME", "~/mine")
    assert paths.home() == Path.home() / "mine"
    monkeypatch.setenv("CMIR_HOME", "")
    assert paths.home() == tmp_path / "project" / "cmir-workspace"


@pytest.mark.parametrize("name", MOVED)
def test_a_folder_lies_in_the_home_unless_it_is_moved(name, tmp_path, monkeypatch):
    folder = getattr(paths, name)
    for value in (None, ""):
        if value is not None:
            monkeypatch.setenv(f"CMIR_{name.upper()}", value)
        assert folder() == tmp_path / "project" / "cmir-workspace" / name
    monkeypatch.setenv(f"CMIR_{name.upper()}", str(tmp_path))
    assert folder() == tmp_path


def test_a_home_may_be_a_link(tmp_path, monkeypatch):
    (tmp_path / "large" / "here").mkdir(parents=True)
    (tmp_path / "project" / "cmir-workspace").symlink_to(tmp_path / "large" / "here")
    assert paths.home() == tmp_path / "project" / "cmir-workspace"
    write_text(paths.results() / "x.json", "{}")
    assert (tmp_path / "large" / "here" / "results" / "x.json").exists()
    assert paths.shown(paths.results() / "x.json") == "cmir-workspace/results/x.json"
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "project" / "cmir-workspace"))
    assert paths.home() == tmp_path / "project" / "cmir-workspace"


@pytest.mark.parametrize("kind", ["read-only", "a file", "a link to nothing"])
def test_a_home_that_cannot_be_written_is_one_line(kind, tmp_path, monkeypatch):
    home = tmp_path / "mine"
    if kind == "read-only":
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        home.mkdir(mode=0o500)
    elif kind == "a file":
        home.write_text("")
    else:
        home.symlink_to(tmp_path / "nowhere" / "mine")
        (tmp_path / "nowhere").write_text("")
    monkeypatch.setenv("CMIR_HOME", str(home))
    with pytest.raises(InputError, match=r"^cannot write \S*mine/results.*by CMIR_HOME$") as error:
        write_text(paths.results() / "records" / "x.json", "{}")
    assert "\n" not in str(error.value)


def test_what_is_committed_is_the_checkouts(monkeypatch, tmp_path):
    assert paths.checkout() == CHECKOUT
    assert paths.committed() == CHECKOUT / "results"
    assert paths.committed_figures() == CHECKOUT / "figures"
    monkeypatch.setenv("CMIR_COMMITTED", str(tmp_path))
    assert paths.committed() == tmp_path
    monkeypatch.setenv("CMIR_COMMITTED", "")
    assert paths.committed() is None


@pytest.mark.parametrize(
    "text", [None, "[project]\nname = 'another'\n", "[tool.ruff]\n", "no toml"]
)
def test_an_installed_package_has_no_checkout(text, tmp_path, monkeypatch):
    root = a_checkout(tmp_path / "environment", monkeypatch, text)
    (root / "results").mkdir()
    monkeypatch.chdir(root)
    assert paths.checkout() is paths.committed() is paths.committed_figures() is None
    assert paths.home() == root / "cmir-workspace"  # rule 4: where the user stands


def test_shown_paths_never_tell_where_the_machine_keeps_them(tmp_path, monkeypatch):
    assert paths.shown(paths.data() / "css") == "cmir-workspace/data/css"
    assert paths.shown(CHECKOUT / "figures" / "x.png") == "figures/x.png"
    assert paths.shown(tmp_path / "x.npy") == "x.npy"
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "mine"))
    assert paths.shown(paths.data() / "css") == "mine/data/css"


def test_importing_asks_for_no_folder(tmp_path):
    """Imported in one folder and asked in another: the second counts."""
    say = "import os; from cmir_repro.core import paths; os.chdir('b'); print(paths.home())"
    for name in ("a", "a/b"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", say], cwd=tmp_path / "a", env={**os.environ, "PYTHONPATH": CHECKOUT},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(tmp_path / "a" / "b" / "cmir-workspace")


def a_checkout(root, monkeypatch, text="[project]\nname = 'cmir-repro'\n"):
    """A folder with the package's paths.py in it, and a pyproject.toml of this text."""
    file = root / "cmir_repro" / "core" / "paths.py"
    file.parent.mkdir(parents=True)
    shutil.copy(paths.__file__, file)
    if text is not None:
        (root / "pyproject.toml").write_text(text)
    monkeypatch.setattr(paths, "__file__", str(file))
    return root
