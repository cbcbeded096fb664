"""The thin face works as its page and README say: every block of both runs as it stands."""

import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import tiny_folder
from made_up_records import keep, made_up

import cmir_repro as cmir
from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.evaluation.features import save_features
from cmir_repro.experiments import own
from cmir_repro.experiments.presets.dim import SCALES
from cmir_repro.models.compositors import COMPOSITORS

CHECKOUT = paths.checkout()
MODEL = {"image_encoder": "convnet", "embed_dim": 8}
TINY = {"model": MODEL, "train": {"steps": 2, "batch": 8, "evaluate_every": 1}}


def blocks(name):
    """(title, code) of each Python block of a page."""
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```", text, re.S)
    return [pytest.param(code, id=f"{name}-{number}") for number, code in enumerate(found, 1)]


@pytest.fixture
def tiny(tiny_css, tmp_path, monkeypatch):
    """Tiny scenes and nets, a folder to work in, and one record."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(SCALES, "mini", {"css": TINY, "photos": TINY})
    monkeypatch.setitem(COMPOSITORS, "switch", None)  # taken out again afterwards
    COMPOSITORS.pop("switch")
    return tmp_path


@pytest.mark.parametrize("code", [*blocks("docs/api.md"), *blocks("README.md")])
def test_a_block_runs_as_it_stands(tiny, monkeypatch, code, capsys):
    if "own-folder" in code:
        tiny_folder.write_photos(tiny, monkeypatch)
    if "cmir.table" in code or "cmir.plot" in code:
        cmir.run("Image only", progress=False)
    (tiny / "block.py").write_text(code)  # a class of one's own is known by its source
    exec(compile(code, tiny / "block.py", "exec"), {"__name__": "block"})
    printed = capsys.readouterr().out
    assert printed or (tiny / "recall.png").stat().st_size
    if "own." in code:
        assert "(yours)" in printed


def test_every_function_has_an_example_and_says_what_it_does():
    page = (CHECKOUT / "docs" / "api.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)$", page, re.M) == [
        "prepare", "run", "score", "table", "plot", "load",
    ]  # fmt: skip
    for name in cmir.__all__:
        assert f"cmir.{name}(" in page
        assert getattr(cmir, name).__doc__


def test_the_import_and_scoring_load_no_torch(tmp_path):
    names = np.array(["a", "b"])
    for file in ("q", "g"):
        save_features(tmp_path / f"{file}.npz", names, np.eye(2), labels=names, source=names[::-1])
    code = (
        "import sys, cmir_repro as cmir; "
        "cmir.score('tirg/css', queries='q.npz', gallery='g.npz'); sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


def test_a_method_finds_its_system(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr("cmir_repro.experiments.run.run", lambda config, **_: asked.append(config))
    for method in ("TIRG", "AAI", "CRCGS", "DSCMR"):
        cmir.run(method, seed=2)
    assert [config.system for config in asked] == ["dim", "aai", "crcgs", "crcgs"]
    assert {config.train.seed for config in asked} == {2}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cmir.prepare("cub"), "data set 'cub' is unknown; allowed: css"),
        (lambda: cmir.prepare("wikipedia", root="w", seed=-1), "seed -1 must be a whole number"),
        (lambda: cmir.prepare("wikipedia", root="w", seed="1"), "seed '1' must be a whole number"),
        (lambda: cmir.prepare("cirr", root="c", size=10**6), "size 1000000 must be"),
        (lambda: cmir.run("TIRG", seed=2**32), "seed = 4294967296 is not allowed"),
        (lambda: cmir.prepare("css", size=9), "css: option 'size' is unknown; allowed: scale"),
        (lambda: cmir.prepare("own-folder", name="a"), "own-folder: the option 'csv' is missing"),
        (lambda: cmir.run("TRIG"), "method 'TRIG' is unknown; allowed: TIRG; "),
        (lambda: cmir.run("TIRG", steps=9), "setting 'steps' is unknown; allowed: .*training"),
        (lambda: cmir.score("tirg/css", images="i.npz"), "files are queries and gallery; .*images"),
        (lambda: cmir.score("tirg/cs", queries="q", gallery="g"), "tirg/cs"),
        (lambda: cmir.table("dum"), "system 'dum' is unknown; allowed: dim, aai, crcgs"),
        (lambda: cmir.load("nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_used_is_one_line(tiny, call, said):
    with pytest.raises(InputError, match=said) as error:
        call()
    assert "\n" not in str(error.value)


def test_an_unknown_name_lists_those_there_are():
    said = "no 'train'; it offers the functions load, plot, .* and the modules analysis, api"
    with pytest.raises(AttributeError, match=said):
        _ = cmir.train
    with pytest.raises(AttributeError, match="losses has no 'focal'; its modules are contrastive"):
        _ = cmir.losses.focal


def test_a_dotted_name_is_the_path_of_its_file():
    code = (
        "import sys, cmir_repro as cmir; assert 'cmir_repro.losses' not in sys.modules; "
        "print(cmir.losses.contrastive.__file__); print(*dir(cmir)); print(*dir(cmir.losses))"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    file, top, losses = done.stdout.splitlines()
    assert file == str(CHECKOUT / "cmir_repro" / "losses" / "contrastive.py")
    assert {"run", "table", "losses", "notebook"} <= set(top.split())  # what a tab completes
    files = (CHECKOUT / "cmir_repro" / "losses").glob("[a-z]*.py")
    assert losses.split() == sorted(path.stem for path in files)


@pytest.mark.parametrize(
    ("method", "settings", "typed"),
    [
        ("TIRG + DIM", {}, "cmir grid dim --scale mini --dataset css --task 3d-3d "),
        ("TIRG + DIM", {"recipe_name": "fast", "model": {"metric": "batch-softmax"}}, "cmir grid "),
        ("TIRG", {"training": {"steps": 1}}, "cmir.run('TIRG', 'css', '3d-3d', 'mini', 3, train"),
        ("Narrow", {}, "cmir.run('Narrow', 'css', '3d-3d', 'mini', 3)"),
    ],
)
def test_the_command_in_a_record_gets_that_run(tiny, monkeypatch, capsys, method, settings, typed):
    own.register_method("dim", "Narrow", {"compositor": "film"})
    record = cmir.run(method, seed=3, progress=False, **settings).record
    assert record.command.startswith(typed)
    if typed.startswith("cmir grid"):
        monkeypatch.setattr(sys, "argv", [*shlex.split(record.command), "--list"])
        with pytest.raises(SystemExit, match=r"^0$"):
            cmir.cli.main()
        assert "1 of 1 cells are in the ledger" in capsys.readouterr().out
    else:
        again = eval(record.command, {"cmir": cmir})
        assert again.record.run == record.run


def test_a_plot_shows_what_the_table_says(tiny):
    for seed in range(2):
        keep(made_up("TIRG", seed))
    assert cmir.table("dim")["R@1"].tolist() == ["50.0 [50.0, 50.0]"]
    titles = [axis.get_title(loc="left") for axis in cmir.plot("dim").axes]
    assert titles == ["R@1", "R@5", "R@10"]
    for key, wrong, there in (
        ("scale", "mni", "mini"),
        ("dataset", "nope", "css"),
        ("task", "3d3d", "3d-3d"),
    ):
        said = f"no record of dim has the {key} '{wrong}'; name one of {there}"
        for shows in (cmir.table, cmir.plot):
            with pytest.raises(InputError, match=said):
                shows(**{key: wrong})


def test_a_class_typed_at_a_prompt_is_refused_in_one_line(tiny):
    code = next(p.values[0] for p in blocks("README.md") if "Switch" in p.values[0])
    with pytest.raises(InputError, match="source of Switch cannot be read"):
        exec(compile(code, "<stdin>", "exec"), {"__name__": "typed"})
