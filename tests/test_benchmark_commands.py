"""Commands for benchmarks, from features to what a server or a leaderboard takes."""

import json

import numpy as np
import pytest
import tiny_benchmarks
from command_line import cmir, said
from made_up_records import keep, made_up

import cmir_repro
from cmir_repro.data.readers import benchmarks
from cmir_repro.evaluation.features import save_features


@pytest.fixture
def circo(tmp_path):
    """A release, and a folder of features of its validation split."""
    root = tiny_benchmarks.circo(tmp_path / "circo")
    judged, draw = benchmarks.circo(root), np.random.default_rng(0)
    for file, names in (("images", judged.images), ("queries", judged.ids)):
        save_features(tmp_path / f"{file}.npz", names, draw.normal(size=(len(names), 4)))
    return root, tmp_path


def test_score_lists_server_file_and_card(circo):
    root, folder = circo
    rule = ("--annotations", root, "--protocol", "circo/official")
    out, run, file = (folder / name for name in ("out.json", "run.trec", "server.json"))
    shown = said("score-judged", folder, *rule, "--out", out, "--lists", run, "--depth", 50)
    assert "mAP@5" in shown
    assert "negation" in shown
    scored = cmir_repro.score("circo/official", source=str(folder), annotations=str(root))
    assert scored["metrics"] == json.loads(out.read_text())["metrics"]
    again = said("score-judged", run, *rule)
    assert again == shown
    checked = said("server-file", file, *rule, "--from", folder, "--split", "val")
    assert "12 queries with 50 images each" in checked
    assert shown.splitlines()[3:] == checked.splitlines()[4:]
    assert said("server-file", file, *rule, "--split", "val") == checked
    shown = said("leaderboard", out)
    assert shown.startswith("circo/official: ")
    card = ("leaderboard", out, folder / "card.md", "--form", "card", "--model", "me/mine")
    said(*card)
    assert "card.md is there already and a card replaces no file" in cmir(*card).stderr
    card = said("leaderboard", folder / "card.md")
    value = json.loads(out.read_text())["metrics"]["mAP@10"]["value"]
    assert f"{value:.2f}" in card
    assert f"{value:.2f}" in shown


def test_what_is_read_is_not_replaced(circo):
    root, folder = circo
    rule = ("--annotations", root, "--protocol", "circo/official")
    run, out = folder / "run.trec", folder / "out.json"
    for _ in range(2):  # what was written before is replaced, also beside the features
        said("score-judged", folder, *rule, "--lists", run, "--depth", 50, "--out", out)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    judgements, inside = folder / "run.trec.qrels", next(root.rglob("*val.json"))
    own = ("--annotations", judgements, "--protocol", "own/judged")
    css_x = ("score-css-x", "--queries", folder / "queries.npz", "--gallery", folder / "images.npz")
    for typed, message in (
        (("score-judged", run, *rule, "--lists", run), "run.trec is read here"),
        (("score-judged", folder, *own, "--lists", run), "run.trec.qrels is read here"),
        (("score-judged", run, *rule, "--out", inside), f"lies in {root}, which is read here"),
        (("server-file", inside, *rule, "--from", folder), f"lies in {root}, which is read here"),
        ((*css_x, "--out", folder / "images.npz"), "images.npz is read here"),
        (("leaderboard", out, out), "out.json is read here"),
        (("leaderboard", out, run), "run.trec is there already and does not end in .json"),
        (("lists", "a-run", folder / "images.npz"), "does not end in .parquet or .trec"),
        (("search", folder, run, "--out", run), f"run.trec lies in {folder}, which is read here"),
    ):
        result = cmir(*typed)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert message in result.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_HOME", str(tmp_path))
    keep(made_up(seed=0))
    assert "  R@1 " in said("leaderboard", "tirg-0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score-judged", "x", "--annotations", "y", "--protocol", "circo"], "protocol 'circo' is"),
        (
            ["score-judged", "x", "--annotations", "y", "--protocol", "tirg/css"],
            "tirg/css is not scored by `cmir score-judged`, which scores circo/official, ",
        ),
        (
            ["score-judged", "x", "--annotations", "y", "--protocol", "tirg/cs"],
            "protocol 'tirg/cs' is unknown; allowed: circo/official, genecis/official, ",
        ),
        (
            ["server-file", "x", "--annotations", "y", "--protocol", "cirr/official"],
            "protocol of a server 'cirr/official' is unknown; allowed: circo/official, ",
        ),
        (["lists", "nothing", "x.trec"], "no run 'nothing'"),
        (["leaderboard", "nothing", "x.json"], "no run 'nothing'"),
        (["leaderboard", "nothing.json"], "nothing.json does not exist"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CMIR_HOME", str(tmp_path / "home"))
    result = cmir(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
