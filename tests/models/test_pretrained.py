"""What is taken of small random models of every kind, against the models themselves."""

import numpy as np
import pytest
import tiny_pretrained as tiny
import torch
from PIL import Image

from cmir_repro.core.errors import InputError
from cmir_repro.models.pretrained import Pretrained

TEXTS = ["make the red cube blue", "remove a sphere"]
PICTURES = [
    Image.fromarray(np.random.default_rng(n).integers(0, 256, (20, 30, 3), np.uint8))
    for n in range(3)
]


@pytest.mark.parametrize("name", tiny.READ_IMAGES)
def test_images_give_vectors_and_maps_of_patches(tmp_path, name):
    model = Pretrained(str(tiny.save(tmp_path, name)), "cpu", texts=False)
    vectors, maps = (model.images(PICTURES, grid) for grid in (False, True))
    assert (vectors.shape[0], vectors.ndim) == (3, 2)
    assert maps.shape == (3, tiny.WIDTH, *tiny.GRID)
    alone = model.images(PICTURES[1:2], False)
    np.testing.assert_allclose(alone[0], vectors[1], atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


def test_a_map_is_the_states_row_by_row_without_the_class_token(tmp_path):
    model = Pretrained(str(tiny.save(tmp_path, "clip")), "cpu", texts=False)
    pixels = model.reads(images=PICTURES, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        states = model.net.vision_model(pixel_values=pixels).last_hidden_state
    maps = model.images(PICTURES, True)
    np.testing.assert_allclose(maps[:, :, 1, 0], states[:, 3].numpy(), atol=1e-6)


@pytest.mark.parametrize("name", tiny.READ_TEXTS)
def test_texts_give_vectors_and_tokens_whatever_they_are_padded_to(tmp_path, name):
    model = Pretrained(str(tiny.save(tmp_path, name)), "cpu", texts=True)
    longest = model.longest(TEXTS)
    assert longest == (tiny.LENGTH if name == "siglip" else 7)
    vectors, lengths = model.texts(TEXTS, False, longest)
    grids, _ = model.texts(TEXTS, True, longest)
    assert lengths.tolist() == [7, 5]
    assert grids.shape == (2, longest, tiny.WIDTH)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-5
    if name != "siglip":
        alone, _ = model.texts(TEXTS[1:], False, 5)
        np.testing.assert_allclose(alone[0], vectors[1], atol=1e-5)


def test_bert_gives_the_state_of_its_first_token(tmp_path):
    model = Pretrained(str(tiny.save(tmp_path, "bert")), "cpu", texts=True)
    vectors, _ = model.texts(TEXTS, False, 7)
    grids, _ = model.texts(TEXTS, True, 7)
    np.testing.assert_array_equal(vectors, grids[:, 0])


def test_a_text_that_is_too_long_is_cut(tmp_path):
    model = Pretrained(str(tiny.save(tmp_path, "clip")), "cpu", texts=True)
    long = " ".join(["red"] * 30)
    assert model.longest([long]) == tiny.LENGTH
    assert model.texts([long], False, tiny.LENGTH)[1].tolist() == [tiny.LENGTH]


def test_a_model_that_cannot_read_this_is_refused(tmp_path):
    folder = tiny.save(tmp_path, "dinov2")
    tiny.tokenizer().save_pretrained(folder)
    with pytest.raises(InputError, match="holds a dinov2, which reads no texts"):
        Pretrained(str(folder), "cpu", texts=True)


def test_a_folder_without_a_whole_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="no whole AutoTokenizer in the folder"):
        Pretrained(str(tmp_path / "none"), "cpu", texts=True)
    folder = tiny.save(tmp_path / "clip", "clip")
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no whole AutoModel in the folder"):
        Pretrained(str(folder), "cpu", texts=True)
