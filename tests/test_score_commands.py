"""Commands that score files: what they print and write, and what a result does not replace."""

import json

import numpy as np
import pytest
from command_line import complaint, said

from cmir_repro.core.protocol import TIES
from cmir_repro.core.scorers import names
from cmir_repro.evaluation.features import save_features


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two queries q.npz and three items g.npz, with all that any protocol asks for."""
    monkeypatch.chdir(tmp_path)
    item, g = np.eye(3), np.array(["g0", "g1", "g2"])
    facts = {"labels": np.array(["a", "b", "c"]), "categories": np.eye(3, dtype=np.uint8)}
    save_features(tmp_path / "g.npz", g, item, **facts)
    asked = {"source": g[[2, 0]], "labels": np.array(["a", "b"]), "image": g[[0, 1]]}
    categories = np.eye(3, dtype=np.uint8)[:2]
    save_features(
        tmp_path / "q.npz", np.array(["q0", "q1"]), item[:2], **asked, categories=categories
    )
    save_features(
        tmp_path / "s.npz", np.array(["s0", "s1", "s2"]), item, image=g, categories=np.eye(3)
    )
    return tmp_path


SCORER = {"score": "recall", "score-images-sentences": "image_text", "score-labels": "labels"}
SCORED = {
    "score": (["--queries", "q.npz", "--gallery", "g.npz"], "tirg/css", "R@1"),
    "score-images-sentences": (
        ["--images", "g.npz", "--sentences", "s.npz"], "own/image-sentence", "i2t R@1",
    ),
    "score-labels": (["--queries", "q.npz", "--database", "g.npz"], "map-all", "MAP@all"),
}  # fmt: skip


@pytest.mark.parametrize("command", SCORED)
def test_files_are_scored_printed_and_written(files, command):
    given, protocol, metric = SCORED[command]
    arguments = [command, *given, "--protocol", protocol, "--ties", "worst", "--seed", "5"]
    text = said(*arguments, "--out", "out.json")
    result = json.loads((files / "out.json").read_text())
    assert result["protocol"]["name"] == f"{protocol}[ties=worst]"
    assert result["interval"]["seed"] == 5
    assert result["metrics"][metric]["value"] == 100
    assert any(line.startswith(f"{metric} ") and "100.00" in line for line in text.splitlines())


@pytest.mark.parametrize("command", SCORED)
def test_files_that_cannot_be_scored_are_one_line(files, command):
    given, protocol, _ = SCORED[command]
    listed = complaint(command, *given, "--protocol", "cs").partition("; allowed: ")[2].strip()
    assert listed.split(", ") == names(SCORER[command])
    wrong = complaint(command, *given, "--protocol", protocol, "--ties", "some")
    assert f"ties 'some' is unknown; allowed: {', '.join(TIES)}" in wrong
    (files / "g.npz").write_bytes(b"PK\x03\x04 cut off")
    assert "g.npz" in complaint(command, *given, "--protocol", protocol)


@pytest.mark.parametrize("command", SCORED)
def test_a_result_replaces_no_features(files, command, monkeypatch):
    given, protocol, _ = SCORED[command]
    before = {path: path.read_bytes() for path in files.iterdir()}
    typed = [command, *given, "--protocol", protocol, "--out"]
    for path in given[1::2]:
        assert f"{path} is read here and would be replaced" in complaint(*typed, path)
    (files / "page.md").write_text("by hand")
    assert "page.md is there already and does not end in .json" in complaint(*typed, "page.md")
    assert "g.npz is no folder" in complaint(*typed, "g.npz/out.json")
    assert {path: path.read_bytes() for path in before} == before
    said(*typed, "out.json")
    said(*typed, "out.json")


def test_arrays_bring_their_ids_in_files_of_their_own(files):
    for name, rows in (
        ("q", ["id,label,source", "q0,a,g2", "q1,b,"]),
        ("g", ["id,label", "g0,a", "g1,b", "g2,c"]),
    ):
        np.save(files / f"{name}.npy", np.load(files / f"{name}.npz")["features"])
        (files / f"{name}.csv").write_text("\n".join(rows) + "\n")
    given = ["score", "--queries", "q.npy", "--gallery", "g.npy", "--protocol", "tirg/css"]
    assert "g.npy" in complaint(*given, "--query-ids", "q.csv")
    ids = ["--query-ids", "q.csv", "--gallery-ids", "g.csv"]
    assert "2 queries, 3 gallery items" in said(*given, *ids)


def test_rank_files_are_audited_printed_and_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, ranks in {"i": (1, 20, 30), "t": (20, 1, 30), "m": (1, 1, 2)}.items():
        lines = [f"q{n},{rank}" for n, rank in enumerate(ranks)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["query,rank", *lines]) + "\n")
    printed = said("audit", "i.csv", "t.csv", "m.csv,m.csv", "--other", "m.csv,i.csv", "--out", "o")
    assert "need composition          10       1  R@1 " in printed
    assert len(json.loads((tmp_path / "o").read_text())["parts"]) == 12
    for name in ("i.csv", "t.csv", "m.csv"):
        typed = ("audit", "i.csv", "t.csv", "t.csv,i.csv", "--other", "i.csv,m.csv")
        assert f"{name} is read here" in complaint(*typed, "--out", name)
    (tmp_path / "m.csv").write_text("query,place\nq0,1\n")
    assert "m.csv has no column 'rank'" in complaint("audit", "i.csv", "t.csv", "m.csv")
