"""CRCGS' objectives against sums written out, what they survive, and refusals."""

import math

import pytest
import torch
from tiny_crcgs import (
    BASE,
    LABELS,
    NO_TEACHER,
    ROWS,
    TINY,
    B,
    C,
    D,
    F,
    K,
    alike_written_out,
    batch,
    build,
    cosine,
    encoded,
    forward,
    learn,
)
from torch import nn

from cmir_repro.core.errors import InputError
from cmir_repro.losses import crcgs
from cmir_repro.losses.crcgs import released_contrast, support_loss
from cmir_repro.losses.labels import share
from cmir_repro.systems.crcgs import CRCGS, DISCRIMINATORS, RELEASED, STUDENT, CRCGSConfig
from cmir_repro.training.loop import TrainConfig, optimizers

TURNS = (STUDENT, DISCRIMINATORS) * 2


def test_the_base_objective_by_loops():
    system, given = build(**BASE, phi=0.5, alpha=2.0, beta=0.25), batch()
    u, v, *_ = encoded(system, given)
    cross = 0.0
    for side in (u, v):
        chances = system.towers.classify(side).sigmoid().flatten().tolist()
        for p, y in zip(chances, LABELS.flatten().tolist(), strict=True):
            cross -= math.log(p if y else 1 - p) / (B * C)
    alike = sum(alike_written_out(x, z, LABELS) for x, z in ((u, u), (u, v), (v, v)))
    apart = sum(math.dist(x, z) for x, z in zip(u.tolist(), v.tolist(), strict=True)) / B
    found = forward(system, given)
    assert found["base"].item() == pytest.approx(0.5 * cross + 2 * alike + 0.25 * apart, rel=1e-5)
    assert set(found) == {"loss", "base"}
    assert found["loss"] == found["base"]


def test_regression_takes_the_place_of_classification():
    system, given = (
        build(**BASE, alpha=0.0, beta=0.0, phi=1.0, classification="regression"),
        batch(),
    )
    wanted = 0.0
    for side in encoded(system, given)[:2]:
        predicted = system.towers.classify(side)
        wanted += (
            sum(math.dist(p, y) for p, y in zip(predicted.tolist(), LABELS.tolist(), strict=True))
            / B
        )
    assert forward(system, given)["base"].item() == pytest.approx(wanted, rel=1e-5)


def test_similarity_may_count_what_is_shared_in_the_base_objective_only():
    """log(1 + exp(theta)) - N theta: each further category takes another theta away."""
    given = batch()
    u, v, *_ = encoded(build(), given)
    more = 0.0
    for x, z in ((u, u), (u, v), (v, v)):
        for p, own in zip(x.tolist(), LABELS.tolist(), strict=True):
            for q, other in zip(z.tolist(), LABELS.tolist(), strict=True):
                common = sum(map(min, own, other))
                more -= max(common - 1, 0) * cosine(p, q) / 2 / B**2
    once, counted = forward(build(), given), forward(build(similarity="count"), given)
    assert more
    assert (counted["base"] - once["base"]).item() == pytest.approx(more, rel=1e-3)
    spared = {"contrast_form": "other categories"}
    once, counted = forward(build(**spared), given), forward(build(**spared, similarity="count"))
    assert once["contrast"] == counted["contrast"]


def test_the_loss_is_the_weighted_sum_of_its_parts():
    weights = {"distill": 0.5, "adversary": 2.0, "contrast": 3.0, "support": 0.25}
    found = forward(build(**weights))
    total = found["base"] + sum(weight * found[name] for name, weight in weights.items())
    assert found["loss"].item() == pytest.approx(total.item(), rel=1e-5)


def test_distillation_and_support_see_the_converted_features():
    system, given = build(), batch()
    _, _, a, b = encoded(system, given)
    found = forward(system, given)
    apart = [
        (p - q) ** 2
        for ours, theirs in ((a, given["f"]), (b, given["g"]))
        for p, q in zip(ours.flatten().tolist(), theirs.flatten().tolist(), strict=True)
    ]
    assert found["distill"].item() == pytest.approx(sum(apart) / (B * K), rel=1e-5)
    wanted = support_loss(a, b, LABELS, system.config.support_temperature)
    assert found["support"].item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("sides", "pairs"),
    [
        ("teachers", ("fa", "gb", "fb", "ga")),
        ("students", ("ab",)),
        ("both", ("fa", "gb", "fb", "ga", "ab")),
    ],
)
def test_contrast_is_the_mean_over_its_pairs(sides, pairs):
    system, given = build(contrast_with=sides), batch()
    _, _, a, b = encoded(system, given)
    known = {"a": a, "b": b, "f": given["f"], "g": given["g"]}
    total = 0.0
    for x, z in pairs:
        rows = [[cosine(p, q) / 0.07 for q in known[z].tolist()] for p in known[x].tolist()]
        for scores in (rows, list(zip(*rows, strict=True))):
            for i, row in enumerate(scores):
                total += (math.log(sum(math.exp(s) for s in row)) - row[i]) / (2 * B * len(pairs))
    assert forward(system, given)["contrast"].item() == pytest.approx(total, rel=1e-4)


def test_what_shares_a_category_may_be_spared():
    given = batch(labels=torch.ones(B, C))  # everybody is related: there are no negatives
    assert forward(build(contrast_form="other categories"), given)["contrast"].item() == 0
    assert forward(build(), given)["contrast"].item() > 0
    bare = batch(labels=torch.zeros(B, C))  # nobody is: nothing is spared
    spared = forward(build(contrast_form="other categories"), bare)["contrast"]
    assert spared.item() == forward(build(), bare)["contrast"].item()


@pytest.mark.parametrize(("count", "n"), [("samples", 50), ("batches", 9)])
def test_released_contrast_takes_its_noise_from_batches_or_samples(count, n):
    """50 rows in batches of 6 are 9 batches, the last of them not full."""
    system, given = build(**{**RELEASED, "contrast_count": count}), batch()
    _, _, a, b = encoded(system, given)
    f, g = given["f"], given["g"]
    terms = [
        released_contrast(x, z, 0.07, (B - 1) / n, B) for x, z in ((f, a), (g, b), (f, b), (g, a))
    ]
    found = forward(system, given)["contrast"].item()
    assert found == pytest.approx(sum(terms).item() / 4, rel=1e-5)


def test_the_facts_of_the_released_noise():
    """10,000 samples in batches of 80: q is .632 as released and should be .0079."""
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            crcgs, "released_contrast", lambda X, Z, tau, q, n: asked.append(q) or X.sum() * 0
        )
        for count in ("batches", "samples"):
            system = build(**{**RELEASED, "contrast_count": count})
            system.rows, system.batch = 10_000, 80
            forward(system)
    assert set(asked) == {79 / 125, 79 / 10_000}
    assert asked[0] == pytest.approx(0.632)


def test_what_is_released_are_settings():
    assert CRCGSConfig.make(**RELEASED)
    assert set(RELEASED) <= set(CRCGSConfig.model_fields)


@pytest.mark.parametrize("name", ["distill", "adversary", "contrast", "support"])
def test_a_term_of_weight_0_is_not_there(name):
    system = build(**{name: 0.0})
    found = forward(system)
    assert name not in found
    assert name not in system.terms
    assert hasattr(system, "image_discriminator") == (name != "adversary")
    others = {"distill", "adversary", "contrast", "support"} - {name}
    assert others <= set(found)


def test_without_generative_terms_neither_teachers_nor_their_codes_are_needed():
    given = batch()
    del given["f"], given["g"]
    for changes in (BASE, NO_TEACHER):
        config = CRCGSConfig.make(**TINY | changes)
        assert not config.generates
        system = CRCGS(config, (F,), D, C, ROWS, B, None)
        assert torch.isfinite(forward(system, given)["loss"])
        assert system.turns(5) == [STUDENT]
    for term in ("distill", "adversary", "contrast"):
        assert CRCGSConfig.make(**BASE | {term: 0.1}).generates


def test_categories_are_not_read_by_the_parts_that_need_none():
    """Distillation and the described contrast are about pairs: other labels, the same values."""
    one, two = (forward(build(), batch(labels=y)) for y in (LABELS, 1 - LABELS))
    for name in ("distill", "adversary", "contrast"):
        assert one[name] == two[name]
    for name in ("base", "support"):
        assert one[name] != two[name]


# What it must survive


@pytest.mark.parametrize("form", ["described", "other categories", "released"])
@pytest.mark.parametrize("labels", [torch.zeros(B, C), torch.ones(B, C), LABELS])
def test_losses_and_gradients_are_finite_for_any_labels(form, labels):
    system = build(contrast_form=form, memory=10)
    for step, turn in enumerate(TURNS):
        loss = forward(system, batch(step, labels=labels), turn)["loss"]
        system.zero_grad()
        loss.backward()
        assert torch.isfinite(loss)
        assert all(p.grad.isfinite().all() for p in system.parameters() if p.grad is not None)


@pytest.mark.parametrize("form", ["described", "other categories", "released"])
def test_losses_and_gradients_are_finite_for_dead_features(form):
    """All converted features 0, all retrieval features 0, and teachers' codes of 0."""
    system = build(contrast_form=form, memory=10)
    with torch.no_grad():
        for p in system.towers.parameters():
            p.zero_()
    nothing = torch.zeros(B, K)
    for step, turn in enumerate(TURNS):
        found = forward(system, batch(step, f=nothing, g=nothing), turn)
        system.zero_grad()
        found["loss"].backward()
        assert all(torch.isfinite(x) for x in found.values())
        assert all(p.grad.isfinite().all() for p in system.parameters() if p.grad is not None)


def test_bf16_agrees_with_fp32():
    """Within 2 % of each figure: bf16 keeps 8 bits (our bound); a cosine / 0.07 does not round."""
    for seed in range(3):
        system, found = build(), []
        for half in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                told = forward(system, batch(seed), DISCRIMINATORS), forward(system, batch(seed))
                found.append({**told[0], **told[1]})
        for name, value in found[0].items():
            assert found[1][name].dtype == torch.float32, name
            assert found[1][name].item() == pytest.approx(value.item(), rel=0.02), name


def test_it_learns_to_retrieve_what_shares_a_category():
    """From chance to nearly all, on features that tell the categories."""
    system, g = build(memory=12), torch.Generator().manual_seed(0)
    images, texts = torch.randn(C, F, generator=g) * 3, torch.eye(C, D)
    labels = torch.eye(C).repeat(2, 1)
    clean = batch(image=images.repeat(2, 1), text=texts.repeat(2, 1), labels=labels)
    parts = optimizers(system, TrainConfig.make(learning_rate=1e-2))

    def right():
        u, v, *_ = encoded(system, clean)
        nearest = (nn.functional.normalize(u) @ nn.functional.normalize(v).T).argmax(1)
        return share(labels)[torch.arange(B), nearest].mean().item()

    for step in range(40):
        learn(system, clean, step, parts)
    assert right() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phi": 0, "alpha": 0, "contrast": 0, "support": 0}, "nothing is learnt"),
        ({"support": 0, "memory": 5}, "memory is for the support set"),
        ({"contrast": -1}, "contrast"),
        ({"contrast_form": "crd"}, "contrast_form"),
        ({"discriminator_steps": 0}, "discriminator_steps"),
        ({"image_encoder": "vgg"}, "image_encoder"),
        ({"contrast_temperature": 0}, "contrast_temperature"),
        ({"suport": 1}, "suport"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        CRCGSConfig.make(**TINY | changes)
