"""What imports what, in processes of their own; a clock would measure the machine."""

import subprocess
import sys

import numpy as np
import pytest

from cmir_repro.evaluation.features import save_features

HEAVY = "torch", "torchvision", "transformers", "matplotlib", "umap", "sklearn"
LOADED = f"print(*sorted({set(HEAVY)} & set(sys.modules)))"
# Scored as typed; the files are those of `folder`.
COMMANDS = {
    "score": "--queries q.npz --gallery g.npz --protocol tirg/css",
    "score-images-sentences": "--images g.npz --sentences s.npz --protocol own/image-sentence",
    "score-labels": "--queries q.npz --database g.npz --protocol map-all",
}


def loaded(code: str, folder) -> list[str]:
    """Those of HEAVY that a process has imported when it has done `code`."""
    code = f"import sys\n{code}\n{LOADED}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()


def test_evaluation_and_the_package_itself_import_nothing_heavy(tmp_path):
    code = (
        "import importlib, pkgutil, cmir_repro.evaluation as package\n"
        "names = [module.name for module in pkgutil.iter_modules(package.__path__)]\n"
        "assert 'recall' in names and 'labels' in names\n"
        "names.remove('kernels')  # compiled loops, which large inputs alone import\n"
        "[importlib.import_module(f'{package.__name__}.{name}') for name in names]\n"
        "assert 'numba' not in sys.modules"
    )
    assert loaded(code, tmp_path) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_files_are_scored_without_torch(tmp_path, command):
    """A few rows are scored by numpy: nothing is compiled for them."""
    item, names = np.eye(3), np.array(["g0", "g1", "g2"])
    marks = {"labels": np.array(["a", "b", "c"]), "categories": np.eye(3, dtype=np.uint8)}
    save_features(tmp_path / "g.npz", names, item, **marks)
    asked = {"source": names[[2, 0]], "labels": np.array(["a", "b"])}
    asked["categories"] = marks["categories"][:2]
    save_features(tmp_path / "q.npz", np.array(["q0", "q1"]), item[:2], **asked)
    save_features(tmp_path / "s.npz", np.array(["s0", "s1", "s2"]), item, image=names)
    words = [command, *COMMANDS[command].split()]
    code = (
        "from typer.testing import CliRunner\nfrom cmir_repro.cli import app\n"
        f"done = CliRunner().invoke(app, {words})\nassert done.exit_code == 0, done.output\n"
        "assert 'numba' not in sys.modules"
    )
    assert loaded(code, tmp_path) == []
