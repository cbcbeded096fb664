"""A student, its teachers and a batch of a few numbers; and two sums written out."""

import math

import torch

from cmir_repro.systems.crcgs import CRCGS, CRCGSConfig, TeacherConfig, Teachers

B, F, D, C, K, ROWS = 6, 7, 5, 3, 8, 50
TINY = {"hidden": 12, "embed_dim": 9, "discriminator_image": (6, 4), "discriminator_text": (5, 3)}
TEACHER = {"codes": (10, K), "text_back": 6, "image_back": 6}
NO_TEACHER = {"distill": 0, "adversary": 0, "contrast_with": "students"}
BASE = {"distill": 0, "adversary": 0, "contrast": 0, "support": 0}
LABELS = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 1, 1.0]])


def taught(**changes):
    torch.manual_seed(1)
    return Teachers(TeacherConfig.make(**TEACHER | changes), F, D)


def build(shape=(F,), **changes):
    config = CRCGSConfig.make(**TINY | changes)
    teachers = taught() if config.generates else None
    torch.manual_seed(0)
    return CRCGS(config, shape, D, C, ROWS, B, teachers).train()


def batch(seed=0, **changes):
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(B, F, generator=g)
    return {
        "image": features,
        "features": features,
        "text": torch.randint(2, (B, D), generator=g).float(),
        "labels": LABELS.clone(),
        "f": torch.rand(B, K, generator=g),
        "g": torch.rand(B, K, generator=g),
        **changes,
    }


def forward(system, given=None, *turn):
    return system(given or batch(), torch.Generator(), *turn)


def learn(system, given, step, parts):
    """What the loop does with a batch: the turns and their losses, in order."""
    told = []
    for turn in system.turns(step):
        losses = forward(system, given, turn)
        system.zero_grad(set_to_none=True)
        losses["loss"].backward()
        parts[turn].step()
        told.append((turn, losses))
    return told


def encoded(system, given):
    """u, v, a, b of a batch, without gradients."""
    with torch.no_grad():
        u, v = system.encode_images(given["image"]), system.encode_texts(given["text"])
        return u, v, system.towers.convert_images(u), system.towers.convert_texts(v)


def teacher_of(system):
    return system._teachers[0]


def cosine(x, z):
    return sum(p * q for p, q in zip(x, z, strict=True)) / (math.hypot(*x) * math.hypot(*z))


def alike_written_out(x, z, labels):
    total = 0.0
    for one, own in zip(x.tolist(), labels.tolist(), strict=True):
        for other, theirs in zip(z.tolist(), labels.tolist(), strict=True):
            theta = cosine(one, other) / 2
            related = any(p and q for p, q in zip(own, theirs, strict=True))
            total += math.log(1 + math.exp(theta)) - related * theta
    return total / len(x) ** 2
