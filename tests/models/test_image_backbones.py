"""Trunks: widths, agreement with torchvision, and images that a backbone cannot read."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from cmir_repro.core.errors import InputError
from cmir_repro.models import image
from cmir_repro.models.image import BACKBONES, build_backbone, normalise

SHAPE = (40, 60, 3)


def pictures(count=2, shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)


def test_features_pass_as_they_are():
    backbone, width = build_backbone("features", "none", (7,))
    x = torch.randn(3, 7)
    assert width == 7
    assert torch.equal(backbone(x), x)
    assert list(backbone.parameters()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("convnet", 96 * 15), ("mobilenet_v2", 1280), ("resnet18", 512), ("resnet50", 2048)],
)
def test_pictures_become_vectors(name, expected):
    torch.manual_seed(0)
    backbone, width = build_backbone(name, "none", SHAPE)
    found = backbone.eval()(pictures())
    assert width == expected
    assert found.shape == (2, width)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    assert not torch.equal(found[0], found[1])


def test_a_resnet_is_torchvisions_without_its_classes(tmp_path):
    torch.manual_seed(0)
    net = models.resnet18().eval()
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    backbone, _ = build_backbone("resnet18", str(tmp_path / "weights.safetensors"), SHAPE)
    net.fc = nn.Identity()
    torch.testing.assert_close(backbone.eval()(pictures()), net(normalise(pictures())))


def test_vgg_ends_at_its_seventh_fully_connected_layer():
    with torch.device("meta"):
        backbone, width = build_backbone("vgg19_bn", "none", (224, 224, 3))
        found = backbone(torch.empty(2, 224, 224, 3, dtype=torch.uint8))
    assert width == 4096
    assert found.shape == (2, 4096)
    # torchvision's figure, less the layer of the 1000 ImageNet classes.
    whole = models.VGG19_BN_Weights.IMAGENET1K_V1.meta["num_params"]
    assert sum(p.numel() for p in backbone.parameters()) == whole - (4096 * 1000 + 1000)
    kinds = [type(m) for m in backbone.fc]
    assert kinds == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU]


def test_vgg_computes_what_torchvisions_does(monkeypatch):
    """On narrow layers, which take no second: the order of the parts is what is tested."""
    torch.manual_seed(0)
    narrow = SimpleNamespace(
        features=models.vgg.make_layers([4, "M", 4, "M", 8, "M"], batch_norm=True).eval(),
        avgpool=nn.AdaptiveAvgPool2d(7),
        classifier=nn.Sequential(
            *(nn.Linear(8 * 49, 32), nn.ReLU(), nn.Dropout()),
            *(nn.Linear(32, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10)),
        ).eval(),
    )
    monkeypatch.setattr(image, "torchvision_model", lambda name, weights: narrow)
    backbone, _ = build_backbone("vgg19_bn", "none", SHAPE)
    narrow.classifier = narrow.classifier[:5]
    expected = models.VGG.forward(narrow, normalise(pictures()))
    torch.testing.assert_close(backbone.eval()(pictures()), expected)
    assert expected.min() == 0 < expected.max()


@pytest.mark.parametrize(
    ("name", "weights", "shape", "message"),
    [
        (
            "alexnet",
            "none",
            SHAPE,
            "'alexnet' is unknown; allowed: features, convnet",
        ),
        ("features", "none", SHAPE, r"'features' reads vectors, and these images are \(40, 60, 3"),
        ("features", "imagenet", (7,), "ready features take no weights; use image_weights = 'none"),
        ("resnet18", "none", (512,), r"reads pictures \(H, W, 3\), and these images are \(512,\)"),
        ("convnet", "none", (40, 60, 1), r"these images are \(40, 60, 1\)"),
        ("convnet", "imagenet", SHAPE, "convnet has no pretrained weights"),
        ("vgg19_bn", "none", (20, 60, 3), "vgg19_bn needs pictures of 32 x 32 or more"),
    ],
)
def test_images_it_cannot_read(name, weights, shape, message):
    with pytest.raises(InputError, match=message) as error:
        build_backbone(name, weights, shape)
    assert "\n" not in str(error.value)


def test_names():
    assert {"features", "convnet", "vgg19_bn", "resnet18", "resnet50"} <= set(BACKBONES)
