"""A batch of pictures is what indexing gives, wherever the pictures lie."""

import numpy as np
import pytest
import torch

from cmir_repro.data.store import PictureStore

PIXELS = np.random.default_rng(0).integers(256, size=(9, 4, 6, 3), dtype=np.uint8)
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU here"))]  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rows", [[0], [8, 2, 2, 0], []])
def test_a_batch_is_what_indexing_gives(device, rows):
    store = PictureStore(PIXELS, device)
    rows = np.array(rows, dtype=np.int64)
    found = store.take(rows)
    assert (found.dtype, found.device.type, len(store)) == (torch.uint8, device, 9)
    assert np.array_equal(found.cpu().numpy(), PIXELS[rows])


@pytest.mark.filterwarnings("error")
def test_pictures_may_lie_in_a_file_or_in_any_order_in_memory(tmp_path):
    np.save(tmp_path / "pixels.npy", PIXELS)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    rows = np.array([3, 1])
    for pixels in (mapped, mapped[::-1], np.asfortranarray(PIXELS)):
        assert np.array_equal(PictureStore(pixels, "cpu").take(rows).numpy(), pixels[rows])


def test_a_batch_is_a_copy():
    store = PictureStore(PIXELS.copy(), "cpu")
    store.take(np.array([0])).zero_()
    assert np.array_equal(store.take(np.array([0]))[0].numpy(), PIXELS[0])


def test_a_row_that_is_not_there_is_refused():
    with pytest.raises(IndexError):
        PictureStore(PIXELS, "cpu").take(np.array([9]))
