"""Pictures as sets: how many vectors, which place each has, and what a saved net gives."""

import json
import socket

import pytest
import torch
import torch.nn.functional as F
from transformers import BertConfig, BertModel, ViTConfig, ViTForImageClassification, ViTModel
from transformers.utils import logging

from cmir_repro.core.errors import InputError
from cmir_repro.models.image import FROZEN, MobileNet, build_image_encoder, normalise
from cmir_repro.models.image_tokens import IMAGE_TOKENS, SAVED_VIT, VITS, build_image_tokens

PICTURE = (60, 90, 3)  # the scenes at mini
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
# Name -> shape of what it reads, its grid, whether it has a CLS token.
SMALL = {
    "vit-tiny-mini": (PICTURE, (4, 6), True),
    "convnet": (PICTURE, (4, 6), False),
    "mobilenet_v2": (PICTURE, (2, 3), False),
    FROZEN: ((4, 4, sum(MobileNet.WIDTHS)), (4, 4), False),
    "regions": ((36, 2048), None, False),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny vision transformer with a classifier on top, as image models are published."""
    folder = tmp_path_factory.mktemp("vit")
    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = ViTConfig(**SIZES, intermediate_size=16, image_size=32, patch_size=8)
    ViTForImageClassification(config).save_pretrained(folder)
    return folder


def stored(shape, count=3):
    generator = torch.Generator().manual_seed(0)
    if len(shape) == 3 and shape[2] == 3:
        return torch.randint(256, (count, *shape), dtype=torch.uint8, generator=generator)
    return torch.randn(count, *shape, generator=generator).half()


@pytest.mark.parametrize("name", SMALL)
def test_sets_are_as_announced(name):
    shape, grid, has_cls = SMALL[name]
    encoder = build_image_tokens(name, 24, "none", shape).eval()
    assert (encoder.width, encoder.grid, encoder.has_cls) == (24, grid, has_cls)
    places = grid[0] * grid[1] + has_cls if grid else shape[0]
    x = encoder.prepare(stored(shape))
    out = encoder(x)
    assert out.tokens.shape == (3, places, 24)
    assert out.lengths.tolist() == [places] * 3
    torch.testing.assert_close(encoder(x[1:2]).tokens[0], out.tokens[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_is_used(name):
    """One without a gradient would stop training in several processes."""
    shape = SMALL[name][0]
    encoder = build_image_tokens(name, 24, "none", shape).train()
    encoder(encoder.prepare(stored(shape))).tokens.square().sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []


def test_the_presets_have_the_published_sizes():
    """Without classifier: 21.7 M and 85.8 M parameters at 224 x 224."""
    with torch.device("meta"):
        for name, count in {"vit-s16": 21665664, "vit-b16": 85798656}.items():
            width = VITS[name]["hidden_size"]
            encoder = build_image_tokens(name, width, "none", (224, 224, 3))
            assert sum(p.numel() for p in encoder.parameters()) == count
            assert encoder.grid == (14, 14)


def test_a_saved_net_gives_its_own_states(folder):
    encoder = build_image_tokens(SAVED_VIT, 16, str(folder), (32, 32, 3)).eval()
    saved = ViTModel.from_pretrained(folder, add_pooling_layer=False).eval()
    pictures = stored((32, 32, 3))
    expected = saved(normalise(pictures)).last_hidden_state
    found = encoder(encoder.prepare(pictures)).tokens
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []
    wider = build_image_tokens(SAVED_VIT, 20, str(folder), (32, 32, 3)).eval()
    torch.testing.assert_close(
        wider(wider.prepare(pictures)).tokens, wider.project(expected), atol=1e-5, rtol=1e-4
    )


def test_a_saved_net_sees_pictures_of_another_size(folder):
    """30 x 45 is stretched to 32 x 48, and the 4 x 4 positions to 4 x 6."""
    encoder = build_image_tokens(SAVED_VIT, 16, str(folder), (30, 45, 3)).eval()
    assert encoder.grid == (4, 6)
    x = encoder.prepare(stored((30, 45, 3)))
    saved = ViTModel.from_pretrained(folder, add_pooling_layer=False).eval()
    positions = saved.embeddings.position_embeddings
    square = positions[:, 1:].view(1, 4, 4, 16).permute(0, 3, 1, 2)
    wide = F.interpolate(square, (4, 6), mode="bicubic").flatten(2).transpose(1, 2)
    saved.embeddings.image_size = (32, 48)
    saved.embeddings.position_embeddings = torch.nn.Parameter(
        torch.cat([positions[:, :1], wide], dim=1)
    )
    expected = saved(F.interpolate(x, (32, 48), mode="bilinear")).last_hidden_state
    torch.testing.assert_close(encoder(x).tokens, expected)


def test_a_net_from_scratch_keeps_the_border():
    encoder = build_image_tokens("vit-tiny-mini", 96, "none", (50, 70, 3)).eval()
    assert encoder.grid == (4, 5)
    pictures = stored((50, 70, 3))
    changed = pictures.clone()
    changed[:, -1, -1] = 255 - changed[:, -1, -1]
    before, after = (encoder(encoder.prepare(x)).tokens for x in (pictures, changed))
    assert not torch.allclose(before, after)


def test_positions_of_a_wide_net_cannot_be_stretched(folder, tmp_path):
    config = ViTConfig(**SIZES, intermediate_size=16, image_size=[16, 32], patch_size=8)
    logging.disable_progress_bar()
    ViTModel(config).save_pretrained(tmp_path)
    same = build_image_tokens(SAVED_VIT, 16, str(tmp_path), (16, 32, 3))
    assert same(same.prepare(stored((16, 32, 3)))).tokens.shape == (3, 9, 16)
    with pytest.raises(InputError, match=r"trained on pictures of 16 x 32 .* only square ones"):
        build_image_tokens(SAVED_VIT, 16, str(tmp_path), (32, 32, 3))


def test_weights_lie_in_the_weights_folder(folder, monkeypatch):
    monkeypatch.setenv("CMIR_WEIGHTS", str(folder.parent))
    assert build_image_tokens(SAVED_VIT, 16, folder.name, (32, 32, 3)).width == 16


@pytest.mark.parametrize("weights", ["google/vit-base-patch16-224", "none"])
def test_a_missing_net_is_one_line_and_no_download(weights, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: asked.append(args))
    monkeypatch.setenv("CMIR_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match=rf"^no whole AutoModel in the folder '.*{weights}'; .*$"):
        build_image_tokens(SAVED_VIT, 16, weights, PICTURE)
    assert not asked


def test_a_saved_net_of_another_kind_is_refused(folder, tmp_path):
    BertModel(BertConfig(**SIZES, vocab_size=9, intermediate_size=16)).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "bert"
    with pytest.raises(InputError, match="holds a bert and no vision transformer"):
        build_image_tokens(SAVED_VIT, 16, str(tmp_path), PICTURE)


def test_cells_are_the_last_map_with_positions():
    torch.manual_seed(0)
    encoder = build_image_tokens("convnet", 8, "none", PICTURE)
    assert encoder.training
    torch.manual_seed(0)
    plain = build_image_encoder("convnet", 1)
    x = normalise(stored(PICTURE))
    last = plain(x).maps["block4"]
    tokens = encoder(x).tokens
    for row, column in ((0, 0), (1, 5), (3, 2)):
        place = row * 6 + column
        expected = encoder.project(last[:, :, row, column]) + encoder.positions[place]
        torch.testing.assert_close(tokens[:, place], expected)


def test_regions_are_the_written_out_sum():
    torch.manual_seed(0)
    encoder = build_image_tokens("regions", 8, "none", (5, 12)).train()
    x = torch.randn(3, 5, 12)
    hidden = x @ encoder.enter.weight.T + encoder.enter.bias
    assert hidden.shape[2] == 4
    mean, var = hidden.mean((0, 1)), hidden.var((0, 1), unbiased=False)
    hidden = ((hidden - mean) / (var + 1e-5).sqrt()).clamp(min=0)
    expected = x @ encoder.linear.weight.T + hidden @ encoder.leave.weight.T + encoder.leave.bias
    torch.testing.assert_close(encoder(x).tokens, expected)
    assert encoder.linear.bias.count_nonzero() == 0


@pytest.mark.parametrize("name", ["vit-s16", "regions", "convnet"])
def test_nets_from_scratch_have_no_weights_to_load(name):
    with pytest.raises(InputError, match="use image_weights = 'none'"):
        build_image_tokens(name, 8, "some.safetensors", (5, 12))


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(InputError, match="'vgg' is unknown; allowed: vit-tiny-mini, vit-s16"):
        build_image_tokens("vgg", 8, "none", PICTURE)
    assert set(SMALL) < set(IMAGE_TOKENS)
