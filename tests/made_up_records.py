"""Records that nobody ran, for tests of the ledger and of tables."""

import pandas as pd

from cmir_repro.core.protocol import preset
from cmir_repro.experiments import ledger, versions
from cmir_repro.experiments.presets.dim import configure


def made_up(method="TIRG", seed=0, **changes):
    """A record nobody ran, and its ranks of four queries."""
    if "config" not in changes:
        config = configure(method=method, seed=seed)
        changes["config"] = config.model_dump(mode="json")
        changes.setdefault("versions", versions.used(config))
    recall = {"value": 50.0, "low": 10.0, "high": 90.0, "chance": 0.5}
    values = {
        "system": "dim",
        "run": f"{method.lower().replace(' ', '-')}-{seed}",
        "dataset": "css", "scale": "mini", "task": "3d-3d", "method": method, "seed": seed,
        "selection": "last step",
        "data": {"manifest": "m", "tables": "t", "kind": "rendered"},
        "code": {"sources": "0123456789abcdef", "dirty": False},
        "hardware": {"cpu": "a chip", "cores": 2, "gpu": None},
        "software": {},
        "parameters": 10, "steps": 5, "seconds": 12.0, "peak_memory_gb": 0.5,
        "result": {
            "protocol": preset("tirg/css").as_dict(), "queries": 4, "gallery": 9,
            "metrics": {f"R@{k}": recall for k in (1, 5, 10)},
        },
        "validation": {}, "checkpoint_sha256": "0", "command": "none", "finished": "2026-01-01",
    }  # fmt: skip
    return ledger.Record.make(**values | changes)


def made_up_run(config, result):
    """A record nobody ran, of a configuration of any system."""
    seed = config.train.seed
    facts = {key: getattr(config, key) for key in ("dataset", "scale", "task", "method")}
    facts["system"] = config.system
    facts["run"] = f"{config.method.lower().replace(' ', '-').replace(',', '')}-{seed}"
    facts["config"] = config.model_dump(mode="json")
    facts["versions"] = versions.used(config)
    return made_up(seed=seed, result=result).model_copy(update=facts)


def keep(record, ranks=(1.0, 2.0, 1.5, 7.0), log=({"step": 1, "loss": 0.5},)):
    queries = pd.DataFrame({"query": [f"q{i}" for i in range(len(ranks))], "rank": ranks})
    ledger.save(record, queries, list(log))
    return record


def with_recalls(method, seed, values, **changes):
    """A record nobody ran, with R@1, R@5 and R@10 as given."""
    record = made_up(method, seed)
    metrics = {
        f"R@{k}": {"value": v, "low": v - 5, "high": v + 5, "chance": k / 10}
        for k, v in zip((1, 5, 10), values, strict=True)
    }
    return record.model_copy(update={"result": {**record.result, "metrics": metrics}, **changes})
