"""The command line: what each command calls and prints, and one line for what cannot be used."""

import json
import subprocess
import sys

import numpy as np
import pytest
from command_line import cmir, complaint, said
from made_up_records import keep, made_up

from cmir_repro.command_line import shortened
from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.registry import SCRIPTS
from cmir_repro.evaluation.features import save_features
from cmir_repro.experiments import ledger
from cmir_repro.experiments.grid import cell
from cmir_repro.experiments.presets.dim import SCALES
from cmir_repro.report import pages, yours
from cmir_repro.training import loop

NAMES = (
    "run", "grid", "score", "record", "score-images-sentences", "score-labels",
    "score-triplets", "score-judged", "score-css-x", "server-file", "lists",
    "leaderboard", "embed", "baselines", "index", "search", "shards", "tables", "report", "audit",
    "export", "reproduce", "prepare", "verify", "ledger",
)  # fmt: skip
PREPARE = [["prepare", name] for name in SCRIPTS]
COMMANDS = [*([name] for name in NAMES), ["ledger", "merge"], *PREPARE]
ONE_CELL = ["--dataset", "css", "--task", "3d-3d", "--method", "Image only", "--seed", "0"]


# Help


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_help_fits_a_screen(command):
    lines = said(*command, "--help").splitlines()
    assert len(lines) <= 34
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(" ".join(["Usage:", "cmir", *command]))


def test_help_names_the_commands_and_their_defaults():
    listed = said("--help")
    assert all(f"  {command[0]} " in listed for command in COMMANDS)
    assert all(f"  {name} " in said("prepare", "--help") for name in SCRIPTS)
    assert "[default: mini]" in said("run", "-h")
    assert "[required]" in said("score", "-h")


def test_nobody_waits_for_torch_to_read_the_help():
    """In a process of its own; a clock would measure the machine."""
    check = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cmir_repro.cli import app\n"
        f"for command in {[[], *COMMANDS]}:\n"
        "    assert CliRunner().invoke(app, [*command, '--help']).exit_code == 0, command\n"
        "    assert 'torch' not in sys.modules, command\n"
        "    assert 'pandas' not in sys.modules or command[0] == 'prepare', command\n"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_package_is_the_command():
    run = [sys.executable, "-m", "cmir_repro"]
    done = subprocess.run([*run, "ledgers"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 'ledgers' is no command of cmir; there are: run, grid")
    helped = subprocess.run([*run, "--help"], capture_output=True, text=True, check=True)
    assert helped.stdout.startswith("Usage: cmir ")


def test_long_summaries_end_between_words():
    assert shortened("one two three", 13) == "one two three"
    assert shortened("one two, three", 13) == "one two …"


# What cannot be used


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "what should cmir do? run, grid, score"),
        (["prepare"], "what should cmir prepare do? css, "),
        (["trian"], "'trian' is no command of cmir; there are: run, grid, score"),
        (["ledger", "split"], "'split' is no command of cmir ledger; there are: merge"),
        (["prepare", "cs"], "'cs' is no command of cmir prepare; there are: css, fashion200k"),
        (["--fast"], "no such option: --fast; type: cmir --help"),
        (
            ["grid", "--speed"],
            "(Possible options: --seconds, --seed); type: cmir grid --help",
        ),
        (["grid", "--seed", "a"], "invalid value for '--seed': "),
        (["grid", "--seconds", "0"], "invalid value for '--seconds': "),
        (["grid", "dum"], "system 'dum' is unknown; allowed: dim, aai, crcgs, all"),
        (["grid", "dim", "--dataset", "bags", "--list"], "data set 'bags' is not prepared yet"),
        (["grid", "--backend", "no.yml"], "cannot read no.yml: No such file"),
        (["grid", "--method", "TRIG"], "method 'TRIG' is unknown; allowed: "),
        (["run", "dum"], "system 'dum' is unknown; allowed: dim, aai, crcgs"),
        (["run", "--method", "TRIG"], "method 'TRIG' is unknown; allowed: "),
        (["run", "--recipe", "tirg/cs"], "recipe 'tirg/cs' is unknown; allowed: fast, tirg/css"),
        (["run", "aai", "--recipe", "tirg/css"], "--recipe is for dim; settings of aai: -s train."),
        (["run", "--scale", "huge"], "scale 'huge' is unknown; allowed: mini, "),
        (["run", "--dataset", "bags"], "data set 'bags' is not prepared yet; type: cmir prepare"),
        (["run", "-s", "steps=4"], "'steps=4' cannot be read; write model.KEY=VALUE or train.KEY"),
        (["run", "-s", "train.speed=4"], "unknown key 'speed'; allowed: "),
        (["run", "--device", "tpu"], "device 'tpu' is unknown; allowed: auto, cpu, cuda"),
        (["score"], "missing option '--queries'; type: cmir score --help"),
        (["export", "no-such-run", "x"], "no run 'no-such-run': there is none yet"),
        (["ledger", "merge", "nowhere"], "nowhere is no ledger: there is no record in"),
        (["ledger", "merge"], "missing argument 'FOLDER'; type: cmir ledger merge --help"),
        (["prepare", "css", "--scale", "huge"], "'huge' is not one of 'mini', "),
        (["prepare", "css", "--root", "nowhere"], "does not exist"),
        (
            ["reproduce", "--scale", "huge"],
            "scale 'huge' is unknown; allowed: auto, mini, full, paper",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_one_line(workspace, arguments, message):
    assert message in complaint(*arguments)
    assert not workspace.exists()


def test_a_home_that_cannot_be_written_is_one_line(quick, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CMIR_RUNS", str(tmp_path / "file"))
    result = cmir("run", "--method", "Image only", "--device", "cpu")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("error: cannot write")


def test_training_that_cannot_go_on_is_one_line(quick, monkeypatch):
    def fail(*_, **__):
        raise loop.TrainingError("loss is NaN at step 3;\nlower the learning rate")

    monkeypatch.setattr("cmir_repro.experiments.run.run", fail)
    assert "loss is NaN at step 3; lower" in complaint("run", "--method", "Image only")


@pytest.mark.parametrize(
    ("stop", "line"),
    [
        (KeyboardInterrupt("stopped after step 3; it is kept"), "stopped after step 3; it is"),
        (KeyboardInterrupt(), "stopped; the same command goes on from the last step that was kept"),
    ],
)
def test_a_run_that_was_stopped_says_what_is_kept(quick, monkeypatch, stop, line):
    def stopped(*_, **__):
        raise stop

    monkeypatch.setattr("cmir_repro.experiments.run.run", stopped)
    result = cmir("run", "--method", "Image only")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (130, "", 1)
    assert result.stderr.startswith(line)


def test_a_stopped_run_goes_on_after_the_step_that_it_kept(quick, monkeypatch):
    typed = ["run", "--method", "Image only", "--device", "cpu"]
    real = loop.Stop.__enter__

    def signalled(self):
        entered = real(self)
        self.signalled = True
        return entered

    with monkeypatch.context() as patch:
        patch.setattr(loop.Stop, "__enter__", signalled)
        stopped = cmir(*typed)
    assert stopped.exit_code == 130
    assert stopped.stderr.splitlines()[-1] == (
        "stopped after step 1; it is kept, and the same command goes on from it"
    )
    (kept,) = paths.runs().glob("*/last.json")
    assert json.loads(kept.read_text())["step"] == 1
    said_again = cmir(*typed)
    assert said_again.exit_code == 0
    (record,) = ledger.records()
    assert record.steps == 6


def test_ctrl_c_has_its_own_status(monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pages, "check", stop)
    result = cmir("tables", "--check")
    assert (result.exit_code, result.output) == (130, "")


# What is run


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A home that does not exist yet; the current folder is beside it."""
    for name in ("DATA", "RUNS", "RESULTS", "FIGURES"):
        monkeypatch.delenv(f"CMIR_{name}", raising=False)
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def quick(tiny_css, monkeypatch):
    """mini with a tiny net and six steps."""
    train = {"steps": 6, "batch": 16, "log_every": 1, "evaluate_every": 3}
    settings = {"model": {"image_encoder": "convnet", "embed_dim": 8}, "train": train}
    monkeypatch.setitem(SCALES, "mini", {"css": settings, "photos": settings})


def test_a_run_is_trained_shown_and_recorded(quick):
    method = ["--method", "Image only", "--seed", "3", "-s", "train.steps=4"]
    arguments = ["run", "dim", *method, "-s", "model.embed_dim=4", "--device", "cpu"]
    text = said(*arguments)
    (record,) = ledger.records()
    assert (record.method, record.seed, record.steps) == ("Image only", 3, 4)
    assert record.config["model"]["embed_dim"] == 4
    assert record.command == (
        "cmir run dim --method 'Image only' --seed 3 --dataset css --task auto --scale mini "
        "-s train.steps=4 -s model.embed_dim=4"
    )
    r1 = record.result["metrics"]["R@1"]
    (line,) = [line for line in text.splitlines() if line.startswith("R@1 ")]
    assert line.split()[1] == f"{r1['value']:.2f}"
    assert f"{record.run}.json" in text
    said(*arguments)  # found again
    assert len(ledger.records()) == 1


def test_a_recipe_of_the_original_is_named_in_the_record(quick):
    recipe = ["--recipe", "tirg/css", "-s", "train.steps=2"]
    said("run", "--method", "Image only", *recipe, "--device", "cpu")
    (record,) = ledger.records()
    assert record.config["train"]["sampler"] == "same-source-pairs"
    assert "--recipe tirg/css -s train.steps=2" in record.command


def test_the_grid_is_filled_listed_and_stopped(quick, monkeypatch):
    assert "css-3d-3d-mini-image-only-s0" in said("grid", *ONE_CELL, "--list")
    assert not ledger.records()
    assert "0 of 1 cells are in the ledger" in said("grid", *ONE_CELL, "--device", "cpu")
    (record,) = ledger.records()
    assert said("grid", *ONE_CELL, "--list").splitlines() == ["1 of 1 cells are in the ledger"]
    words = record.command.replace("'Image only'", "Image_only").split()
    typed = [word.replace("_", " ") for word in words]
    assert said(*typed[1:], "--list").splitlines() == ["1 of 1 cells are in the ledger"]

    def late(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cmir_repro.experiments.grid.cell.run", late)
    stopped = cmir("grid", *ONE_CELL[:-1], "1", "--seconds", "100", "--device", "cpu")
    assert stopped.exit_code == 3
    assert "1 cells are left" in stopped.stdout


def test_a_cell_that_cannot_be_run_is_one_line_and_the_others_go_on(quick, monkeypatch):
    real = cell.run

    def broken(config, **options):
        if config.train.seed == 0:
            raise InputError("the weights x.safetensors are not here")
        return real(config, **options)

    monkeypatch.setattr(cell, "run", broken)
    result = cmir("grid", "dim", *ONE_CELL, "--seed", "1", "--device", "cpu")
    assert result.exit_code == 4
    (line,) = [line for line in result.stdout.splitlines() if "weights" in line]
    assert line.startswith("css-3d-3d-mini-image-only-s0-")
    assert line.endswith(": the weights x.safetensors are not here")
    assert [record.seed for record in ledger.records()] == [1]
    listed = said("grid", "dim", *ONE_CELL, "--seed", "1", "--list").splitlines()
    assert listed[0] == "1 of 2 cells are in the ledger"
    assert listed[1].startswith("1 cells are left: ")
    assert listed[2].startswith("dim: 1 cells, ")
    assert listed[3].startswith("css-3d-3d-mini-image-only-s0-")
    assert listed[3].endswith(" s")


def test_prepare_says_where_the_data_are(tiny_css):
    assert "css (rendered) in mini" in said("prepare", "css", "--scale", "mini")


# Tables, ledgers


def test_a_page_replaces_pages_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("cmir_repro.report.results_page.write", lambda out: out)
    (tmp_path / "old.html").write_text("old")
    assert said("report", "--out", tmp_path / "old.html") == "old.html\n"
    (tmp_path / "notes.md").write_text("by hand")
    assert "does not end in .html" in complaint("report", "--out", tmp_path / "notes.md")


def test_tables_go_to_the_workspace_or_into_the_pages(monkeypatch, workspace):
    page = workspace.parent / "README.md"
    monkeypatch.setattr(yours, "write", lambda: paths.tables() / "tables.md")
    monkeypatch.setattr(pages, "write", lambda: [page])
    assert said("tables") == "home/tables/tables.md\n"
    assert said("tables", "--pages") == "README.md\n"
    monkeypatch.setattr(pages, "check", lambda: [])
    assert said("tables", "--check") == ""
    monkeypatch.setattr(pages, "check", lambda: [page])
    differs = cmir("tables", "--check")
    assert (differs.exit_code, "README.md; type: cmir tables --pages" in differs.stdout) == (
        1,
        True,
    )


def test_reproduce_hands_over_what_was_typed(monkeypatch):
    calls = []
    monkeypatch.setattr("cmir_repro.reproduce.reproduce", lambda *given: calls.append(given))
    monkeypatch.setattr("cmir_repro.reproduce.check", lambda workers: 4)
    monkeypatch.setattr("cmir_repro.reproduce.at_a_time", lambda: 2)
    said("reproduce")
    said("reproduce", "--dataset=photos", "--scale=mini", "--in-place", "--workers=3")
    assert calls == [("css", "auto", False, 2), ("photos", "mini", True, 3)]
    assert cmir("reproduce", "--check").exit_code == 4


def test_a_ledger_is_merged_into_ones_own_or_another(workspace, monkeypatch):
    keep(made_up(seed=0))
    assert said("ledger", "merge", workspace / "results", "--into", "theirs").splitlines() == [
        "1 runs copied into theirs", "tirg-0",
    ]  # fmt: skip
    monkeypatch.setenv("CMIR_HOME", str(workspace.parent / "mine"))
    said("ledger", "merge", "theirs")
    assert [record.run for record in ledger.records("own")] == ["tirg-0"]
    assert said("ledger", "merge", "theirs").startswith("0 runs copied into")


def test_own_features_are_recorded_or_refused_in_one_line(monkeypatch, tmp_path, tiny_css):
    monkeypatch.chdir(tmp_path)
    part = tiny_css.retrieval("test")
    vectors = np.random.default_rng(0).standard_normal((len(part.gallery_ids), 4))
    save_features("q.npz", part.query_ids, vectors[part.target])
    save_features("g.npz", part.gallery_ids, vectors)
    given = ["record", "dim", "Mine", "--file", "queries=q.npz"]
    assert "gallery" in complaint(*given)
    assert "cmir tables" in said(*given, "--file", "gallery=g.npz")
    (record,) = ledger.records()
    assert (record.kind, record.method) == ("features", "Mine")
    assert record.result["metrics"]["R@1"]["value"] > 90
