"""Codes become names wherever they stand alone between commas or semicolons."""

import pytest

from cmir_repro.report.words import spelt


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Recall on test, 3d-3d, mini", "Recall on test, 3D to 3D, mini"),
        ("Base and CRCGS; css, 3d-colour-shape", "Base and CRCGS; CSS, 3D, colours and shapes"),
        ("AAI; 3d; photo", "AAI; 3D; photographs"),
        ("a css file, 3d pictures", "a css file, 3d pictures"),  # within a sentence they stay
    ],
)
def test_codes_between_commas_and_semicolons_are_spelt_out(text, told):
    assert spelt(text) == told
