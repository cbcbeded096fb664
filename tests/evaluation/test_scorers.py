"""Whatever is asked for a protocol of another command names that command, before a file is read."""

from pathlib import Path

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.protocol import PRESETS
from cmir_repro.core.scorers import SCORERS
from cmir_repro.evaluation import image_text, judged_files, labels, recall, triplet_files

NOTHING = Path("nowhere.npz")
SCORE_FILES = {
    "recall": recall.score_files,
    "fashioniq_cirr": triplet_files.score_files,
    "image_text": image_text.score_files,
    "labels": labels.score_files,
    "judged": judged_files.score_files,
}


@pytest.mark.parametrize("scorer", SCORE_FILES)
def test_a_protocol_of_another_command_names_it(scorer):
    for rule in PRESETS.values():
        if rule.scorer == scorer:
            continue
        with pytest.raises(InputError) as refusal:
            SCORE_FILES[scorer](NOTHING, NOTHING, rule)
        assert str(refusal.value).startswith(f"{rule.name} is not scored by `{SCORERS[scorer]}`")
        assert str(refusal.value).endswith(f"; use `{SCORERS[rule.scorer]}`")


def test_every_other_command_takes_one_protocol_alone():
    assert set(SCORERS) - set(SCORE_FILES) == {"diagnosis"}
    assert [name for name, p in PRESETS.items() if p.scorer == "diagnosis"] == ["css-x"]
