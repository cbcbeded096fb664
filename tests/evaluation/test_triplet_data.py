"""Where the triplets come from is said, and what is made up never passes for the real ones."""

import numpy as np
import pytest
from tiny_releases import fashioniq

from cmir_repro.core.errors import InputError
from cmir_repro.evaluation import triplet_data


@pytest.fixture(autouse=True)
def nothing_here(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("CMIR_REAL_DATA", raising=False)


def test_with_nothing_there_they_are_made_up_and_say_so():
    triplets, what = triplet_data.fashioniq()
    assert what.startswith("MADE UP")
    assert [len(part) for part in triplets.galleries.values()] == [120, 120, 120]
    assert len(triplets.images) == 354
    again = triplet_data.made_up()
    assert np.array_equal(triplets.target, again.target)
    assert (triplets.source != triplets.target).all()


def test_a_folder_that_is_named_comes_first(tmp_path, monkeypatch):
    fashioniq(tmp_path / "named")
    fashioniq(tmp_path / "real" / "fashioniq")
    (tmp_path / "real" / "fashioniq" / "captions" / "cap.dress.val.json").unlink()
    monkeypatch.setenv("CMIR_REAL_DATA", str(tmp_path / "real"))
    triplets, what = triplet_data.fashioniq(tmp_path / "named")
    assert what == "FashionIQ, as released"
    assert len(triplets.ids) == 6
    with pytest.raises(InputError, match=r"cap\.dress\.val\.json does not exist"):
        triplet_data.fashioniq()  # never made up where real ones are broken
