"""The loop against a plain one, and against everything that can break a run off."""

import functools
import json
import math
import signal

import pytest
import torch
from tiny_training import IDENTITY, Draws, Toy, go, plain_sgd, raised, same, settings
from torch import nn

from cmir_repro.core.errors import InputError
from cmir_repro.training import checkpoint
from cmir_repro.training.loop import RECIPES, TrainingError, rate, recipe, reseed


class Weight(nn.Module):
    """One weight per number of `slopes`; the loss is their weighted sum, so gradients are known."""

    def __init__(self, *slopes):
        super().__init__()
        self.slopes = torch.tensor(slopes)
        self.old, self.new = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def parameter_groups(self, config):
        return [([self.new], 1.0, {}), ([self.old], config.pretrained_factor, {})]

    def forward(self, batch, generator):
        return {"loss": self.slopes @ torch.stack([self.old, self.new])}


# Schedules and recipes


@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 0.04), (15, 0.52), (30, 1.0), (65, (1 + 4e-6) / 2), (99, None)],
)
def test_one_cycle_rises_for_three_tenths_and_falls_to_nothing(step, share):
    found = rate(settings(steps=100, schedule="one-cycle"), step)
    if share is None:
        assert 4e-6 < found < 1e-3
    else:
        assert found == pytest.approx(share)


@pytest.mark.parametrize("back", [1, 2, 3, 7])
def test_the_tail_of_a_rate_is_right_where_no_loss_would_show_it(back):
    """Over the last steps the rate is a ten-thousandth of its peak and moves no loss."""
    falling = math.sin(math.pi * back / 140) ** 2  # of 70 steps `back` are left
    one_cycle = rate(settings(steps=100, schedule="one-cycle"), 100 - back)
    assert one_cycle == pytest.approx(4e-6 + (1 - 4e-6) * falling, rel=1e-9)
    falling = math.sin(math.pi * back / 200) ** 2
    cosine = rate(settings(steps=100, schedule="cosine"), 100 - back)
    assert cosine == pytest.approx(0.1 + 0.9 * falling, rel=1e-9)


def test_steps_cut_to_a_tenth_and_constant_stays():
    config = settings(schedule="step", decay_every=50)
    assert [rate(config, s) for s in (0, 49, 50, 100)] == pytest.approx([1, 1, 0.1, 0.01])
    assert rate(settings(schedule="constant"), 10_000) == 1


@pytest.mark.parametrize(
    ("name", "schedule", "weight_decay", "pretrained_factor"),
    [
        ("tirg/css", "constant", 1e-6, 1.0),
        ("tirg/mitstates", "step", 5e-5, 0.1),
        ("tirg/fashion200k", "step", 1e-6, 0.1),
    ],
)
def test_recipes_are_those_of_tirg(name, schedule, weight_decay, pretrained_factor):
    found = recipe(name)
    assert (found.schedule, found.weight_decay, found.pretrained_factor) == (
        schedule, weight_decay, pretrained_factor,
    )  # fmt: skip
    assert (found.optimizer, found.momentum, found.learning_rate) == ("sgd", 0.9, 0.01)
    assert (found.batch, found.steps, found.decay_every) == (32, 160_000, 50_000)
    assert (found.clip, found.precision) == (0, "fp32")


def test_a_recipe_can_be_changed_and_refuses_what_it_does_not_know():
    assert recipe("tirg/css", steps=5).steps == 5
    with pytest.raises(InputError, match=r"recipe 'tirg'.*tirg/css"):
        recipe("tirg")
    with pytest.raises(InputError, match=r"'step_count'.*steps"):
        recipe("fast", step_count=5)
    with pytest.raises(InputError, match="patience"):
        recipe("fast", patience=2, selection="last")
    assert set(RECIPES) == {"fast", "tirg/css", "tirg/mitstates", "tirg/fashion200k"}


# What a step does


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_training_is_the_plain_loop_written_out(tmp_path, optimizer):
    config = settings(optimizer=optimizer, learning_rate=0.05, weight_decay=0.01, clip=0.3, seed=3)
    plain, draws, generator = Toy(), Draws(), torch.Generator()
    kind = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[optimizer]
    # Fused as in the loop: a bias before a normalisation has noise for a gradient, which AdamW
    # scales up to whole steps.
    extra = {"momentum": 0.9} if optimizer == "sgd" else {"fused": True}
    step_of = kind(plain.parameters(), weight_decay=0.01, **extra)
    losses = []
    for step in range(config.steps):
        step_of.param_groups[0]["lr"] = 0.05 * rate(config, step)
        reseed(3, step, generator)
        loss = plain(draws(step), generator)["loss"]
        step_of.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.3)
        step_of.step()
        losses.append(loss.item())
    system, log = go(tmp_path, **config.model_dump())
    assert [row["loss"] for row in log] == pytest.approx(losses, abs=1e-6)
    assert [row["step"] for row in log] == list(range(1, 13))
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(system.state_dict()[name], value)
    assert not system.training


def test_clipping_bounds_the_gradient(tmp_path):
    system, _ = go(tmp_path, Weight(30.0, 40.0), steps=1, **plain_sgd() | {"clip": 1.0})
    assert [system.old.item(), system.new.item()] == pytest.approx([-0.5 * 0.6, -0.5 * 0.8])


def test_pretrained_layers_learn_more_slowly(tmp_path):
    slow = {**plain_sgd(), "schedule": "step", "decay_every": 2, "pretrained_factor": 0.1}
    system, _ = go(tmp_path, Weight(1.0, 1.0), steps=3, **slow)
    assert system.new.item() == pytest.approx(-0.5 * 2.1)
    assert system.old.item() == pytest.approx(-0.05 * 2.1)


def test_a_logged_row_is_the_mean_since_the_last_one(tmp_path):
    _, every = go(tmp_path / "a", steps=5)
    _, some = go(tmp_path / "b", steps=5, log_every=2)
    losses = [row["loss"] for row in every]
    assert [row["step"] for row in some] == [2, 4, 5]
    assert some[1]["loss"] == pytest.approx((losses[2] + losses[3]) / 2, abs=2e-6)
    kept = [json.loads(line) for line in (tmp_path / "b" / "log.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in kept] == [row["loss"] for row in some]


def test_bf16_stays_near_fp32_and_ends_with_the_training(tmp_path):
    _, full = go(tmp_path / "a", steps=5)
    system, half = go(tmp_path / "b", steps=5, precision="bf16")
    difference = [abs(a["loss"] - b["loss"]) for a, b in zip(full, half, strict=True)]
    # bf16 keeps 8 bits: 0.4 % a product, against losses of about 1.
    assert 0 < max(difference) < 0.03
    exact = Toy().eval()
    exact.load_state_dict(system.state_dict())
    found = [net(Draws()(0), torch.Generator().manual_seed(0))["loss"] for net in (system, exact)]
    assert found[0] == found[1]
    assert go(tmp_path / "c", steps=5)[1] == full  # nor does the next training inherit it


# Broken off and resumed


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_resumed_run_is_the_unbroken_one(tmp_path, optimizer, number):
    before = signal.getsignal(number)
    values = {"optimizer": optimizer, "learning_rate": 0.05}
    unbroken, log = go(tmp_path / "a", **values)
    with pytest.raises(KeyboardInterrupt, match="after step 5"):
        go(tmp_path / "b", batches=Draws({4: raised(number)}), **values)
    assert signal.getsignal(number) is before
    _, facts = checkpoint.load(tmp_path / "b", "last", IDENTITY)
    assert facts["step"] == len(facts["log"]) == 5
    resumed, again = go(tmp_path / "b", Toy(seed=1), **values)
    assert again == log
    assert same(resumed, unbroken)


def test_a_stop_between_two_rows_of_the_log_leaves_no_row_of_its_own(tmp_path):
    values = {"log_every": 4, "evaluate_every": 6}
    _, log = go(tmp_path / "a", **values)
    with pytest.raises(KeyboardInterrupt, match="after step 3"):
        go(tmp_path / "b", batches=Draws({2: raised(signal.SIGINT)}), **values)
    _, again = go(tmp_path / "b", Toy(seed=1), **values)
    assert again == log


def test_weights_that_no_checkpoint_names_are_removed_when_a_training_goes_on(tmp_path):
    go(tmp_path)
    kept = sorted(file.name for file in tmp_path.glob("*.safetensors"))
    (tmp_path / "last-000003.safetensors").write_bytes(b"of a process that was killed")
    go(tmp_path, Toy(seed=1))
    assert sorted(file.name for file in tmp_path.glob("*.safetensors")) == kept


def test_a_second_signal_is_obeyed_at_once(tmp_path, request):
    # A job in the background is started with Ctrl-C switched off, and would not obey.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(functools.partial(signal.signal, signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, batches=Draws({4: raised(signal.SIGINT, times=2)}))
    assert not (tmp_path / "last.json").exists()


@pytest.mark.parametrize("last_step", [True, False])
def test_a_signal_during_validation_is_not_lost(tmp_path, last_step):
    def validate(system):
        signal.raise_signal(signal.SIGINT)
        return {"selection": 1.0}

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, validate=validate, steps=4, evaluate_every=4 if last_step else 2)
    step = checkpoint.load(tmp_path, "last")[1]["step"]
    assert step == (4 if last_step else 3)


def test_a_crash_costs_the_steps_since_the_last_save(tmp_path):
    def crash(batch):
        raise RuntimeError("out of memory")

    unbroken, _ = go(tmp_path / "a", selection="last", evaluate_every=4)
    with pytest.raises(RuntimeError, match="out of memory"):
        go(tmp_path / "b", batches=Draws({6: crash}), selection="last", evaluate_every=4)
    asked = []
    batches = Draws(dict.fromkeys(range(12), lambda batch: asked.append(1)))
    resumed, _ = go(tmp_path / "b", Toy(seed=1), batches, selection="last", evaluate_every=4)
    assert len(asked) == 8  # steps 4 to 11
    assert same(resumed, unbroken)


def test_a_finished_run_is_loaded_not_repeated(tmp_path):
    first, log = go(tmp_path)
    never = Draws({step: raised(signal.SIGINT) for step in range(12)})
    second, again = go(tmp_path, Toy(seed=1), never)
    assert same(first, second)
    assert again == log


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    go(tmp_path)
    with pytest.raises(InputError, match=r"config\.run\.width is 5 there, 6 here"):
        go(tmp_path, identity={"run": {"width": 6, "name": "toy"}})


# Numbers that are none


def spoil(batch):
    batch["x"][0, 0] = math.nan


def test_a_loss_that_is_no_number_is_refused_with_step_and_batch(tmp_path):
    with pytest.raises(TrainingError, match=r"loss is nan at step 7, batch number 7;"):
        go(tmp_path, batches=Draws({7: spoil}), log_every=5, evaluate_every=5)
    tensors, facts = checkpoint.load(tmp_path, "last")
    assert facts["step"] == 5
    assert all(x.isfinite().all() for x in tensors.values())


def test_an_interrupt_does_not_save_a_spoilt_run(tmp_path):
    batches = Draws({2: spoil, 3: raised(signal.SIGINT)})
    with pytest.raises(TrainingError, match="step 2"):
        go(tmp_path, batches=batches, log_every=10)
    assert not (tmp_path / "last.json").exists()


def test_a_gradient_that_is_no_number_is_found_before_it_is_saved(tmp_path):
    class Root(Weight):
        def forward(self, batch, generator):
            return {"loss": (0 * self.old).sqrt() + self.new}  # 0, with slope 0 * infinity

    with pytest.raises(TrainingError, match=r"weight is not finite any more at step 0, batch n"):
        go(tmp_path, Root(1.0, 1.0))
    assert not (tmp_path / "last.json").exists()


# Selection


class Scores:
    """A validation that reads its results from a list, and keeps the weights it saw."""

    def __init__(self, *values):
        self.values, self.seen = list(values), []

    def __call__(self, system):
        assert not system.training
        assert not torch.is_grad_enabled()
        self.seen.append({name: x.clone() for name, x in system.state_dict().items()})
        value = self.values[len(self.seen) - 1]
        return {"R@1": value / 2, "selection": value}


def test_the_best_weights_come_back_at_the_end(tmp_path):
    scores = Scores(1.0, 3.0, 3.0, 2.0)
    system, log = go(tmp_path, validate=scores, steps=8, evaluate_every=2)
    assert all(torch.equal(x, scores.seen[1][n]) for n, x in system.state_dict().items())
    found = [(row["step"], row["val R@1"]) for row in log if "val R@1" in row]
    assert found == [(2, 0.5), (4, 1.5), (6, 1.5), (8, 1.0)]
    _, facts = checkpoint.load(tmp_path, "best", IDENTITY)
    assert (facts["step"], facts["metrics"]["val R@1"]) == (4, 1.5)


def test_selection_last_keeps_the_last_weights(tmp_path):
    scores = Scores(3.0, 1.0)
    system, _ = go(tmp_path, validate=scores, steps=4, evaluate_every=2, selection="last")
    assert all(torch.equal(x, scores.seen[1][n]) for n, x in system.state_dict().items())


def test_patience_counts_validations_without_a_better_one(tmp_path):
    scores = Scores(1.0, 0.5, 3.0, 2.0, 3.0, 9.0)
    _, log = go(tmp_path, validate=scores, evaluate_every=2, patience=2)
    assert log[-1] == {"step": 10, "val R@1": 1.5, "val selection": 3.0}
    go(tmp_path, validate=scores, evaluate_every=2, patience=2)  # and stays stopped
    assert len(scores.seen) == 5


def test_patience_is_not_forgotten_over_a_break(tmp_path):
    values = {"steps": 10, "evaluate_every": 2, "patience": 2}
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, batches=Draws({4: raised(signal.SIGINT)}), validate=Scores(3.0, 2.0), **values)
    _, log = go(tmp_path, validate=Scores(1.0, 9.0), **values)
    assert log[-1]["step"] == 6
    assert checkpoint.load(tmp_path, "best")[1]["step"] == 2
