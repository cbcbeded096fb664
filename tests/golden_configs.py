"""The runs that golden traces are of: every system and compositor, a few steps, small."""

from cmir_repro.experiments.presets import aai, crcgs, dim
from cmir_repro.models.compositors import COMPOSITORS

SEED = 1  # not 0, the default, so that a seed which is not passed on is seen
# Where with seed 1 an activation sits so close to a ReLU's kink that it depends on the last bit, or
# two scores differ by so nearly the tolerance of ties that it does.
SEEDS = {
    "aai-cls": 3,
    "dim-concatenation": 2,
    "dim-tirg-jsd": 2,
    "dim-tirg-dv-ab": 2,
    "dim-film-sgd": 4,
}

TRAINING = {"steps": 4, "batch": 16, "evaluate_every": 2, "log_every": 1, "seed": SEED}


def dim_config(dataset="css", task="auto", recipe="fast", training=None, **model):
    """A composed-retrieval configuration, small."""
    return dim.configure(
        dataset,
        task,
        method="golden",
        recipe_name=recipe,
        model={"image_encoder": "convnet", "image_weights": "none", "embed_dim": 16, **model},
        training=TRAINING | (training or {}),
    )


def _dim_configs() -> dict:
    """One of each compositor; of DIM every part, estimator, mask and pairing in some."""
    found = {f"dim-{name}": dim_config(compositor=name) for name in COMPOSITORS}
    found["dim-attribute-as-operator"] = dim_config(  # its texts are one attribute
        "photos", compositor="attribute-as-operator", training={"batch": 8}
    )
    tirg = {"compositor": "tirg"}
    found["dim-tirg-jsd"] = dim_config(dim={"units": 8}, **tirg)
    found["dim-tirg-infonce-a"] = dim_config(
        dim={"units": 8, "parts": "A", "estimator": "infonce", "pair": "both"}, **tirg
    )
    found["dim-tirg-infonce-b"] = dim_config(
        dim={"units": 8, "parts": "B", "estimator": "infonce", "block": "block1", "mask": "label"},
        **tirg,
    )
    found["dim-tirg-dv-ab"] = dim_config(
        dim={"units": 8, "estimator": "dv", "positions": 3, "detach_image": True, "mask": "none"},
        task="2d-3d",
        metric="soft-triplet",
        **tirg,
    )
    # The released optimiser and order of queries; its rate is cut, and selection ends the run.
    found["dim-film-sgd"] = dim_config(
        recipe="tirg/css",
        compositor="film",
        metric="soft-triplet",
        training={"schedule": "step", "decay_every": 3, "patience": 2, "steps": 8},
    )
    return found


def aai_config(training=None, **model):
    """An image <-> sentence configuration, small; by default with every term."""
    small = {
        "width": 16, "embed_dim": 8, "heads": 2, "fusion_layers": 1, "text_layers": 1,
        "dropout": 0.1, "size_augmentation": True, "momentum": 0.9, "queue": 20,
        "soft_labels": 0.4, "soft_ramp": 3, "mlm": 1.0, "lmim_pairs": "both",
    }  # fmt: skip
    return aai.configure(
        method="golden", model={**small, **model}, training=TRAINING | (training or {})
    )


def _aai_configs() -> dict:
    plain = aai.METHODS[aai.REFERENCE]
    return {
        "aai-gpo": aai_config(),
        "aai-mean": aai_config(
            {"schedule": "cosine"}, **{**plain, "mlm": 0.0, "text_encoder": "bigru"}
        ),
        "aai-max": aai_config(
            pooler="max", mlm=0.0, fusion_input="aggregated", lmim_pairs="intra", queue=0
        ),
        "aai-cls": aai_config(
            pooler="cls", mlm=0.0, lmim=0.0, image_encoder="vit-tiny-mini", soft_labels=0.0,
            width=24, training={"batch": 8},
        ),
    }  # fmt: skip


def crcgs_config(method="golden", training=None, **model):
    """A label-based configuration whose teachers and hash heads are short, too."""
    dataset = "css"
    small = {
        "hidden": 16, "embed_dim": 8, "discriminator_image": (8, 4), "discriminator_text": (8, 4),
        "discriminator_steps": 2, "memory": 20, "contrast": 0.1, "support": 0.1,
    }  # fmt: skip
    if method in crcgs.BASELINES:
        # With fewer images than features CCA's axes would hang on the last bit.
        dataset, small = "tiny-labels", {"hidden_image": 8, "hidden_text": 8, "dims": 4}
    long = crcgs.configure(
        dataset, method=method, model={**small, **model}, training=TRAINING | (training or {})
    )
    teacher, hashing = long.teacher, long.hashing
    short = {"steps": 4, "batch": 16, "learning_rate": 1e-3}
    if teacher:
        sizes = {"codes": (12, 8), "text_back": 8, "image_back": 8}
        teacher = teacher.model_copy(update=sizes | short)
    hashing = hashing.model_copy(update={"bits": (4, 12), "hidden": 8, **short})
    return long.model_copy(update={"teacher": teacher, "hashing": hashing})


def _crcgs_configs() -> dict:
    known = crcgs.METHODS
    released = {**known["Released"], "support": 0.1}
    return {
        "crcgs": crcgs_config(),
        "crcgs-other-categories": crcgs_config(contrast_form="other categories"),
        "crcgs-released": crcgs_config(**released),
        "crcgs-samples": crcgs_config(**{**released, "contrast_count": "samples"}),
        "crcgs-base": crcgs_config(**known["Base"], image_encoder="convnet"),
        "crcgs-dscmr": crcgs_config(**known["DSCMR"]),
        "crcgs-cca-itq": crcgs_config("CCA, ITQ"),
        "crcgs-dcmh": crcgs_config("DCMH"),
    }


def configs() -> dict:
    """Name -> the run that a trace is of."""
    found = _dim_configs() | _aai_configs() | _crcgs_configs()
    for name, seed in SEEDS.items():
        train = found[name].train.model_copy(update={"seed": seed})
        found[name] = found[name].model_copy(update={"train": train})
    return found
