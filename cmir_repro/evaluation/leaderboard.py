"""Results as others keep them: MTEB's task results, and the metadata of model cards.

MTEB (mteb/results/task_result.py) keeps fractions of 1 in a JSON file a task; a model card keeps
its `model-index` in YAML (hub-docs, modelcard.md). Both are read again, fractions as percent.
"""

from collections.abc import Mapping
from pathlib import Path

import yaml

from cmir_repro.core.errors import InputError, naming, one_of
from cmir_repro.core.files import write_json, write_text
from cmir_repro.core.rule import measure
from cmir_repro.data.readers.files import json_fields, read_json

# Protocol -> task and the revision of its data on the hub, read in mteb/tasks/retrieval/eng.
TASKS = {
    "mteb/fashioniq": ("FashionIQIT2IRetrieval", "e6f0ec70becc413d940cd62b2cfa3b1d3a08c31a"),
    "mteb/cirr": ("CIRRIT2IRetrieval", "503301cd99348035b9675883a543aa1ded0cf07c"),
}
# Kind of measure -> what MTEB calls it. Recall here is a hit, and MTEB's "recall" is not.
NAMES = {
    "nDCG": "ndcg_at",
    "mAP": "map_at",
    "MRR": "mrr_at",
    "R": "cv_recall_at",
    "P": "precision_at",
}
DIGITS = 6  # of MTEB's files
FORMS = ("mteb", "card")
CARDS = (".md", ".yml", ".yaml")  # what a file with a card's metadata ends in


def write(path: Path, result: Mapping, form: str, model: str = "") -> None:
    """Write a result in a form of FORMS.

    Args:
        result: of a scoring command, or a record's.
        model: the model's name, for a card.

    Raises:
        InputError: MTEB has no task of this protocol, the result says less than is needed, or the
            card lacks the model's name or would replace a file.
    """
    one_of("form", form, FORMS)
    if form == "mteb":
        write_json(Path(path), task_result(result))
    elif Path(path).exists():  # most of a card is written by hand
        raise InputError(
            f"{path} is there already and a card replaces no file; name another file to write, and "
            "copy its model-index into the card"
        )
    else:
        write_text(Path(path), model_card(result, model))


def task_result(result: Mapping) -> dict:
    """A result as MTEB's TaskResult; its version is null, for another program made the numbers.

    Average precision at k is divided by as many right answers as fit into k places, which are all
    of them in these tasks.
    """
    protocol, metrics = _parts(result)
    one_of("protocol with a task of MTEB", protocol["name"], TASKS)
    task, revision = TASKS[protocol["name"]]
    scores = {}
    for name, value in metrics.items():
        found = measure(name)
        if found.kind in NAMES and found.k and not found.macro:
            scores[f"{NAMES[found.kind]}_{found.k}"] = round(value / 100, DIGITS)
    main = {"main_score": scores["ndcg_at_10"], "hf_subset": "default", "languages": ["eng-Latn"]}
    return {
        "dataset_revision": revision,
        "task_name": task,
        "mteb_version": None,
        "scores": {"test": [scores | main]},
        "evaluation_time": None,
        "kg_co2_emissions": None,
    }


def model_card(result: Mapping, model: str) -> str:
    """A result as the YAML head of a model card; the protocol is in the name of each metric."""
    if not model or not model.strip():
        raise InputError("a model card names its model; give --model NAME")
    protocol, metrics = _parts(result)
    name = protocol["name"]
    data = {
        "type": name.partition("/")[0] if "/" in name else name,
        "name": f"{name}: {protocol['gallery']}",
    }
    rows = [
        {"type": key, "name": f"{key} ({name}, {_unit(key)})", "value": round(value, 4)}
        for key, value in metrics.items()
    ]
    task = {"type": "image-retrieval", "name": "Cross-modal image retrieval"}
    index = [{"name": model, "results": [{"task": task, "dataset": data, "metrics": rows}]}]
    text = yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n"


def read(path: Path) -> dict[str, dict[str, float]]:
    """Task or protocol -> metric -> value, of a file in either form or with a result.

    Raises:
        InputError: the file is missing, damaged or of another form.
    """
    path = Path(path)
    if path.suffix in CARDS:
        return _of_card(path)
    value = read_json(path, dict)
    if "task_name" in value:
        return _of_mteb(path, value)
    with naming(path):
        return shown(value)


def shown(result: Mapping) -> dict[str, dict[str, float]]:
    """A result as `read` gives it."""
    protocol, metrics = _parts(result)
    return {f"{protocol['name']}: {protocol['gallery']}": metrics}


def text(found: Mapping[str, Mapping[str, float]]) -> str:
    """What `read` found, aligned: ranks in places, all else in percent."""
    lines = []
    for name, metrics in found.items():
        lines += [name, *(f"  {key:<26}{value:>9.2f}" for key, value in metrics.items())]
    return "\n".join(lines)


def _parts(result: Mapping) -> tuple[Mapping, dict[str, float]]:
    """The stored protocol, and name -> value."""
    if lacking := [key for key in ("protocol", "metrics") if key not in result]:
        raise InputError(
            f"the result has no {' and no '.join(lacking)}; name a file of MTEB, or of --out of a "
            "command that scores by a protocol"
        )
    protocol, metrics = json_fields("the result", result, protocol=dict, metrics=dict)
    name, gallery = json_fields("the result's protocol", protocol, name=str, gallery=str)
    values = {
        key: float(json_fields(f"metric {key!r:.40}", m, value=float)[0])
        for key, m in metrics.items()
    }
    return {"name": name, "gallery": gallery}, values


def _unit(metric: str) -> str:
    return "places" if metric.endswith(("median rank", "mean rank")) else "percent"


def _of_mteb(path: Path, value: Mapping) -> dict[str, dict[str, float]]:
    task, scores = json_fields(str(path), value, task_name=str, scores=dict)
    if not scores:
        raise InputError(f"{path}: scores are empty; get the file again")
    kinds = {name: kind for kind, name in NAMES.items()}
    found = {}
    for split, subsets in scores.items():
        for number, one in enumerate(subsets if isinstance(subsets, list) else [None]):
            place = f"{path}, {split}, entry {number}"
            if not isinstance(one, dict):
                raise InputError(f"{place} is no dictionary; get the file again")
            metrics = {"main score": _percent(place, one, "main_score")}
            for key in one:
                kind, _, k = key.rpartition("_")
                if kind in kinds and k.isdigit():
                    metrics[f"{kinds[kind]}@{k}"] = _percent(place, one, key)
            found[f"{task}, {split}, {one.get('hf_subset', 'default')}"] = metrics
    return found


def _percent(place: str, scores: Mapping, key: str) -> float:
    """A fraction of 1, which JSON may write as the whole number 0 or 1."""
    value = scores.get(key)
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise InputError(f"{place}: {key} is {value!r:.40}, expected a fraction from 0 to 1")
    return 100.0 * value


def _of_card(path: Path) -> dict[str, dict[str, float]]:
    try:
        head = path.read_text(encoding="utf-8").removeprefix("---\n").partition("\n---")[0]
        index = yaml.safe_load(head)["model-index"]
        return {
            f"{entry['name']}, {part['dataset']['name']}": {
                str(m["type"]): float(m["value"]) for m in part["metrics"]
            }
            for entry in index
            for part in entry["results"]
        }
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        reason = str(error).split("\n")[0][:60]
        raise InputError(f"{path} has no readable model-index ({reason})") from error
