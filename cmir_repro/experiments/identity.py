"""Which run a configuration is: its name, and the digest of the code that decides its numbers."""

import ast
import inspect
import sys

from cmir_repro.core.config import Config
from cmir_repro.experiments import ledger
from cmir_repro.experiments.presets.base import GENERATED
from cmir_repro.experiments.presets.dim import DIMRun
from cmir_repro.models.compositors import COMPOSITORS

# What decides a run's numbers, besides its configuration, data, protocol and compositor, which
# its identity holds: a change elsewhere (plots, another method) leaves finished runs valid.
_DECISIVE = (
    "data/prepared.py", "data/sampling.py", "data/store.py", "data/tokenizers.py",
    "models/critics.py", "core/weights.py", "models/image.py", "models/text.py", "losses/metric.py",
    "losses/mutual_information.py", "systems/dim.py", "experiments/dim.py",
    "core/distributed.py", "experiments/dim_embedding.py", "evaluation/recall.py",
    "evaluation/intervals.py", "experiments/job.py", "experiments/dim_task.py", "training/loop.py",
)  # fmt: skip
_DECISIVE_FOR_PHOTOS = ("data/training_pairs.py", "models/frozen.py")

_DECISIVE_FOR_SENTENCES = (
    "experiments/aai.py", "experiments/aai_task.py", "experiments/aai_embedding.py",
    "data/tokenizers.py", "data/css/sentences.py", "data/prepared.py",
    "data/sampling.py", "data/sentences.py", "data/store.py", "data/augment.py",
    "core/distributed.py", "evaluation/recall.py", "models/frozen.py",
    "evaluation/image_text.py", "models/fusion.py", "models/image.py", "models/image_tokens.py",
    "models/momentum.py", "models/pooling.py", "models/text.py",
    "models/token_set.py", "losses/contrastive.py",
    "losses/matching.py", "evaluation/rerank.py",
    "experiments/job.py", "systems/aai.py", "systems/aai_sides.py", "training/loop.py",
)  # fmt: skip

_DECISIVE_FOR_LABELS = (
    "experiments/crcgs.py", "data/labelled.py", "data/prepared.py", "data/sampling.py",
    "data/css/tags.py", "data/store.py", "models/frozen.py", "evaluation/intervals.py",
    "evaluation/labels.py", "experiments/crcgs_task.py", "evaluation/average_precision.py",
    "models/momentum.py", "models/generators.py", "models/image.py", "models/towers.py",
    "losses/contrastive.py", "losses/cosine.py", "losses/crcgs.py", "losses/labels.py",
    "experiments/job.py", "systems/cca_itq.py", "systems/crcgs.py", "systems/baselines.py",
    "evaluation/tie_groups.py", "training/loop.py",
)  # fmt: skip
# By the module that makes the configuration; others are those of composed retrieval.
_DECISIVE_FOR = {
    "cmir_repro.experiments.presets.aai": _DECISIVE_FOR_SENTENCES,
    "cmir_repro.experiments.presets.crcgs": _DECISIVE_FOR_LABELS,
}


def sources(config: Config) -> str:
    """Digest of the code that decides a run's numbers, that of its compositor included."""
    if not isinstance(config, DIMRun):
        return ledger.code_hash(_DECISIVE_FOR[type(config).__module__])
    own = []
    for kind in COMPOSITORS[config.model.compositor].__mro__:
        home = kind.__module__.partition(".")[0]
        if home == "cmir_repro":  # with the constants beside it
            own.append(inspect.getsource(sys.modules[kind.__module__]))
        elif home not in ("torch", "builtins"):  # a reader's own
            own.append(_source(kind))
    more = () if config.dataset in GENERATED else _DECISIVE_FOR_PHOTOS
    return ledger.code_hash((*_DECISIVE, *more), own)


def name(config: Config) -> str:
    """The run's name in the ledger and of its folder."""
    return ledger.run_name(
        config.dataset,
        config.task,
        config.scale,
        config.method,
        config.train.seed,
        config.model_dump(mode="json"),
    )


def current(config: Config) -> bool:
    """Whether one of the ledgers holds this run, made by the sources as they are."""
    run = name(config)
    held = [ledger.read(run, origin) for origin in ledger.ORIGINS if ledger.exists(run, origin)]
    return any(record.code["sources"] == sources(config) for record in held)


def _source(kind: type) -> str:
    """The text of a class; for one of a notebook, which has no file, from its cell."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        function = next(f for f in vars(kind).values() if inspect.isfunction(f))
        cell = ast.parse("".join(inspect.findsource(function)[0]))
        classes = (node for node in ast.walk(cell) if isinstance(node, ast.ClassDef))
        return next(ast.unparse(node) for node in classes if node.name == kind.__name__)
