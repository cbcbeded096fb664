"""DIM: what its terms compare, mask and train, on a batch small enough to check by hand."""

import pytest
import torch
from transformers import BertConfig, BertModel
from transformers.utils import logging

from cmir_repro.core.errors import InputError
from cmir_repro.losses.mutual_information import ESTIMATORS
from cmir_repro.models.compositors import COMPOSITORS
from cmir_repro.models.image import BLOCKS
from cmir_repro.systems.dim import Composed, DimConfig, ModelConfig

B, V = 6, 9


def build(**config):
    torch.manual_seed(0)
    tiny = {"image_encoder": "convnet", "embed_dim": 8, "text_dropout": 0.0}
    return Composed(ModelConfig.make(**tiny | config), vocabulary=V)


def dim(**values):
    return {"units": 8, **values}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch():
    generator = seeded()
    pictures = torch.randint(256, (2, B, 32, 48, 3), dtype=torch.uint8, generator=generator)
    return {
        "source": pictures[0],
        "target": pictures[1],
        "input_ids": torch.randint(V, (B, 4), generator=generator),
        "lengths": torch.tensor([4, 3, 2, 4, 1, 3]),
        "source_label": torch.tensor([7, 7, 1, 2, 3, 4]),
        "target_label": torch.tensor([0, 1, 5, 2, 2, 4]),
        "sentence": torch.tensor([0, 1, 1, 3, 4, 0]),
    }


def keep(*labels):
    """False where two samples share any of the labels, sample by sample."""
    rows = [[all(x[i] != x[j] for x in labels) for j in range(B)] for i in range(B)]
    return torch.tensor(rows)


# Configuration


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"compositer": "tirg"}, r"unknown key 'compositer'; allowed: image_encoder, .*, dim$"),
        ({"dim": {"part": "A"}}, r"unknown key 'dim.part'; allowed: parts, estimator, critic, .*"),
        ({"dim": {"estimator": "mine"}}, r"dim.estimator = 'mine' .* 'jsd', 'infonce' or 'dv'"),
        ({"dim": {"block": "conv1"}}, "dim.block = 'conv1' .* 'block1', 'block2'"),
        ({"compositor": "fylm"}, "compositor 'fylm' is unknown; .* tirg, tirg-last-conv, "),
        ({"metric": "hinge"}, "metric = 'hinge' .* 'soft-triplet-half-gradient'"),
        ({"text_encoder": "bert"}, "'bert' and text_weights .* go together"),
        ({"text_weights": "somewhere"}, "'bert' and text_weights .* go together"),
        ({"image_encoder": "convnet", "image_weights": "imagenet"}, "use image_weights = 'none'"),
        ({"dim": {"weight_a": 0}}, "part A with weight_a = 0 does nothing"),
        ({"dim": {"parts": "B", "weight_b": 0}}, "part B with weight_b = 0 does nothing"),
        ({"dim": {"parts": "B", "mask": "sentence"}}, "mask 'sentence' is about part A's pairs"),
        ({"image_encoder": "frozen-mobilenet_v2"}, "needs image_weights"),
        ({"dim": {"weight_b": -1}}, "dim.weight_b = -1 "),
        (
            {"dim": {}, "compositor": "image-only"},
            "'image-only' has none .* tirg, ",
        ),
        ({"dim": {}, "compositor": "text-only"}, "'text-only' has none"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(values, message):
    with pytest.raises(InputError, match=rf"^ModelConfig: [^\n]*{message}") as info:
        ModelConfig.make(**values)
    assert "\n" not in str(info.value)


def test_a_part_that_is_off_needs_no_weight():
    assert DimConfig.make(parts="B", weight_a=0).weight_a == 0


# The losses


@pytest.mark.parametrize("parts", ["A", "B", "AB", None])
def test_the_loss_is_the_metric_minus_the_weighted_bounds(batch, parts):
    weights = {"A": 0.3, "B": 0.7}
    options = parts and dim(parts=parts, weight_a=weights["A"], weight_b=weights["B"])
    losses = build(dim=options)(batch, seeded())
    assert set(losses) == {"loss", "metric", *(f"bound {part}" for part in parts or "")}
    expected = losses["metric"] - sum(weights[p] * losses[f"bound {p}"] for p in parts or "")
    torch.testing.assert_close(losses["loss"], expected)
    torch.testing.assert_close(losses["metric"], build()(batch, seeded())["metric"])


def test_losses_of_the_method_itself_are_added_with_their_weights(batch):
    model = build(compositor="composeae").eval()
    losses = model(batch, seeded())
    weights = {"image reconstruction": 0.1, "text reconstruction": 0.1, "rotational symmetry": 0.01}
    assert set(losses) == {"loss", "metric", *weights}
    expected = losses["metric"] + sum(w * losses[name] for name, w in weights.items())
    torch.testing.assert_close(losses["loss"], expected)


@pytest.mark.parametrize("mask", ["none", "label", "sentence", "both"])
@pytest.mark.parametrize("pair", ["source", "target", "both"])
def test_part_a_compares_text_with_images(batch, mask, pair):
    model = build(dim=dim(parts="A", mask=mask, pair=pair, estimator="infonce"))
    text = model.text(batch["input_ids"], batch["lengths"])
    bounds = []
    for image in ["source", "target"] if pair == "both" else [pair]:
        labels = {"label": batch[f"{image}_label"], "sentence": batch["sentence"]}
        allowed = keep(*(x for name, x in labels.items() if mask in (name, "both")))
        scores = model.critic_a[image](text.vector, model.encode(batch[image]).vector)
        bounds.append(ESTIMATORS["infonce"](scores, allowed))
    found = model(batch, seeded())["bound A"]
    torch.testing.assert_close(found, sum(bounds) / len(bounds))


@pytest.mark.parametrize("mask", ["none", "label", "both"])
@pytest.mark.parametrize("block", ["block1", "block3"])
def test_part_b_compares_the_fusion_with_every_place_of_a_low_map(batch, mask, block):
    model = build(dim=dim(parts="B", mask=mask, block=block, estimator="dv"))
    text = model.text(batch["input_ids"], batch["lengths"])
    fusion = model.query(model.encode(batch["source"]), text)
    low = model.encode(batch["target"]).maps[block]
    # The same sentence with another source is a true negative: it asks for another image.
    allowed = keep(batch["target_label"]) if mask in ("label", "both") else None
    expected = ESTIMATORS["dv"](model.critic_b(fusion, low), allowed)
    torch.testing.assert_close(model(batch, seeded())["bound B"], expected)


@pytest.mark.parametrize("metric", ["soft-triplet", "soft-triplet-half-gradient"])
def test_everything_random_comes_from_the_generator(batch, metric):
    model = build(metric=metric, dim=dim(positions=2))
    losses = [model(batch, seeded(seed)) for seed in (0, 0, 1)]
    for name in ("metric", "bound B", "loss"):
        assert losses[0][name] == losses[1][name] != losses[2][name]


@pytest.fixture
def seen():
    """seen(model, batch, seed) -> the map that part B's critic gets."""

    def seen(model, batch, seed=0):
        calls = []
        hook = model.critic_b.register_forward_pre_hook(lambda _, args: calls.append(args[1]))
        model(batch, seeded(seed))
        hook.remove()
        return calls[0].flatten(2)  # (B, C, P)

    return seen


def test_drawn_positions_are_different_places_of_the_map(batch, seen):
    whole = seen(build(dim=dim(parts="B")), batch)
    count = whole.shape[2] // 2
    model = build(dim=dim(parts="B", positions=count))
    chosen = [seen(model, batch, seed) for seed in (0, 1)]
    assert chosen[0].shape == (*whole.shape[:2], count)
    places = [(x[:, :, :, None] == whole[:, :, None]).all(0).all(0) for x in chosen]  # (count, P)
    for place in places:
        assert (place.sum(1) == 1).all()
        assert place.sum(0).max() == 1
    assert not torch.equal(*places)
    assert torch.equal(seen(build(dim=dim(parts="B", positions=10**6)), batch), whole)


def test_drawn_positions_do_not_change_the_bound_on_average(batch):
    model = build(dim=dim(parts="B", positions=16))
    with torch.no_grad():
        draws = torch.stack([model(batch, seeded(s))["bound B"] for s in range(100)])
        whole = build(dim=dim(parts="B"))(batch, seeded())["bound B"]
    assert abs(draws.mean() - whole) < 4 * draws.std() / len(draws) ** 0.5


# What learns


def slopes(loss, module):
    grads = torch.autograd.grad(loss, [*module.parameters()], allow_unused=True, retain_graph=True)
    return {
        name
        for (name, _), g in zip(module.named_parameters(), grads, strict=True)
        if g is not None and g.any()
    }


@pytest.mark.parametrize("compositor", ["concatenation", "tirg", "tirg-last-conv", "film"])
@pytest.mark.parametrize("bound", ["bound A", "bound B"])
def test_a_detached_image_encoder_learns_from_the_metric_only(batch, compositor, bound):
    model = build(compositor=compositor, dim=dim(pair="both", detach_image=True))
    losses = model(batch, seeded())
    # A fusion of maps ends in the image encoder's last layer, as a part of the fusion.
    spared = {"fc.weight", "fc.bias"} if compositor in ("tirg-last-conv", "film") else set()
    assert slopes(losses[bound], model.image) <= spared
    assert slopes(losses["metric"], model.image) == {n for n, _ in model.image.named_parameters()}
    assert slopes(losses[bound], model.text)
    free = build(compositor=compositor, dim=dim(pair="both"))
    assert slopes(free(batch, seeded())[bound], free.image) > spared


def test_detaching_changes_no_value(batch):
    values = [build(dim=dim(detach_image=d))(batch, seeded())["loss"] for d in (False, True)]
    torch.testing.assert_close(*values)


@pytest.mark.parametrize(
    ("compositor", "options"),
    [(name, None) for name in COMPOSITORS]
    + [(name, dim(pair="both")) for name in COMPOSITORS if not name.endswith("only")],
)
def test_one_step_trains_every_parameter(batch, compositor, options):
    model = build(compositor=compositor, dim=options)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model(batch, seeded())["loss"].backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None}
    assert all(name.startswith("text.") for name in idle)
    # Show and Tell reads words, not the vector, which part A then trains.
    reads_no_vector = compositor == "image-only" or (compositor, options) == ("show-and-tell", None)
    assert bool(idle) == reads_no_vector
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    optimizer.step()
    assert all(x.isfinite() for x in model(batch, seeded()).values())


@pytest.mark.parametrize(
    ("estimator", "critic"),
    [("jsd", "encode-and-dot"), ("infonce", "concat-and-convolve"), ("dv", "encode-and-dot")],
)
def test_training_raises_the_bounds_it_maximises(batch, estimator, critic):
    options = {"estimator": estimator, "critic": critic, "units": 32, "weight_a": 1, "weight_b": 1}
    model = build(dim=options)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    first = None
    for _ in range(250):
        losses = model(batch, seeded())
        bounds = torch.stack([losses["bound A"], losses["bound B"]]).detach()
        first = bounds if first is None else first
        if (bounds - first > 0.5).all():  # the metric alone raises them by less
            break
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert (bounds - first > 0.5).all()


def test_the_last_layer_of_the_image_encoder_is_new():
    model = build()
    slow = {id(p) for p in model.pretrained_parameters()}
    new = [name for name, p in model.named_parameters() if id(p) not in slow]
    assert len(slow) == len([*model.image.parameters()]) - 2
    assert [name for name in new if name.startswith("image.")] == [
        "image.fc.weight",
        "image.fc.bias",
    ]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_bert_and_a_resnet_do_as_well(batch, block, tmp_path):
    logging.disable_progress_bar()
    sizes = {"hidden_size": 8, "intermediate_size": 8, "max_position_embeddings": 16}
    config = BertConfig(vocab_size=V, num_hidden_layers=1, num_attention_heads=2, **sizes)
    BertModel(config).save_pretrained(tmp_path)
    names = {"text_encoder": "bert", "text_weights": str(tmp_path), "image_encoder": "resnet18"}
    losses = build(**names, dim=dim(block=block))(batch, seeded())
    assert losses["loss"].isfinite()
