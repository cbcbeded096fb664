"""Who learns in which turn of CRCGS, what the memory holds, and what a checkpoint must keep."""

import pytest
import torch
from tiny_crcgs import LABELS, TINY, B, F, batch, build, encoded, forward, learn, teacher_of
from torch import nn

from cmir_repro.losses.crcgs import STUDENT, TEACHER, support_loss
from cmir_repro.systems.crcgs import DISCRIMINATORS
from cmir_repro.systems.crcgs import STUDENT as STUDENT_TURN
from cmir_repro.training.loop import TrainConfig, optimizers


def parts_of(system):
    """The student's parameters and the discriminators'."""
    named = dict(system.named_parameters())
    return [
        {n: p for n, p in named.items() if ("discriminator" in n) == theirs}
        for theirs in (False, True)
    ]


def test_a_batch_is_the_discriminators_some_times_and_then_the_students():
    system = build(discriminator_steps=3)
    assert system.turns(0) == [STUDENT_TURN]  # the student begins
    assert system.turns(1) == system.turns(9) == [DISCRIMINATORS] * 3 + [STUDENT_TURN]
    for turn, own in zip((STUDENT_TURN, DISCRIMINATORS), parts_of(system), strict=True):
        found = forward(system, batch(), turn)["loss"]
        system.zero_grad()
        found.backward()
        assert {p for p in system.parameters() if p.grad is not None} == set(own.values())
    plain = build(adversary=0.0)
    assert [plain.turns(step) for step in (0, 1, 5)] == [[STUDENT_TURN]] * 3


@pytest.mark.parametrize("trunk", ["features", "batch norm", "convnet"])
def test_a_turn_changes_the_weights_of_its_own_and_nothing_else(trunk):
    """Neither through the optimisers' momentum nor through statistics of batch norm."""
    pixels = trunk == "convnet"
    shape = (24, 36, 3) if pixels else (F,)
    system = build(shape, image_encoder="convnet" if pixels else "features", discriminator_steps=2)
    if trunk == "batch norm":
        system.towers.image = nn.BatchNorm1d(F)
    parts = optimizers(system, TrainConfig.make(learning_rate=1e-2))
    before = {name: x.clone() for name, x in teacher_of(system).state_dict().items()}
    for step in range(7):
        given = batch(step)
        if pixels:
            given["image"] = torch.randint(256, (B, *shape), dtype=torch.uint8)
        turn = DISCRIMINATORS if step % 3 else STUDENT_TURN
        old = {name: x.clone() for name, x in system.state_dict().items()}
        loss = forward(system, given, turn)["loss"]
        system.zero_grad(set_to_none=True)
        loss.backward()
        parts[turn].step()
        changed = {n for n, x in system.state_dict().items() if not torch.equal(x, old[n])}
        assert changed
        assert {("discriminator" in name) for name in changed} == {step % 3 != 0}, step
        assert system.towers.training
    for name, x in teacher_of(system).state_dict().items():
        assert torch.equal(x, before[name])


def test_every_trained_weight_is_in_one_optimiser_and_no_teachers():
    system = build()
    groups = system.parameter_groups(TrainConfig.make())
    assert list(groups) == [STUDENT_TURN, DISCRIMINATORS]
    for ((parameters, factor, settings),), own in zip(
        groups.values(), parts_of(system), strict=True
    ):
        assert {id(p) for p in parameters} == {id(p) for p in own.values()}
        assert factor == 1
        assert settings == {"betas": (0.5, 0.999), "weight_decay": 0.0}
    assert list(build(adversary=0.0).parameter_groups(TrainConfig.make())) == [STUDENT_TURN]
    trained = {id(p) for p in system.parameters()}
    assert not trained & {id(p) for p in teacher_of(system).parameters()}
    assert not any(p.requires_grad for p in teacher_of(system).parameters())
    assert not any("teacher" in name for name in system.state_dict())


def test_the_adversarial_loss_wants_the_teachers_class():
    """What the student's converted features decode to, in the other modality."""
    system, given = build(), batch()
    _, _, a, b = encoded(system, given)
    teacher = teacher_of(system)
    wanted = 0.0
    with torch.no_grad():
        for net, made in (
            (system.image_discriminator, teacher.text_to_image.decode(b)),
            (system.text_discriminator, teacher.image_to_text.decode(a)),
        ):
            wanted -= net(made).log_softmax(1)[:, TEACHER].mean()
    assert forward(system, given)["adversary"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_its_gradient_reaches_both_towers_and_neither_discriminator_nor_teacher():
    system = build()
    forward(system)["adversary"].backward()
    for name, p in system.named_parameters():
        if "discriminator" in name:
            assert p.grad is None, name
        elif "_net" in name or "_head" in name:
            assert p.grad.abs().sum() > 0, name
    assert all(p.grad is None for p in teacher_of(system).parameters())


def test_discriminators_learn_whose_code_was_decoded():
    system, given = build(), batch()
    _, _, a, b = encoded(system, given)
    teacher = teacher_of(system)
    image, text = teacher.text_to_image.decode, teacher.image_to_text.decode
    wanted = 0.0
    with torch.no_grad():
        for net, ours, theirs in (
            (system.image_discriminator, image(b), image(given["g"])),
            (system.text_discriminator, text(a), text(given["f"])),
        ):
            logits = net(torch.cat([ours, theirs])).log_softmax(1)  # (2 B, 2), one mean
            wanted -= logits[:B, STUDENT].sum() + logits[B:, TEACHER].sum()
    found = forward(system, given, DISCRIMINATORS)
    assert set(found) == {"loss", "discriminator"}
    assert found["loss"] == found["discriminator"]
    assert found["loss"].item() == pytest.approx(wanted.item() / (2 * B), rel=1e-5)


def test_image_features_are_as_long_as_the_pictures_trunk_gives():
    system = build((24, 36, 3), image_encoder="convnet")
    pictures = torch.randint(256, (B, 24, 36, 3), dtype=torch.uint8)
    found = forward(system, batch(image=pictures))
    found["loss"].backward()
    assert system.encode_images(pictures).shape == (B, TINY["embed_dim"])
    assert all(p.grad is not None for p in system.towers.image.parameters())


# The memory


def test_a_batch_supports_itself_before_it_is_remembered_and_others_after():
    plain, system = build(), build(memory=2 * B)
    first, second = batch(0), batch(1)
    _, _, a, b = encoded(system, first)
    assert forward(system, first)["support"] == forward(plain, first)["support"]
    for kept, given in zip(system.memory.filled(), (a, b, LABELS), strict=True):
        torch.testing.assert_close(kept, given)
        assert not kept.requires_grad
    _, _, a2, b2 = encoded(system, second)
    wanted = support_loss(a2, b2, LABELS, 0.07, (a, b, LABELS))
    found = forward(system, second)["support"]
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert found.item() != support_loss(a2, b2, LABELS, 0.07).item()
    assert int(system.memory.seen) == 2 * B


def test_discriminators_and_evaluation_remember_nothing():
    system = build(memory=20, discriminator_steps=2)
    parts = optimizers(system, TrainConfig.make())
    for step in range(3):
        learn(system, batch(step), step, parts)
    assert int(system.memory.seen) == 3 * B
    forward(system, batch(), DISCRIMINATORS)
    system.eval()
    one, two = forward(system), forward(system)
    assert one["loss"] == two["loss"]
    assert int(system.memory.seen) == 3 * B


def test_the_memory_is_part_of_what_is_kept():
    system, other = build(memory=10), build(memory=10)
    parts = optimizers(system, TrainConfig.make())
    for step in range(3):
        learn(system, batch(step), step, parts)
    other.load_state_dict(system.state_dict())
    kept = {name for name in system.state_dict() if name.startswith("memory.")}
    assert kept == {"memory.a", "memory.b", "memory.labels", "memory.seen"}
    one, two = (forward(s, batch(3)) for s in (system, other))
    assert {name: x.item() for name, x in one.items()} == {n: x.item() for n, x in two.items()}
