"""Image encoders: shapes, normalisation, and where weights may come from."""

import os
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models
from torchvision.transforms import v2

from cmir_repro.core.errors import InputError
from cmir_repro.models.image import (
    BLOCKS,
    FROZEN,
    IMAGE_ENCODERS,
    MobileNet,
    build_image_encoder,
    normalise,
)

FROM_PIXELS = [name for name in IMAGE_ENCODERS if name != FROZEN]
CACHED = "resnet18-f37072fd.pth"  # torchvision's name for the ImageNet weights


@pytest.fixture(scope="module")
def encoders():
    return {name: build_image_encoder(name, 8).eval() for name in FROM_PIXELS}


@pytest.fixture(scope="module")
def released():
    """A torchvision net, as whoever published weights had it."""
    torch.manual_seed(0)
    return models.resnet18().eval()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """torchvision's empty cache, on a machine without a network."""

    def no_network(*args, **kwargs):
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def pictures(*size, count=2):
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(0))


def check_weights(encoder, net):
    """The encoder computes what torchvision's net computes, but for the new last layer."""
    x = pictures(64, 64)
    fc, net.fc = net.fc, encoder.fc
    torch.testing.assert_close(encoder.eval()(x).vector, net(x))
    net.fc = fc


@pytest.mark.parametrize(
    ("size", "maps"),
    [
        ((120, 180), [(64, 30, 45), (128, 15, 23), (256, 8, 12), (512, 4, 6)]),
        ((64, 64), [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]),
    ],
)
def test_resnet18_has_the_maps_of_the_facts(encoders, size, maps):
    out = encoders["resnet18"](pictures(*size))
    assert out.vector.shape == (2, 8)
    assert {name: tuple(x.shape[1:]) for name, x in out.maps.items()} == dict(
        zip(BLOCKS, maps, strict=True)
    )


def test_resnet50_has_four_times_the_channels(encoders):
    assert list(encoders["resnet50"].channels.values()) == [256, 512, 1024, 2048]


@pytest.mark.parametrize("name", FROM_PIXELS)
def test_maps_are_as_announced_and_the_head_makes_the_vector(encoders, name):
    encoder = encoders[name]
    vector, maps = encoder(pictures(64, 96))
    assert vector.shape == (2, 8)
    assert tuple(maps) == BLOCKS
    assert {block: x.shape[1] for block, x in maps.items()} == encoder.channels
    areas = [x.shape[2] * x.shape[3] for x in maps.values()]
    assert areas == sorted(areas, reverse=True)
    torch.testing.assert_close(encoder.head(maps["block4"]), vector)


@pytest.mark.parametrize("name", FROM_PIXELS)
def test_a_picture_does_not_depend_on_its_batch(encoders, name):
    encoder, x = encoders[name], pictures(64, 64, count=3)
    # Group norm holds in training too; batch norm only once its statistics are fixed.
    encoder.train(name == "convnet")
    torch.testing.assert_close(encoder(x).vector[1:2], encoder(x[1:2]).vector, atol=1e-5, rtol=1e-4)


def test_mobilenet_is_torchvisions_up_to_its_last_layer(encoders):
    torch.manual_seed(0)
    encoder, x = encoders["mobilenet_v2"], pictures(64, 64)
    whole = torch.nn.Sequential(*(layer for block in encoder.blocks.values() for layer in block))
    torch.manual_seed(0)
    net = models.mobilenet_v2().eval()
    net.features.load_state_dict(whole.state_dict())
    torch.testing.assert_close(encoder(x).maps["block4"], net.features(x))
    assert [encoder(x).maps[block].shape[2] for block in BLOCKS] == [16, 8, 4, 2]


def test_the_trained_layer_on_frozen_maps_reads_all_of_them():
    encoder = build_image_encoder(FROZEN, 8, "any.safetensors").eval()
    generator = torch.Generator().manual_seed(0)
    stored = torch.randn(2, 4, 4, sum(MobileNet.WIDTHS), generator=generator).half()
    vector, maps = encoder(encoder.prepare(stored))
    first = stored.float().permute(0, 3, 1, 2)
    parts = first.split(MobileNet.WIDTHS, dim=1)
    for block, part in zip(BLOCKS[:3], parts, strict=False):
        assert torch.equal(maps[block], part)
    z = torch.einsum("uc,bchw->buhw", encoder.adapter[0].weight[:, :, 0, 0], first)
    z = torch.nn.functional.group_norm(z, 4, *encoder.adapter[1].parameters()).relu()
    torch.testing.assert_close(maps["block4"], z, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(vector, encoder.fc(z.mean((2, 3))), atol=1e-4, rtol=1e-4)
    assert {block: x.shape[1] for block, x in maps.items()} == encoder.channels


def test_normalise_is_torchvisions():
    pixels = torch.randint(256, (2, 5, 7, 3), dtype=torch.uint8)
    transform = v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    expected = transform(pixels.permute(0, 3, 1, 2))
    x = normalise(pixels)
    assert x.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(x, expected, atol=1e-5, rtol=1e-5)


def test_weights_from_a_safetensors_file(released, tmp_path):
    save_file(released.state_dict(), tmp_path / "resnet18.safetensors")
    encoder = build_image_encoder("resnet18", 8, str(tmp_path / "resnet18.safetensors"))
    check_weights(encoder, released)


def test_imagenet_weights_come_from_torchvisions_cache(released, cache):
    torch.save(released.state_dict(), cache / CACHED)
    check_weights(build_image_encoder("resnet18", 8, "imagenet"), released)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 and no more"])
def test_imagenet_weights_that_cannot_be_had(cache, content):
    if content is not None:
        (cache / CACHED).write_bytes(content)
    with pytest.raises(InputError, match=r"^the ImageNet weights of resnet18 .* use 'none'$"):
        build_image_encoder("resnet18", 8, "imagenet")


def test_a_cached_file_cannot_run_code(cache, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"fc.weight": Trap()}, cache / CACHED)
    with pytest.raises(InputError):
        build_image_encoder("resnet18", 8, "imagenet")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [None, b"", b"not\nsafetensors" * 9])
def test_an_unreadable_weights_file_is_named(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"^\S*weights\.safetensors (is not a readable|does not exist)"
    ) as info:
        build_image_encoder("resnet18", 8, str(path))
    assert "\n" not in str(info.value)


def test_weights_of_another_net_are_refused_in_one_short_line(released, tmp_path):
    path = tmp_path / "other.safetensors"
    state = {**released.state_dict(), "spare": torch.zeros(1)}
    for kept in (state, {}):
        save_file(kept, path)
        with pytest.raises(InputError, match="does not hold a torchvision resnet18: ") as info:
            build_image_encoder("resnet18", 8, str(path))
        assert "\n" not in str(info.value)
        assert len(str(info.value)) < 200 + len(str(path))


@pytest.mark.parametrize(("name", "times"), [("convnet-2x", 2), ("convnet-half", 0.5)])
def test_a_wider_and_a_narrower_convnet_change_the_channels_of_every_block(name, times):
    small, other = (build_image_encoder(one, 8) for one in ("convnet", name))
    assert {block: times * C for block, C in small.channels.items()} == other.channels
    pictures = other.prepare(torch.zeros(2, 60, 90, 3, dtype=torch.uint8))
    found = other(pictures)
    assert found.vector.shape == (2, 8)
    assert {block: x.shape[1] for block, x in found.maps.items()} == other.channels


def test_the_convnet_has_no_weights_to_load():
    with pytest.raises(InputError, match="use image_weights = 'none'"):
        build_image_encoder("convnet", 8, "imagenet")


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(InputError, match="'vgg' is unknown; allowed: convnet, convnet-2x, con"):
        build_image_encoder("vgg", 8)
