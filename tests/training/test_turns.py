"""Several optimiser steps a batch: whose weights they move, with which state, seed and log."""

import signal

import pytest
import torch
from tiny_training import Draws, go, plain_sgd, same
from torch import nn

from cmir_repro.training import checkpoint
from cmir_repro.training.loop import TrainConfig, TrainingError, optimizers


class Duel(nn.Module):
    """Two parts that move against each other; `seen` holds the turns and what they drew."""

    def __init__(self, critic_steps=2):
        super().__init__()
        torch.manual_seed(0)
        self.maker, self.critic = nn.Linear(6, 6), nn.Linear(6, 1)
        self.critic_steps, self.seen = critic_steps, []

    def turns(self, step):
        return ["critic"] * (self.critic_steps if step else 0) + ["maker"]

    def parameter_groups(self, config):
        parts = {"maker": self.maker, "critic": self.critic}
        return {name: [(list(part.parameters()), 1.0, {})] for name, part in parts.items()}

    def forward(self, batch, generator, turn):
        self.seen.append((turn, torch.rand((), generator=generator).item(), torch.initial_seed()))
        made = self.maker(batch["x"]) + 0.1 * torch.rand(7, 6)
        if turn == "maker":
            return {"loss": -self.critic(made).mean(), "size": made.square().mean()}
        loss = (self.critic(made.detach()) - self.critic(batch["y"])).mean()
        return {"loss": loss, "gap": loss}


def test_turns_are_the_plain_loop_written_out(tmp_path):
    system, log = go(tmp_path, Duel(), steps=4, optimizer="adamw", learning_rate=0.01, seed=2)
    plain, generator, number = Duel(), torch.Generator(), 0
    config = TrainConfig.make(optimizer="adamw", learning_rate=0.01, steps=4)
    parts = {
        name: torch.optim.AdamW(part.parameters(), weight_decay=config.weight_decay)
        for name, part in (("maker", plain.maker), ("critic", plain.critic))
    }
    wanted = []
    for step in range(4):
        told = {"gap": []}
        for turn in plain.turns(step):
            torch.manual_seed(2 * 1_000_003 + number)
            generator.manual_seed(2 * 1_000_003 + number)
            losses = plain(Draws()(step), generator, turn)
            plain.zero_grad(set_to_none=True)
            losses["loss"].backward()
            nn.utils.clip_grad_norm_(plain.parameters(), config.clip)
            parts[turn].param_groups[0]["lr"] = log[step]["rate"]
            parts[turn].step()
            number += 1
            told |= {"loss": losses["loss"].item()}
            told["gap"] += [losses["gap"].item()] if turn == "critic" else []
        wanted.append(told)
    assert [turn for turn, *_ in system.seen] == ["maker", *["critic", "critic", "maker"] * 3]
    assert system.seen == plain.seen
    assert same(system, plain)
    assert [row["step"] for row in log] == [1, 2, 3, 4]
    assert [row["loss"] for row in log] == pytest.approx([t["loss"] for t in wanted], abs=1e-6)
    assert "gap" not in log[0]  # no critic has stepped yet
    for row, told in zip(log[1:], wanted[1:], strict=True):
        assert row["gap"] == pytest.approx(sum(told["gap"]) / 2, abs=1e-6)


def test_a_figure_that_some_batches_lack_is_the_mean_of_the_others(tmp_path):
    _, every = go(tmp_path / "a", Duel(), steps=4)
    _, once = go(tmp_path / "b", Duel(), steps=4, log_every=4)
    assert once[0]["gap"] == pytest.approx(sum(row["gap"] for row in every[1:]) / 3, abs=2e-6)
    assert once[0]["size"] == pytest.approx(sum(row["size"] for row in every) / 4, abs=2e-6)


def test_each_part_has_its_own_optimiser():
    parts = optimizers(Duel(), TrainConfig.make(learning_rate=0.5))
    assert list(parts) == ["maker", "critic"]
    held = [{id(p) for g in o.param_groups for p in g["params"]} for o in parts.values()]
    assert not held[0] & held[1]


def test_a_turn_leaves_the_weights_of_the_others(tmp_path):
    """The maker's gradient reaches the critic, but no step of its own follows."""
    start = Duel(critic_steps=0)
    kept = {name: x.clone() for name, x in start.critic.state_dict().items()}
    system, _ = go(tmp_path, start, steps=3, **plain_sgd())
    assert all(torch.equal(system.critic.state_dict()[name], x) for name, x in kept.items())
    assert not torch.equal(system.maker.weight, Duel().maker.weight)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_signal_within_a_batch_ends_it_and_a_resumed_run_is_the_unbroken_one(tmp_path, optimizer):
    values = {"optimizer": optimizer, "learning_rate": 0.05, "steps": 6}
    unbroken, log = go(tmp_path / "a", Duel(), **values)
    broken = Duel()
    told = []

    def ask(module, *_):
        told.append(module)
        if len(told) == 6:  # the first of the critic's turns of the third batch
            signal.raise_signal(signal.SIGINT)

    broken.register_forward_pre_hook(ask)
    with pytest.raises(KeyboardInterrupt, match="after step 3"):
        go(tmp_path / "b", broken, **values)
    _, facts = checkpoint.load(tmp_path / "b", "last")
    assert (facts["step"], facts["updates"]) == (3, 7)
    resumed, again = go(tmp_path / "b", Duel(), **values)
    assert again == log
    assert same(resumed, unbroken)
    assert broken.seen + resumed.seen == unbroken.seen


def test_a_loss_of_any_turn_that_is_no_number_is_refused(tmp_path):
    def spoil(batch):
        batch["y"][0, 0] = torch.nan  # the critic alone reads y

    with pytest.raises(TrainingError, match=r"nan at step 2, batch number 2;"):
        go(tmp_path, Duel(), Draws({2: spoil}), log_every=3)
