"""The wheel alone, in an environment and a folder that know nothing of the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from uv import find_uv_bin

from cmir_repro.core import paths
from cmir_repro.evaluation.features import save_features

pytestmark = pytest.mark.installed
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
SOURCES = ("cmir_repro", "data_scripts", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: a build leaves folders beside what it builds."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        path, ignore = paths.checkout() / name, shutil.ignore_patterns("__pycache__")
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=ignore)
        else:
            shutil.copy(path, source / name)
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], cwd=source, check=True, capture_output=True
    )
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment with the wheel, and of the running one all packages but the checkout.

    A folder named in a .pth file is searched, but its own .pth files, one of which is that of an
    editable installation, are not read.
    """
    root = tmp_path_factory.mktemp("environment")
    venv.create(root, with_pip=False)
    site = Path(sysconfig.get_path("purelib", scheme="venv", vars={"base": root, "platbase": root}))
    subprocess.run(
        [find_uv_bin(), "pip", "install", "--quiet", "--offline", "--no-deps", "--python",
         str(root / "bin" / "python"), str(wheel)],
        check=True,
    )  # fmt: skip
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return root


@pytest.fixture(scope="module")
def cmir(environment, tmp_path_factory):
    """cmir(*arguments) -> what it prints, in a folder of its own; in the end all are looked at."""
    root, folder = environment, tmp_path_factory.mktemp("project")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CMIR_", "PYTHON"))}
    clean |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

    def run(*arguments, status=0):
        done = subprocess.run(
            [root / "bin" / "cmir", *arguments], cwd=folder, env=clean, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    run.folder = folder
    before = contents(root), contents(paths.checkout())
    yield run
    assert (contents(root), contents(paths.checkout())) == before
    assert {path.name for path in folder.iterdir()} == {"cmir-workspace", "q.npz", "g.npz"}


def contents(root):
    """Names of what lies in a folder, without what Python, pytest and git keep for themselves."""
    kept = {".git", ".venv", "__pycache__", ".pytest_cache", ".ruff_cache"}
    found = set()
    for folder, inside, names in os.walk(root):
        inside[:] = [name for name in inside if name not in kept]
        found |= {os.path.join(folder, name) for name in [*inside, *names]}
    return found


def test_the_wheel_holds_packages_scripts_and_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "cmir_repro", "data_scripts",
    }  # fmt: skip
    tracked = {
        str(path.relative_to(paths.checkout()))
        for package in ("cmir_repro", "data_scripts")
        for ending in ("py", "csv")
        for path in (paths.checkout() / package).rglob(f"*.{ending}")
    }
    assert tracked <= set(names)


def test_data_are_made_a_model_is_trained_and_features_are_scored(cmir):
    folder, workspace = cmir.folder, cmir.folder / "cmir-workspace"
    assert cmir("prepare", "--help").count("\n") < 30
    assert not any(folder.iterdir())

    assert "in cmir-workspace/data/css/mini" in cmir("prepare", "css", "--scale", "mini")
    settings = ["-s", "train.steps=2", "-s", "train.batch=8", "-s", "model.embed_dim=8"]
    said = cmir("run", "--method", "Text only", *settings)
    (file,) = (workspace / "results" / "records").glob("*.json")
    assert f"record: cmir-workspace/results/records/{file.name}" in said
    record = json.loads(file.read_text())
    assert (record["steps"], record["code"]["commit"]) == (2, "unknown")

    names = np.array(["a", "b", "c"])
    save_features(folder / "g.npz", names, np.eye(3), labels=names)
    save_features(folder / "q.npz", names, np.eye(3), labels=names, source=names[[1, 2, 0]])
    given = ["--queries", "q.npz", "--gallery", "g.npz", "--protocol", "tirg/css"]
    assert "3 queries, 3 gallery items" in cmir("score", *given)


def test_what_needs_the_repository_says_so(cmir):
    line = cmir("reproduce", "--scale", "mini", status=2)
    assert line.count("\n") == 1
    assert "in a clone of the repository" in line
