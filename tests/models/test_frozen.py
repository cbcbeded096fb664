"""Stored features against a MobileNetV2 whose maps are averaged by hand."""

import numpy as np
import pytest
import tiny_photos
import torch
from safetensors.torch import save_file
from torchvision.models import mobilenet_v2

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.experiments.presets.dim import SCALES, configure
from cmir_repro.experiments.run import run
from cmir_repro.models import frozen
from cmir_repro.models.image import FROZEN, MEAN, STD

NAME = SCALES["mini"]["photos"]["model"]["image_weights"]
CUTS = (4, 7, 14, 19)  # layers of torchvision's net after which a quarter, an eighth, ... is left


def save_net(path, seed):
    """An untrained net; its norms have seen noise, so that what it makes does not fade away."""
    torch.manual_seed(seed)
    net = mobilenet_v2(weights=None)
    for module in net.modules():
        module.momentum = 1.0  # only norms have one
    with torch.no_grad():
        net(torch.randn(8, 3, 64, 96))
    save_file(net.state_dict(), path)
    return net.eval()


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """Two weights files and their nets."""
    folder = tmp_path_factory.mktemp("weights")
    return folder, save_net(folder / NAME, 0), save_net(folder / "other.safetensors", 1)


@pytest.fixture
def photos(monkeypatch, tmp_path, nets):
    """Photographs that stand in for those of the tables; runs and ledger go to `tmp_path`."""
    for name in ("DATA", "RUNS", "RESULTS"):
        monkeypatch.setenv(f"CMIR_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("CMIR_WEIGHTS", str(nets[0]))
    return tiny_photos.write(tmp_path / "data" / "photos", height=64, width=96)


def features(data, weights=NAME, part="a"):
    return frozen.features(data, "photo", part, weights, progress=False)


@torch.no_grad()
def averaged(net, picture):
    """(4, 4, C) of one picture: each cell the mean of the positions that it covers."""
    x = torch.from_numpy(np.array(picture)).double() / 255
    x = ((x - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)[None].float()
    out = []
    for number, layer in enumerate(net.features, 1):
        x = layer(x)
        if number in CUTS:
            height, width = x.shape[2:]
            cells = torch.empty(4, 4, x.shape[1])
            for i in range(4):
                for j in range(4):
                    rows = slice(i * height // 4, -(-(i + 1) * height // 4))
                    columns = slice(j * width // 4, -(-(j + 1) * width // 4))
                    cells[i, j] = x[0, :, rows, columns].mean((1, 2))
            out.append(cells)
    return torch.cat(out, dim=2).numpy()


def test_features_are_the_maps_of_four_blocks_averaged_over_a_grid(photos, nets, monkeypatch):
    monkeypatch.setitem(frozen.BATCH, "cpu", 7)  # 20 pictures: the last batch is smaller
    found = features(photos)
    assert isinstance(found, np.memmap)
    assert (found.shape, found.dtype) == ((20, 4, 4, 24 + 32 + 96 + 1280), np.float16)
    for i in (0, 6, 7, 19):
        expected = averaged(nets[1], photos.pixels("photo", "a")[i])
        for block in np.split(expected, [24, 56, 152], axis=2):
            assert 1e-3 < np.abs(block).max() < 1e3  # float16 holds such numbers well
        np.testing.assert_allclose(found[i], expected, rtol=2e-3, atol=1e-4)
    assert not np.allclose(found[0], found[1], rtol=1e-2)


def test_features_are_computed_once_for_the_same_pictures_and_weights(photos, nets, monkeypatch):
    first = np.array(features(photos))
    other = np.array(features(photos, "other.safetensors"))
    assert not np.allclose(other, first, rtol=1e-2)
    pictures = photos.pixels("photo", "a")
    np.testing.assert_allclose(other[3], averaged(nets[2], pictures[3]), rtol=2e-3, atol=1e-4)
    with monkeypatch.context() as patch:
        patch.setattr(frozen, "normalise", None)  # what is computed needs it
        with pytest.raises(TypeError):
            features(photos)  # the file holds those of the other weights
        np.testing.assert_array_equal(features(photos, str(nets[0] / "other.safetensors")), other)
    np.testing.assert_array_equal(features(photos), first)
    # Other pictures in the same place.
    np.save(photos.folder / "pixels-photo-a.npy", 255 - np.array(pictures))
    photos.info["files"]["pixels-photo-a.npy"]["sha256"] = sha256(
        photos.folder / "pixels-photo-a.npy"
    )
    assert not np.allclose(features(photos), first, rtol=1e-2)


def test_features_are_no_part_of_the_data_set(photos):
    before = photos.manifest_hash
    features(photos)
    again = type(photos)(photos.folder)
    assert again.manifest_hash == before == sha256(photos.folder / "dataset.json")
    assert again.views == ["photo"]


@pytest.mark.parametrize("content", [None, b"no tensors"])
def test_weights_that_cannot_be_had_are_one_line(photos, tmp_path, monkeypatch, content):
    monkeypatch.setenv("CMIR_WEIGHTS", str(tmp_path))
    if content:
        (tmp_path / NAME).write_bytes(content)
    message = (
        rf"{NAME} (are neither a file nor in the weights folder|is not a readable safetensors)"
    )
    calls = (
        lambda: features(photos),
        lambda: run(configure("photos", training={"steps": 2, "batch": 8}), progress=False),
    )
    for call in calls:
        with pytest.raises(InputError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_the_photographs_of_the_tables_train_on_frozen_features(photos, nets):
    training = {"steps": 2, "batch": 8, "evaluate_every": 1, "log_every": 1}
    config = configure("photos", method="TIRG + DIM", training=training, model={"embed_dim": 16})
    assert config.model.image_encoder == FROZEN
    done = run(config, progress=False)
    record = done.record
    assert (record.task, record.steps, record.data["kind"]) == ("photo", 2, "noise")
    assert record.data["weights"] == sha256(nets[0] / NAME)
    assert record.result["protocol"]["name"] == "own/same-caption"
    assert (record.result["queries"], record.result["gallery"]) == (8, 8)
    assert done.losses()[["loss", "bound A", "bound B"]].notna().all(axis=None)
    # What the net read are the stored features, row for row.
    part = done.task.split("test")
    for place in (0, 5):
        image = photos.images.iloc[part.gallery[place]]
        stored = features(photos, part=image["part"])[image["row"]]
        pictures = done.task.pictures("photo", "test").take(np.array([place]))
        assert np.array_equal(pictures[0].numpy(), stored)
        with torch.no_grad():
            vector = done.system.encode(torch.from_numpy(np.array(stored[None]))).vector[0]
        np.testing.assert_allclose(done.features.gallery[place], vector, atol=1e-5)
    # The frozen net itself is not among the weights that are trained.
    assert done.record.parameters < 1_000_000
