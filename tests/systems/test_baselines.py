"""Baselines of CRCGS that are no student: fitted or trained, encoded, kept apart by bits."""

import numpy as np
import pytest
import torch

from cmir_repro.core.errors import InputError
from cmir_repro.losses.labels import dcmh, share
from cmir_repro.systems.baselines import BASELINES, CCA, COSINE, DCMH, BaselineConfig
from cmir_repro.systems.cca_itq import fit_cca, fit_itq
from cmir_repro.training.loop import TrainConfig, optimizers

N, F, D, C, BITS = 40, 9, 6, 3, (4, 12)
SIZES = {"dims": 5, "hidden_image": 11, "hidden_text": 10}


def pairs(seed=0):
    g = torch.Generator().manual_seed(seed)
    causes = torch.randn(N, 3, generator=g)
    features = causes @ torch.randn(3, F, generator=g) + 0.3 * torch.randn(N, F, generator=g)
    text = causes @ torch.randn(3, D, generator=g) + 0.3 * torch.randn(N, D, generator=g)
    return features, text


def batch():
    features, text = pairs()
    labels = torch.randint(2, (N, C), generator=torch.Generator().manual_seed(1)).float()
    return {"features": features, "text": text, "labels": labels}


def build(kind, bits=BITS, seed=0):
    torch.manual_seed(seed)
    return BASELINES[kind](BaselineConfig.make(kind=kind, **SIZES), F, D, bits)


def fitted(seed=0):
    system = build("cca-itq")
    system.fit(*pairs(), seed)
    return system


def test_names_lead_to_what_they_say_and_tell_whether_it_is_trained():
    assert BASELINES == {"cca-itq": CCA, "dcmh": DCMH}
    assert (CCA.trained, DCMH.trained) == (False, True)


# CCA and ITQ


def test_cca_is_the_fitted_space_and_a_rotation_of_both_sides_for_each_number_of_bits():
    features, text = pairs()
    images, texts = fitted(seed=3).encode(features, text)
    assert list(images) == list(texts) == [COSINE, "hamming-4", "hamming-12"]
    space = fit_cca(features.numpy(), text.numpy(), SIZES["dims"])
    sides = space.images(features.numpy()), space.texts(text.numpy())
    for found, wanted in zip((images, texts), sides, strict=True):
        np.testing.assert_array_equal(found[COSINE], wanted)
        for bits in BITS:
            rotation = fit_itq(np.concatenate(sides), bits, 3)
            np.testing.assert_array_equal(found[f"hamming-{bits}"], rotation.codes(wanted))
            assert found[f"hamming-{bits}"].shape == (N, bits)


def test_what_is_fitted_knows_only_what_it_was_fitted_on():
    """New pairs get the codes of the same maps, and seeing them changes none."""
    system, (features, text) = fitted(), pairs()
    before = system.encode(features, text)[0]["hamming-12"]
    other = system.encode(*pairs(seed=5))[0]["hamming-12"]
    assert (other != before).any()
    np.testing.assert_array_equal(system.encode(features, text)[0]["hamming-12"], before)
    few = system.encode(features[:3], text[:3])[0]["hamming-12"]
    np.testing.assert_array_equal(few, before[:3])


def test_a_seed_decides_the_rotations_and_nothing_else():
    one, same, other = (fitted(seed).tensors() for seed in (0, 0, 1))
    for name, value in one.items():
        assert torch.equal(same[name], value)
        assert torch.equal(other[name], value) == (not name.startswith("itq-")), name


def test_everything_fitted_is_what_a_checkpoint_keeps():
    kept = fitted().tensors()
    assert set(kept) == {
        "image_map", "image_shift", "text_map", "text_shift", "correlations", "itq-4", "itq-12",
    }  # fmt: skip
    assert kept["image_map"].shape == (F, SIZES["dims"])
    assert kept["itq-12"].shape == (SIZES["dims"], 12)
    assert not list(build("cca-itq").parameters())


# DCMH


def test_the_loss_is_the_sum_over_the_numbers_of_bits():
    system, given = build("dcmh"), batch()
    found = system(given, torch.Generator())
    wanted = dict.fromkeys(("loss", "likelihood", "quantisation", "balance"), 0.0)
    for bits in BITS:
        image = system.image[str(bits)](given["features"])
        text = system.text[str(bits)](given["text"])
        assert image.shape == text.shape == (N, bits)
        for name, value in dcmh(image, text, share(given["labels"])).items():
            wanted[name] += value.item()
    assert {name: pytest.approx(x, rel=1e-5) for name, x in wanted.items()} == {
        name: x.item() for name, x in found.items()
    }


def test_nets_of_one_number_of_bits_do_not_learn_from_the_others():
    """Trained side by side they become what each becomes alone, from the same weights."""
    together, given = build("dcmh"), batch()
    alone = build("dcmh", bits=(12,))
    alone.load_state_dict({k: v for k, v in together.state_dict().items() if ".12." in k})
    for system in (together, alone):
        (optimizer,) = optimizers(system, TrainConfig.make(learning_rate=1e-2)).values()
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            system(given, torch.Generator())["loss"].backward()
            optimizer.step()
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(together.state_dict()[name], value)


def test_codes_are_the_signs_of_the_nets():
    system, (features, text) = build("dcmh"), pairs()
    images, texts = system.encode(features, text)
    assert list(images) == list(texts) == ["hamming-4", "hamming-12"]
    for found, nets, x in ((images, system.image, features), (texts, system.text, text)):
        for bits in BITS:
            codes = found[f"hamming-{bits}"]
            assert (codes.dtype, codes.shape) == (bool, (N, bits))
            values = nets[str(bits)](x).detach().numpy()
            np.testing.assert_array_equal(codes, values >= 0)
            assert 0 < codes.mean() < 1


def test_all_weights_learn_without_decay():
    system = build("dcmh")
    (group,) = system.parameter_groups(TrainConfig.make())
    assert {id(p) for p in group[0]} == {id(p) for p in system.parameters()}
    assert group[1:] == (1.0, {"weight_decay": 0.0})
    system(batch(), torch.Generator())["loss"].backward()
    assert all(p.grad.abs().sum() > 0 for p in system.parameters())


def test_dcmh_learns_codes_that_are_alike_where_categories_are_shared():
    system = build("dcmh", bits=(12,))
    labels = torch.eye(C).repeat(4, 1)
    given = {"features": labels @ torch.randn(C, F), "text": labels @ torch.eye(C, D)}
    given["labels"] = labels
    (optimizer,) = optimizers(system, TrainConfig.make(learning_rate=1e-2)).values()
    for _ in range(100):
        optimizer.zero_grad(set_to_none=True)
        system(given, torch.Generator())["loss"].backward()
        optimizer.step()
    images, texts = (side["hamming-12"] for side in system.encode(given["features"], given["text"]))
    apart = (images[:, None] != texts[None]).sum(2)
    related = share(labels).numpy() > 0
    assert apart[related].max() < apart[~related].min()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "cca"}, "kind"),
        ({"kind": "dcmh", "dims": 0}, "dims"),
        ({"kind": "dcmh", "hidden": 5}, "hidden_image"),
        ({}, "kind"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        BaselineConfig.make(**changes)
