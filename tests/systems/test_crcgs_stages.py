"""CRCGS' first and last stage: the teachers, and the heads that make codes."""

import pytest
import torch
from tiny_crcgs import LABELS, B, D, F, K, alike_written_out, batch, cosine, forward, taught

from cmir_repro.losses.labels import quantisation
from cmir_repro.systems.crcgs import HashConfig, Hasher
from cmir_repro.training.loop import TrainConfig


def test_teachers_are_trained_on_the_other_modality():
    given = batch()
    for form, distance in (("squared", lambda x: x * x), ("released", abs)):
        system = taught(form=form).eval()
        with torch.no_grad():
            made = system.image_to_text(given["features"]), system.text_to_image(given["text"])
        wanted = [
            sum(
                distance(p - q)
                for p, q in zip(x.flatten().tolist(), y.flatten().tolist(), strict=True)
            )
            / size
            for x, y, size in zip(
                made, (given["text"], given["features"]), (B * D, B * F), strict=True
            )
        ]
        found = forward(system, given)
        assert found["text"].item() == pytest.approx(wanted[0], rel=1e-5)
        assert found["image"].item() == pytest.approx(wanted[1], rel=1e-5)
        assert found["loss"].item() == pytest.approx(sum(wanted), rel=1e-5)
        assert all((x >= 0).all() for x in made) == (form == "released")


def test_the_released_form_forgets_rare_tags_and_squares_do_not():
    """The median of a tag of one picture in ten is 0, its mean is not."""
    g = torch.Generator().manual_seed(0)
    text = (torch.rand(200, D, generator=g) < 0.1).float()
    given = {"features": torch.randn(200, F, generator=g), "text": text}
    rates = {}
    for form in ("squared", "released"):
        system = taught(form=form, dropout=0.0)
        optimizer = torch.optim.Adam(system.parameters(), lr=1e-2)
        for _ in range(150):
            optimizer.zero_grad()
            forward(system.train(), given)["loss"].backward()
            optimizer.step()
        rates[form] = system.image_to_text(given["features"]).mean().item()
    assert rates["released"] < 0.01
    assert rates["squared"] == pytest.approx(text.mean().item(), abs=0.03)


def test_auxiliary_features_know_no_dropout_and_no_gradient():
    system = taught(dropout=0.9).train()
    given = batch()
    f, g = system.codes(given["features"], given["text"])
    assert f.shape == g.shape == (B, K)
    assert (f >= 0).all()
    assert not f.requires_grad
    torch.testing.assert_close(f, system.eval().image_to_text.encode(given["features"]))
    torch.testing.assert_close(g, system.text_to_image.encode(given["text"]))


# The second stage


def test_the_hash_objective_by_its_parts():
    weights = {"similarity": 0.5, "likelihood": 2.0, "quantisation": 0.25}
    torch.manual_seed(0)
    system = Hasher(HashConfig.make(hidden=6, dropout=0.0, **weights), 4, 8)
    u, v = torch.randn(B, 4), torch.randn(B, 4)
    found = forward(system, {"u": u, "v": v, "labels": LABELS})
    h_i, h_t, h_c = (system.head(x).detach() for x in (u, v, (u + v) / 2))
    alike = sum(alike_written_out(x, z, LABELS) for x, z in ((h_i, h_i), (h_i, h_t), (h_t, h_t)))
    apart = 0.0
    for p, h in zip(((u + v) / 2).tolist(), h_c.tolist(), strict=True):
        for q, k in zip(((u + v) / 2).tolist(), h_c.tolist(), strict=True):
            apart += (cosine(p, q) / 2 - cosine(h, k) / 2) ** 2 / B
    assert found["similarity"].item() == pytest.approx(apart, rel=1e-4)
    assert found["likelihood"].item() == pytest.approx(alike, rel=1e-5)
    assert found["quantisation"].item() == pytest.approx(quantisation(h_c).item())
    total = sum(weight * found[name] for name, weight in weights.items())
    assert found["loss"].item() == pytest.approx(total.item(), rel=1e-5)


def test_quantisation_weighs_nothing_as_released():
    system = Hasher(HashConfig.make(hidden=6, dropout=0.0), 4, 8)
    found = forward(system, {"u": torch.randn(B, 4), "v": torch.randn(B, 4), "labels": LABELS})
    assert found["loss"].item() == pytest.approx((found["similarity"] + found["likelihood"]).item())
    (group,) = system.parameter_groups(TrainConfig.make())
    assert len(group[0]) == len(list(system.parameters()))
