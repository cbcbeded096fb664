"""The methods of the tables as configurations; what is in a run is all said by its configuration.

So this file may grow without making finished runs out of date: each carries its own settings.
"""

from typing import Literal

from pydantic import Field

from cmir_repro.core.config import Config
from cmir_repro.core.errors import one_of
from cmir_repro.systems.dim import ModelConfig
from cmir_repro.training.loop import TrainConfig, recipe

UNIMODAL = {"Image only": "image-only", "Text only": "text-only"}
# Fusion networks: each is trained with and without DIM.
FUSIONS = {
    "Concatenation": "concatenation",
    "Show and Tell": "show-and-tell",
    "Parameter hashing": "parameter-hashing",
    "Attribute as operator": "attribute-as-operator",
    "Relationship": "relationship",
    "MRN": "mrn",
    "FiLM": "film",
    "TIRG": "tirg",
    "TIRG last conv": "tirg-last-conv",
    "ComposeAE": "composeae",
}
WITH_DIM = " + DIM"
# Methods of the tables: what differs from the scale's model.
METHODS = {
    **{name: {"compositor": key} for name, key in (UNIMODAL | FUSIONS).items()},
    **{name + WITH_DIM: {"compositor": key, "dim": {}} for name, key in FUSIONS.items()},
}
# Notebook 06: TIRG + DIM (both parts, JSD, block 2, weights 0.1, target) with one thing changed.
ABLATION = {
    "part": {"A": {"parts": "A"}, "B": {"parts": "B"}},
    "estimator": {"InfoNCE": {"estimator": "infonce"}, "DV": {"estimator": "dv"}},
    "block": {str(n): {"block": f"block{n}"} for n in (1, 3, 4)},
    "weight": {str(w): {"weight_a": w, "weight_b": w} for w in (0.03, 0.3, 1.0)},
    "pair": {"source": {"pair": "source"}, "both": {"pair": "both"}},
}


def ablation_name(what: str, value: str) -> str:
    """The method's name of a cell of the ablation."""
    return f"TIRG + DIM, {what} {value}"


_ABLATED = {
    ablation_name(what, value): {"compositor": "tirg", "dim": dim}
    for what, cells in ABLATION.items()
    for value, dim in cells.items()
}
# Data sets of generated scenes, with fixed queries; all others are photographs.
GENERATED = ("css", "css-released")
# Our choice: what fits two cores and minutes, and what fits a GPU. The generated scenes are learnt
# from nothing; photographs start from a net trained on ImageNet, which mini leaves as it is.
SCALES = {
    "mini": {
        "css": {
            "model": {"image_encoder": "convnet", "embed_dim": 128},
            "train": {"steps": 400, "batch": 64, "learning_rate": 2e-3, "evaluate_every": 100},
        },
        "photos": {
            "model": {
                "image_encoder": "frozen-mobilenet_v2",
                "image_weights": "mobilenet_v2-imagenet-fp16.safetensors",
                "embed_dim": 128,
            },
            "train": {"steps": 400, "batch": 128, "learning_rate": 2e-3, "evaluate_every": 100},
        },
    },
    "paper": {
        "css": {
            "model": {"image_encoder": "resnet18", "embed_dim": 512, "dim": {"units": 512}},
            "train": {
                "steps": 6000,
                "batch": 256,
                "learning_rate": 1e-3,
                "precision": "bf16",
                "evaluate_every": 500,
            },
        },
        "photos": {
            "model": {
                "image_encoder": "mobilenet_v2",
                "image_weights": "mobilenet_v2-imagenet-fp16.safetensors",
                "embed_dim": 512,
                "dim": {"units": 512},
            },
            "train": {
                "steps": 3000,
                "batch": 128,
                "learning_rate": 1e-3,
                "pretrained_factor": 0.1,
                "precision": "bf16",
                "evaluate_every": 300,
            },
        },
    },
}


class RunConfig(Config):
    """One run; build it with `configure`."""

    dataset: str = Field("css", min_length=1)
    task: str = Field("3d-3d", min_length=1)
    scale: Literal[tuple(SCALES)] = "mini"
    method: str = Field("TIRG", min_length=1)
    shuffle_text: bool = False  # train with other queries' sentences: a check, not a method
    model: ModelConfig
    train: TrainConfig


def default_task(dataset: str) -> str:
    """The task of a data set when none is named."""
    return "3d-3d" if _kind(dataset) == "css" else "photo"


def configure(
    dataset: str = "css",
    task: str = "auto",
    scale: str = "mini",
    method: str = "TIRG",
    seed: int = 0,
    recipe_name: str = "fast",
    model: dict | None = None,
    training: dict | None = None,
    shuffle_text: bool = False,
) -> RunConfig:
    """The configuration of a method of the tables, with what the reader changes.

    Args:
        task: a task of the data set; "auto": see `default_task`.
        method: a method of the tables or of the ablation; with `model`, any other name for a
            model of one's own.
        recipe_name: a key of train.RECIPES; "fast" takes the scale's steps, batch and rate.
        model, training: settings to change, over those of method and scale.

    Raises:
        InputError: an unknown name, key or value.
    """
    one_of("scale", scale, SCALES)
    known = METHODS | _ABLATED
    if not model:  # a mistyped name must not train something else under that name
        one_of("method", method, known)
    changes = merged(known.get(method, {}), model or {})
    size = SCALES[scale][_kind(dataset)]
    settings = merged(size["model"], changes)
    if "dim" not in changes:
        settings.pop("dim", None)
    steps = size["train"] if recipe_name == "fast" else {}
    settings_train = recipe(recipe_name, **{**steps, "seed": seed, **(training or {})})
    ModelConfig.make(**settings)  # its own message is clearer than the nested one
    return RunConfig.make(
        dataset=dataset,
        task=default_task(dataset) if task == "auto" else task,
        scale=scale,
        method=method,
        shuffle_text=shuffle_text,
        model=settings,
        train=settings_train.model_dump(),
    )


def _kind(dataset: str) -> str:
    return "css" if dataset in GENERATED else "photos"


def merged(settings: dict, changes: dict) -> dict:
    """`settings` with `changes`; a dict in both is merged, not replaced."""
    out = dict(settings)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = {**out[key], **value} if both else value
    return out
