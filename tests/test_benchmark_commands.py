"""Commands for benchmarks, from features to what a server or a leaderboard takes."""

import json

import numpy as np
import pytest
import tiny_benchmarks
from command_line import cmir, said

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
    said("leaderboard", out, folder / "card.md", "--form", "card", "--model", "me/mine")
    card = said("leaderboard", folder / "card.md")
    value = json.loads(out.read_text())["metrics"]["mAP@10"]["value"]
    assert f"{value:.2f}" in card


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score-judged", "x", "--annotations", "y", "--protocol", "circo"], "protocol 'circo' is"),
        (
            ["score-judged", "x", "--annotations", "y", "--protocol", "tirg/css"],
            "tirg/css is not scored by `cmir score-judged`, which scores circo/official, ",
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
