"""What the configurations of all systems share: whose run it is, and how settings are put together.

What is in a run is all said by its configuration, so methods may be added without making finished
runs out of date: each carries its own settings.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from cmir_repro.core import paths
from cmir_repro.core.config import Config, read
from cmir_repro.core.device import SCALES
from cmir_repro.core.errors import one_of
from cmir_repro.core.files import read_json
from cmir_repro.training.loop import TrainConfig

# Data sets of generated scenes; all others are photographs.
GENERATED = ("css", "css-released")


class FeatureFiles(Config):
    """Features computed elsewhere that a run reads instead of pictures or sentences.

    Files or folders as `data.feature_store` describes them, as full paths; "": not these.
    """

    images: str = ""
    texts: str = ""


class RunConfig(Config):
    """One run, as `configure` builds it; each system adds its model."""

    system: ClassVar[str]  # a key of systems.SYSTEMS

    dataset: str = Field("css", min_length=1)
    task: str = Field(min_length=1)
    scale: Literal[SCALES] = "mini"
    method: str = Field(min_length=1)
    train: TrainConfig
    # Left out where there are none, so that the name of every other run stays what it is.
    features: FeatureFiles | None = Field(None, exclude_if=lambda value: value is None)
    # Only train and validate, see experiments.search; the run is the same, so nobody stores it.
    search: bool = Field(False, exclude=True)

    def components(self) -> dict[str, type | None]:
        """What of the system decides the numbers: a key of VERSIONS, or a class with a version."""
        return {self.system: None}

    def updates(self) -> int:
        """Optimiser steps of all stages that are trained for it."""
        return self.train.steps


@dataclass(frozen=True)
class Candidate:
    """A setting that a search tries: a method with something changed; see experiments.search.

    method: of the tables; model, training: what differs from it; longer: times the scale's steps,
    with as many validations.
    """

    method: str
    model: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    longer: int = 1


def stretched(training: dict, candidate: Candidate | None) -> dict:
    """A scale's settings of training as a candidate wants them."""
    if candidate is None:
        return training
    times = {key: training[key] * candidate.longer for key in ("steps", "evaluate_every")}
    return {**training, **times, **candidate.training}


def kind(dataset: str) -> str:
    """The key of a scale's settings for a data set: "css" for generated scenes, or "photos"."""
    return "css" if dataset in GENERATED else "photos"


def feature_files(images: Path | str, texts: Path | str) -> FeatureFiles | None:
    """The feature files of a run by their full paths, so that a run is the same from any folder."""
    if not images and not texts:
        return None
    given = {"images": images, "texts": texts}
    return FeatureFiles(**{k: str(Path(v).absolute()) if v else "" for k, v in given.items()})


def own_task(dataset: str, usual: str) -> str:
    """The usual task of a data set, or where it is prepared with others its first one."""
    tasks = _told(dataset).get("tasks", {})
    return next(iter(tasks)) if tasks and usual not in tasks else usual


def without_pixels(dataset: str) -> bool:
    """Whether a data set has features of its images in the place of pictures."""
    files = [] if kind(dataset) == "css" else list(_told(dataset).get("files", {}))
    kept = any(name.startswith("ready-image-") for name in files)
    return kept and not any(name.startswith("pixels-") for name in files)


def _told(dataset: str) -> dict:
    file = paths.data() / dataset / "dataset.json"
    return read_json(file) if file.exists() else {}


def candidates(presets: ModuleType, dataset: str, task: str, scale: str) -> list[str]:
    """What a search tries: names of SEARCH, most promising first.

    A candidate that became the setting of a scale is one no more there, but is one elsewhere.
    """
    found: dict[str, dict] = {}
    for name in presets.SEARCH:
        settings = presets.configure(dataset, task, scale, name).model_dump(exclude={"method"})
        if settings not in found.values():
            found[name] = settings
    return list(found)


def check(scale: str, method: str, known: Iterable[str], model: dict | None) -> None:
    """Refuse an unknown scale, and an unknown method unless it has a model of its own.

    Raises:
        InputError: unknown; a mistyped name must not train something else under that name.
    """
    one_of("scale", scale, SCALES)
    if not model:
        one_of("method", method, known)


def assemble(
    run: type[RunConfig],
    default_task: Callable[[str], str],
    dataset: str,
    task: str,
    scale: str,
    method: str,
    train: TrainConfig,
    **own: object,
) -> RunConfig:
    """What every `configure` ends with.

    Args:
        run: the system's class; own: its fields beside those of all.
        default_task: data set -> the task that "auto" means.

    Raises:
        InputError: an unknown key or an impossible value.
    """
    return run.make(
        dataset=dataset,
        task=default_task(dataset) if task == "auto" else task,
        scale=scale,
        method=method,
        train=train.model_dump(),
        **own,
    )


OwnMethods = dict[str, dict[str, dict[str, JsonValue]]]


def own_file() -> Path:
    """Where the methods that a user registered are kept: in the user's own ledger."""
    return paths.results() / "methods.json"


def own(system: str) -> dict[str, dict]:
    """The methods that the user registered for a system: name -> settings; see experiments.own."""
    return own_methods().get(system, {})


def own_methods() -> dict[str, dict[str, dict]]:
    """All methods that the user registered: system -> name -> settings."""
    file = own_file()
    return read(file, OwnMethods) if file.exists() else {}


def merged(settings: dict, *changes: dict | None) -> dict:
    """`settings` with each of `changes` in turn; a dict in both is merged, not replaced."""
    out = dict(settings)
    for change in changes:
        for key, value in (change or {}).items():
            both = isinstance(value, dict) and isinstance(out.get(key), dict)
            out[key] = {**out[key], **value} if both else value
    return out
