"""What a view may change and what it must leave as it is."""

import pytest
import torch

from cmir_repro.core.errors import InputError
from cmir_repro.data.augment import DRAWS, random_view


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, 12, 18, 3), generator=generator, dtype=torch.uint8)


def draws(rows, value=None):
    if value is not None:
        return torch.full((rows, DRAWS), value)
    return torch.rand(rows, DRAWS, generator=torch.Generator().manual_seed(1))


def test_none_gives_the_pictures_back(pictures):
    assert random_view(pictures, draws(4), "none") is pictures


@pytest.mark.parametrize("kind", ["scenes", "photographs"])
def test_the_largest_cut_without_other_change_is_the_picture(pictures, kind):
    given = draws(4, 0.5)
    given[:, :2] = 1.0  # the whole picture; 0.5 changes neither light nor colour
    assert torch.allclose(random_view(pictures, given, kind), pictures.float(), atol=1e-2)


def test_a_cut_is_the_part_that_its_numbers_name():
    """A ramp from left to right: a cut at the left end starts low, at the right end stops high."""
    ramp = torch.linspace(0, 250, 50).round().to(torch.uint8).expand(2, 20, 50)[..., None]
    ramp = ramp.expand(-1, -1, -1, 3)
    given = draws(2, 0.5)
    given[:, 0] = 0.0  # 0.9 of the width
    given[0, 2], given[1, 2] = 0.0, 1.0
    out = random_view(ramp, given, "scenes")[:, 10, :, 0]
    assert out[0, 0] < 3
    assert out[0, -1] == pytest.approx(0.9 * 250, abs=4)
    assert out[1, 0] == pytest.approx(0.1 * 250, abs=4)
    assert out[1, -1] > 247


def test_scenes_are_never_mirrored_and_photographs_are(pictures):
    given = draws(4, 0.5)
    given[:, :2], given[:, 4] = 1.0, 0.1
    mirrored = pictures.float().flip(2)
    assert not torch.allclose(random_view(pictures, given, "scenes"), mirrored, atol=1e-2)
    assert torch.allclose(random_view(pictures, given, "photographs"), mirrored, atol=1e-2)


def test_colours_move_towards_grey_around_the_mean(pictures):
    given = draws(4, 0.5)
    given[:, :2], given[:, 6] = 1.0, 0.25
    x = pictures.float()
    grey = x.mean(3, keepdim=True)
    assert torch.allclose(
        random_view(pictures, given, "photographs"), grey + 0.8 * (x - grey), atol=1e-2
    )


def test_a_shared_batch_is_the_batch_of_one(pictures):
    given = draws(4)
    whole = random_view(pictures, given, "photographs")
    halves = [random_view(pictures[i : i + 2], given[i : i + 2], "photographs") for i in (0, 2)]
    assert torch.allclose(whole, torch.cat(halves))


def test_values_stay_in_range(pictures):
    out = random_view(pictures, draws(4), "photographs")
    assert out.shape == pictures.shape
    assert 0 <= out.min() <= out.max() <= 255


def test_an_unknown_kind_is_refused(pictures):
    with pytest.raises(InputError, match="photographs"):
        random_view(pictures, draws(4), "mirror")
