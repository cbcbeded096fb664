"""Arrows between the files of label-based retrieval run one way."""

import ast

from cmir_repro import paths


def imported(start):
    """Files of the package that a file imports, directly or through others."""
    package, seen, waiting = paths.REPOSITORY / "cmir_repro", set(), [start]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in ast.walk(ast.parse((package / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cmir_repro"):
                base = node.module.split(".")[1:]
                for path in ["/".join(base)] + ["/".join([*base, a.name]) for a in node.names]:
                    if path and (package / f"{path}.py").exists():
                        waiting.append(f"{path}.py")
    return seen


def test_arrows_run_one_way():
    """Systems know nothing of runs and data, evaluation nothing of models."""
    below = imported("systems/crcgs.py") | imported("systems/neighbours.py")
    above = {"crcgs_run.py", "crcgs_methods.py", "labelled_task.py", "ledger.py", "runs.py"}
    assert "models/retrieval_towers.py" in below  # the walk goes through
    assert not below & (above | {"train.py", "tasks.py", "label_retrieval.py", "data/labelled.py"})
    evaluation = imported("label_retrieval.py")
    assert "mean_average_precision.py" in evaluation
    assert not {name for name in evaluation if name.startswith(("models/", "systems/"))}
    for name in ("generative", "support_set", "categories", "hashing", "label_similarity"):
        assert not {n for n in imported(f"objectives/{name}.py") if n.startswith("models/")}
