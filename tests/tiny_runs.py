"""A run of a step or two of each system, for tests of what is done with any run."""

from cmir_repro.experiments.presets import aai, crcgs, dim
from cmir_repro.experiments.run import run

TRAINING = {"steps": 1, "batch": 8}


def config(system):
    """A configuration on the tiny scenes; CRCGS with teachers and one short hash head."""
    if system == "dim":
        return dim.configure(model={"embed_dim": 8}, training=TRAINING)
    if system == "aai":
        small = {"width": 16, "embed_dim": 8, "heads": 2, "fusion_layers": 1, "text_layers": 1}
        return aai.configure(method=aai.REFERENCE, model=small, training=TRAINING)
    made = crcgs.configure(
        method="Base + generative features",
        model={"hidden": 8, "embed_dim": 8, "contrast": 0.1},
        training=TRAINING,
    )
    short = {"steps": 1, "batch": 8}
    codes = made.teacher.model_copy(update={**short, "codes": (8, 4)})
    heads = made.hashing.model_copy(update={**short, "bits": (4,), "hidden": 4})
    return made.model_copy(update={"teacher": codes, "hashing": heads})


def make(system):
    return run(config(system), progress=False)
