"""Who learns in which step of CRCGS, what the memory holds, and what a checkpoint must keep."""

import pytest
import torch
from tiny_crcgs import LABELS, TINY, B, F, batch, build, encoded, forward, teacher_of
from torch import nn

from cmir_repro.losses.crcgs import STUDENT, TEACHER, support_loss
from cmir_repro.training.loop import TrainConfig, _optimizer


def student_and_judges(system):
    named = dict(system.named_parameters())
    return [{n: p for n, p in named.items() if ("judge" in n) == judge} for judge in (False, True)]


def test_one_step_in_a_cycle_is_the_students_and_all_of_a_cycle_see_its_batch():
    system = build(judge_steps=3)
    assert system.cycle == 4
    assert [system.batch_of(step) for step in range(10)] == [0, 1, 1, 1, 1, 2, 2, 2, 2, 3]
    for step in range(10):
        found = forward(system, batch(step))["loss"]
        system.zero_grad()
        found.backward()
        reached = {p for p in system.parameters() if p.grad is not None}
        student, judges = (set(part.values()) for part in student_and_judges(system))
        assert reached == (student if step % 4 == 0 else judges)
    plain = build(adversary=0.0)
    assert plain.cycle == 1
    assert [plain.batch_of(step) for step in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize("trunk", ["features", "batch norm", "convnet"])
def test_a_step_changes_the_weights_of_its_own_and_nothing_else(trunk):
    """Neither through the optimiser's momentum nor through statistics of batch norm."""
    pixels = trunk == "convnet"
    shape = (24, 36, 3) if pixels else (F,)
    system = build(shape, image_encoder="convnet" if pixels else "features", judge_steps=2)
    if trunk == "batch norm":
        system.towers.image = nn.BatchNorm1d(F)
    optimizer = _optimizer(system, TrainConfig.make(learning_rate=1e-2))
    before = {name: x.clone() for name, x in teacher_of(system).state_dict().items()}
    for step in range(7):
        given = batch(step)
        if pixels:
            given["image"] = torch.randint(256, (B, *shape), dtype=torch.uint8)
        old = {name: x.clone() for name, x in system.state_dict().items()}
        loss = forward(system, given)["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        changed = {n for n, x in system.state_dict().items() if not torch.equal(x, old[n])}
        changed -= {"steps", "seen"}
        assert changed
        assert {("judge" in name) for name in changed} == {step % 3 != 0}, step
        assert system.towers.training
    for name, x in teacher_of(system).state_dict().items():
        assert torch.equal(x, before[name])


def test_every_trained_weight_is_in_the_optimiser_and_no_teachers():
    system = build()
    (group,) = system.parameter_groups(TrainConfig.make())
    parameters, factor, settings = group
    assert {id(p) for p in parameters} == {id(p) for p in system.parameters()}
    assert factor == 1
    assert settings == {"betas": (0.5, 0.999), "weight_decay": 0.0}
    assert not {id(p) for p in teacher_of(system).parameters()} & {id(p) for p in parameters}
    assert not any(p.requires_grad for p in teacher_of(system).parameters())
    assert not any("teacher" in name for name in system.state_dict())


def test_the_adversary_asks_the_judges_for_the_teachers_answer():
    """What the student's converted features decode to, in the other modality."""
    system, given = build(), batch()
    _, _, a, b = encoded(system, given)
    teacher = teacher_of(system)
    wanted = 0.0
    with torch.no_grad():
        for judge, made in (
            (system.image_judge, teacher.text_to_image.decode(b)),
            (system.text_judge, teacher.image_to_text.decode(a)),
        ):
            wanted -= judge(made).log_softmax(1)[:, TEACHER].mean()
    assert forward(system, given)["adversary"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_its_gradient_reaches_both_towers_and_neither_judge_nor_teacher():
    system = build()
    forward(system)["adversary"].backward()
    for name, p in system.named_parameters():
        if "judge" in name:
            assert p.grad is None, name
        elif "_net" in name or "_head" in name:
            assert p.grad.abs().sum() > 0, name
    assert all(p.grad is None for p in teacher_of(system).parameters())


def test_judges_tell_what_the_student_decodes_to_from_what_the_teachers_do():
    system, given = build(), batch()
    forward(system, given)  # the student's step
    _, _, a, b = encoded(system, given)
    teacher = teacher_of(system)
    image, text = teacher.text_to_image.decode, teacher.image_to_text.decode
    wanted = 0.0
    with torch.no_grad():
        for judge, ours, theirs in (
            (system.image_judge, image(b), image(given["g"])),
            (system.text_judge, text(a), text(given["f"])),
        ):
            logits = judge(torch.cat([ours, theirs])).log_softmax(1)  # (2 B, 2), one mean
            wanted -= logits[:B, STUDENT].sum() + logits[B:, TEACHER].sum()
    found = forward(system, given)
    assert found["judge"].item() == pytest.approx(wanted.item() / (2 * B), rel=1e-5)


def test_figures_of_a_judges_step_are_the_students_last():
    system = build(judge_steps=2)
    first = forward(system, batch(0))
    assert first["judge"] == 0  # none has learnt yet
    for step in (1, 2):
        found = forward(system, batch(step))
        for name in ("loss", *system.terms):
            assert found[name].item() == first[name].item(), name
        assert found["judge"] > 0
    again = forward(system, batch(3))
    assert again["judge"].item() == found["judge"].item()
    assert again["loss"].item() != first["loss"].item()


def test_evaluation_takes_no_part_in_the_cycle():
    system = build(memory=4)
    forward(system)
    system.eval()
    before = {name: x.clone() for name, x in system.state_dict().items() if name != "seen"}
    one, two = forward(system), forward(system)
    assert one["loss"] == two["loss"]
    assert all(torch.equal(system.state_dict()[name], x) for name, x in before.items())


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
    system.steps.zero_()  # the student's turn again
    _, _, a2, b2 = encoded(system, second)
    wanted = support_loss(a2, b2, LABELS, 0.07, (a, b, LABELS))
    found = forward(system, second)["support"]
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert found.item() != support_loss(a2, b2, LABELS, 0.07).item()
    assert int(system.memory.seen) == 2 * B


def test_judges_steps_remember_nothing():
    system = build(memory=20, judge_steps=2)
    seen = [(forward(system), int(system.memory.seen))[1] for _ in range(4)]
    assert seen == [B, B, B, 2 * B]


def test_where_the_cycle_stands_is_part_of_what_is_kept():
    system, other = build(memory=10), build(memory=10)
    for step in range(6):
        forward(system, batch(step))
    other.load_state_dict(system.state_dict())
    assert {"steps", "seen", "memory.a", "memory.b", "memory.labels", "memory.seen"} <= set(
        system.state_dict()
    )
    for step in range(6, 12):
        one, two = (forward(s, batch(step)) for s in (system, other))
        assert {name: x.item() for name, x in one.items()} == {n: x.item() for n, x in two.items()}
