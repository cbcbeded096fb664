"""The code gives the numbers that are kept in tests/golden; `golden_traces` says what they are.

Tried on an Intel Xeon with AVX-512, each trace with one and two threads, with the processor's own
kernels and with ATEN_CPU_CAPABILITY=avx2 and =default (`python tests/golden_traces.py --threads 2`
repeats it): the largest deviation was 0.36 of what is allowed, a relative 4e-6. Two things were
needed for that. Traces have four steps: with six, one ReLU in a hundred thousand at its kink was
enough to move the last losses by a thousandth. And four traces have a seed of their own
(`golden_traces.SEEDS`), because with seed 1 such a kink, or a pair of all but equal scores, lay in
their way already in four.
"""

import golden_traces
import pytest


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with golden_traces.tiny_world(tmp_path_factory.mktemp("golden")):
        yield


@pytest.mark.parametrize("name", golden_traces.NAMES)
def test_the_code_gives_the_numbers_that_are_kept(world, name):
    path = golden_traces.path_of(name)
    assert path.exists(), f"no {path.name}; write it: python tests/golden_traces.py --write"
    place, far = golden_traces.largest(name)
    assert far <= 1, f"{place} is off by {far:.1f} times what is allowed"


def test_no_trace_is_kept_that_nobody_makes():
    assert sorted(golden_traces.FOLDER.iterdir()) == sorted(
        golden_traces.path_of(name) for name in golden_traces.NAMES
    )
