"""The processor's seconds count work and not waiting, over all sittings of a training."""

import json
import signal
import time

import pytest
from tiny_training import Draws, go, raised

from cmir_repro.training.clock import Clock


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_waiting_takes_time_and_work_takes_the_processor():
    clock = Clock()
    time.sleep(0.2)
    assert clock.seconds() >= 0.2
    assert clock.cpu_seconds() < 0.1
    busy(0.1)
    assert clock.cpu_seconds() >= 0.1


def test_sittings_add_up_and_one_that_was_not_counted_makes_it_unknown():
    clock = Clock(100.0, 50.0)
    assert 100 <= clock.seconds() < 110
    assert 50 <= clock.cpu_seconds() < 60
    assert Clock(100.0, None).cpu_seconds() is None


def saved(folder):
    return json.loads((folder / "last.json").read_text())


@pytest.mark.parametrize("known", [True, False])
def test_a_resumed_training_goes_on_counting(tmp_path, known):
    stop = raised(signal.SIGINT)

    def work_and_stop(batch):
        busy(0.2)
        stop(batch)

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, batches=Draws({3: work_and_stop}))
    facts = saved(tmp_path)
    assert facts["cpu_seconds"] >= 0.2
    if not known:  # a checkpoint of before processor time was counted
        del facts["cpu_seconds"]
        (tmp_path / "last.json").write_text(json.dumps(facts))
    go(tmp_path)
    after = saved(tmp_path)
    assert after["seconds"] > facts["seconds"]
    assert (after["cpu_seconds"] or 0) >= (0.2 if known else 0)
    assert (after["cpu_seconds"] is not None) == known
