"""AAI's objectives against sums written out, its moving parts by hand, and its refusals."""

import math

import pytest
import torch
from tiny_aai import PLAIN, TINY, B, batch, build
from torch import nn

from cmir_repro.core.errors import InputError
from cmir_repro.models.token_set import TokenSet
from cmir_repro.systems.aai import AAIConfig
from cmir_repro.systems.aai_sides import Side
from cmir_repro.training.loop import TrainConfig


def forward(system, given=None, seed=0):
    return system(given or batch(), torch.Generator().manual_seed(seed))


def vectors(system, given):
    image = system.encode_images(given["image"])
    text = system.encode_texts(given["input_ids"], given["lengths"])
    return system.vector(image, "image"), system.vector(text, "text")


def cross_entropy(logits, target):
    """Of lists: the mean over rows of -sum_k target log softmax."""
    total = 0.0
    for row, shares in zip(logits, target, strict=True):
        norm = math.log(sum(math.exp(x) for x in row))
        total -= sum(share * (x - norm) for share, x in zip(shares, row, strict=True))
    return total / len(logits)


def written_out(queries, keys, ids, key_ids, tau):
    logits, target = [], []
    for q, own in zip(queries.tolist(), ids, strict=True):
        logits.append([sum(a * b for a, b in zip(q, k, strict=True)) / tau for k in keys.tolist()])
        same = [float(own == other) for other in key_ids]
        target.append([x / sum(same) for x in same])
    return cross_entropy(logits, target)


def test_itc_is_the_sum_over_batch_and_queue_with_repeated_ids():
    """At the first step the copies equal their nets, so keys are the batch's own vectors."""
    system = build(soft_labels=0).train()
    system.image_queue.ids[:2] = torch.tensor([1, 3])  # more positives, in the queue
    system.text_queue.ids[:2] = torch.tensor([1, 3])
    given = batch()
    with torch.no_grad():
        v, t = vectors(system, given)
        images = torch.cat([v, system.image_queue.features.T])
        texts = torch.cat([t, system.text_queue.features.T])
        ids = given["id"].tolist()
        keys = ids + system.image_queue.ids.tolist()
        tau = float(system.temperature)
        itc = written_out(v, texts, ids, keys, tau) + written_out(t, images, ids, keys, tau)
        ims = written_out(v, images, ids, keys, tau) + written_out(t, texts, ids, keys, tau)
        found = forward(system, given)
    assert float(found["itc"]) == pytest.approx(itc / 2, rel=1e-4)
    assert float(found["ims"]) == pytest.approx(ims / 2, rel=1e-4)


def test_plain_itc_is_symmetric_contrast_within_the_batch():
    system = build(**PLAIN).train()
    given = batch(ids=range(B))
    with torch.no_grad():
        v, t = vectors(system, given)
        found = forward(system, given)
    logits = v @ t.T / system.temperature
    own = torch.arange(B)
    wanted = (
        nn.functional.cross_entropy(logits, own) + nn.functional.cross_entropy(logits.T, own)
    ) / 2
    assert found["itc"] == pytest.approx(wanted.item(), rel=1e-5)
    assert set(found) == {"loss", "itc", "temperature"}


def test_the_loss_is_the_weighted_sum_of_its_parts():
    weights = {"itc": 0.5, "ims": 2.0, "lmim": 3.0, "itm": 0.25, "mlm": 1.5}
    found = forward(build(**weights).train())
    total = sum(weight * found[name] for name, weight in weights.items())
    assert found["loss"].item() == pytest.approx(total.item(), rel=1e-5)


def test_soft_labels_come_in_along_the_ramp():
    """Half way up the ramp: alpha / 2 of the copies' softmax, the rest of the ids."""
    system = build(soft_labels=0.4, soft_ramp=4, queue=0, ims=0, lmim=0, itm=0).train()
    given = batch()
    with torch.no_grad():
        v, t = vectors(system, given)  # the copies' too, before they move apart
        system.steps.fill_(2)
        found = forward(system, given)["itc"]
        logits = v @ t.T / system.temperature
        same = given["id"][:, None] == given["id"]
        wanted = 0.0
        for scores in (logits, logits.T):
            target = 0.2 * scores.softmax(1) + 0.8 * same / same.sum(1, keepdim=True)
            wanted += cross_entropy(scores.tolist(), target.tolist()) / 2
    assert found.item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("pairs", ["intra", "cross", "both"])
def test_lmim_ties_globals_to_locals_of_the_chosen_modality(pairs):
    """Words of other sentences cannot matter for the image side of "intra", and so on."""
    system = build(lmim_pairs=pairs, ims=0, itm=0).eval()
    given = batch(ids=range(B))
    with torch.no_grad():
        first = forward(system, given)["lmim"]
        system.copies["text_projection"].weight.mul_(-1)
        system.copies["text_projection"].bias.mul_(-1)
        changed = forward(system, given)["lmim"]
    assert first != changed
    if pairs == "both":
        parts = [
            forward(build(lmim_pairs=p, ims=0, itm=0).eval(), given)["lmim"]
            for p in ("intra", "cross")
        ]
        assert first.item() == pytest.approx(sum(p.item() for p in parts) / 2, rel=1e-5)


def test_lmim_within_one_modality_reads_that_one_alone():
    given = batch(ids=range(B))
    found = {}
    for pairs in ("images", "texts", "intra"):
        system = build(lmim_pairs=pairs, ims=0, itm=0).eval()
        with torch.no_grad():
            found[pairs] = forward(system, given)["lmim"].item()
            system.copies["text_projection"].weight.mul_(-1)
            moved = forward(system, given)["lmim"].item() != found[pairs]
        assert moved == (pairs != "images")
    assert found["intra"] == pytest.approx((found["images"] + found["texts"]) / 2, rel=1e-5)


def test_gradients_reach_every_trained_weight_and_no_copy():
    system = build(mlm=1.0).train()
    forward(system)["loss"].backward()
    for name, p in system.named_parameters():
        if name.startswith("copies."):
            assert p.grad is None
            assert not p.requires_grad
        else:
            assert p.grad is not None, name


def test_copies_follow_and_queues_fill_in_training_only():
    system = build(momentum=0.5)
    forward(system.eval())
    assert int(system.steps) == 0
    assert set(system.image_queue.ids.tolist()) == {-100}
    before = system.copies["image_projection"].weight.clone()
    with torch.no_grad():
        system.online["image_projection"].weight.add_(1.0)
    forward(system.train())
    assert torch.allclose(system.copies["image_projection"].weight, before + 0.5)
    assert int(system.steps) == 1
    assert sorted(system.text_queue.ids.tolist()) == sorted([1, 2, 1, 3, 4])  # the last 5 of 6
    assert torch.allclose(system.text_queue.features.norm(dim=0), torch.ones(5), atol=1e-5)


def test_the_temperature_is_held_in_its_range():
    system = build().train()
    with torch.no_grad():
        system.temperature.fill_(7.0)
    assert forward(system)["temperature"].item() == 0.5


def test_what_is_told_of_a_step_stays_when_the_next_one_moves_the_parameter():
    system = build().train()
    told = forward(system)["temperature"]
    before = told.item()
    with torch.no_grad():
        system.temperature.mul_(0.5)
    assert told.item() == before


def test_a_batch_of_one_image_leaves_matching_without_negatives():
    found = forward(build(ims=0, lmim=0).train(), batch(ids=[3] * B))
    assert torch.isfinite(found["loss"])


def test_aggregated_fusion_sees_one_vector_of_each():
    system = build(fusion_input="aggregated").eval()
    given = batch()
    image = system.encode_images(given["image"])
    text = system.encode_texts(given["input_ids"], given["lengths"])
    logits, attention = system.match(text, image, attention=True)
    assert logits.shape == (B, 2)
    assert attention[0].shape == (B, 2, 1, 1)
    assert torch.allclose(attention[0], torch.ones(()))  # one key: nothing to choose


def test_bf16_agrees_with_fp32():
    """Within 2 % of the loss: bf16 keeps 8 bits, products are rounded once (our bound)."""
    for seed in range(3):
        given = batch(seed, ids=range(B))
        full = forward(build().train(), given)
        with torch.autocast("cpu", torch.bfloat16):
            half = forward(build().train(), given)
        for name in ("itc", "ims", "lmim", "itm"):
            assert half[name].item() == pytest.approx(full[name].item(), rel=0.02), name


def test_vectors_do_not_decay_and_pretrained_nets_learn_slowly():
    system = build()
    config = TrainConfig.make(pretrained_factor=0.1)
    groups = system.parameter_groups(config)
    trained = [p for p in system.parameters() if p.requires_grad]
    assert sum(len(parameters) for parameters, _, _ in groups) == len(trained)
    for parameters, factor, settings in groups:
        assert factor == 1.0 or not parameters  # nothing here is pretrained
        assert all((p.ndim < 2) == (settings == {"weight_decay": 0.0}) for p in parameters)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"momentum_copies": False}, "ims, lmim, soft_labels, queue need momentum copies"),
        ({"itc": 0}, "itc"),
        ({"mlm": 1, "fusion_input": "aggregated"}, "set mlm to 0 or fusion_input to 'tokens'"),
        ({"heads": 3}, "multiple"),
        ({"temperature": 0.9}, "temperature_range"),
        ({"pooler": "median"}, "pooler"),
        ({"itn": 1}, "itn"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        AAIConfig.make(**TINY | changes)


def test_cls_pooling_needs_such_a_token():
    with pytest.raises(InputError, match="cls"):
        build(pooler="cls")


def test_gradients_of_repeated_rows_are_the_same_every_time():
    """Several threads may not add them up in another order: a run must repeat itself exactly."""
    tokens = torch.randn(32, 64, 64, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(256, 64, 64, generator=torch.Generator().manual_seed(1))
    rows = torch.arange(256) % 5
    lengths = torch.full((32,), 64)
    threads, found = torch.get_num_threads(), set()
    torch.set_num_threads(2)
    try:
        for _ in range(5):
            x = tokens.clone().requires_grad_()
            taken = Side(TokenSet(x, lengths), x).take(rows).tokens.tokens
            (taken * weight).sum().backward()
            found.add(hash(x.grad.numpy().tobytes()))
    finally:
        torch.set_num_threads(threads)
    assert len(found) == 1
