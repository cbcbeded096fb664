"""Compiled loops give exactly what NumPy gives, and are kept for later processes only if they can.

The loops of NumPy are tested against single pairs in test_tie_groups.py and test_recall.py.
"""

import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import caching

from cmir_repro.core.protocol import preset
from cmir_repro.evaluation import kernels, recall, tie_groups

NEVER = 2**60  # pairs, more than any input has


def both(monkeypatch, module, limit, work):
    """What `work` returns by NumPy and by kernels."""
    found = []
    for pairs in (NEVER, 0):
        monkeypatch.setattr(module, limit, pairs)
        found.append(work())
    return found


@pytest.mark.parametrize(("L", "C"), [(1, 1), (64, 21), (70, 65), (300, 130)])
def test_histograms_are_the_same(monkeypatch, L, C):
    """More items than a block, and a last one that is not full."""
    r = np.random.default_rng(L)
    codes = [r.random((N, L)) < 0.5 for N in (5, 2 * kernels._BLOCK + 37)]
    labels = [r.random((len(x), C)) < 0.1 for x in codes]
    plain, fast = both(
        monkeypatch,
        tie_groups,
        "_MANY_CODES",
        lambda: tie_groups.hamming_histograms(*codes, *labels),
    )
    np.testing.assert_array_equal(plain, fast)
    assert fast[0].dtype == plain[0].dtype
    assert fast[1].any()


@pytest.mark.parametrize("tolerance", [0.0, 1e-6, 1e-3, 0.05])
@pytest.mark.parametrize("whole", [False, True])
def test_groups_of_cosines_are_the_same(monkeypatch, tolerance, whole):
    """Features of whole numbers tie; with a wide tolerance long chains are cut."""
    r = np.random.default_rng(1)
    q, d = (r.normal(size=(N, 6)) for N in (9, 2000))
    if whole:
        q, d = (np.round(x) + np.array([0.5, 0, 0, 0, 0, 0]) for x in (q, d))
    d[0], d[1] = q[0], -q[0]  # cosines of 1 and of -1
    labels = [r.random((len(x), 70)) < 0.01 for x in (q, d)]
    plain, fast = both(
        monkeypatch,
        tie_groups,
        "_MANY_COSINES",
        lambda: list(tie_groups.cosine_groups(q, d, *labels, tolerance, 4)),
    )
    assert len(plain) == len(fast) == 3
    for a, b in zip(plain, fast, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
            assert np.asarray(x).dtype == np.asarray(y).dtype
    assert sum(len(groups.query) for groups in fast) > 9


@pytest.mark.parametrize("ties", ["mean", "best", "worst"])
def test_ranks_are_the_same(monkeypatch, ties):
    """Vectors that occur twice tie; a source that is relevant itself is left out."""
    r = np.random.default_rng(2)
    g = r.normal(size=(400, 8))
    g[200:] = g[:200] * r.uniform(0.5, 2, (200, 1))
    labels, target, source = r.integers(0, 100, 400), *r.integers(0, 400, (2, 50))
    q = g[target] + 0.5 * r.normal(size=(50, 8))
    source[::3] = -1
    rule = preset("tirg/css").changed(ties=ties)
    kept = [i for i in range(50) if (labels == labels[target[i]]).sum() > (source[i] == target[i])]
    case = q[kept], g, labels[target[kept]], labels, source[kept], rule
    for chunk in (None, 7):
        plain, fast = both(monkeypatch, recall, "_MANY", lambda n=chunk: recall.ranks(*case, n))
        for name in ("above", "relevant", "irrelevant"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(fast, name))
    assert ties != "mean" or fast.irrelevant.any()


def twice(x):
    return 2 * x


def test_where_no_folder_can_be_written_it_is_compiled_for_this_process(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="no locator"):
        numba.njit(cache=True)(twice)
    assert kernels.compiled(twice)(4) == 8


def test_where_there_is_no_room_it_is_compiled_for_this_process(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.FunctionCache, "save_overload", full)
    with pytest.raises(OSError, match="No space"):
        numba.njit(cache=True)(twice)(4)
    assert kernels.compiled(twice)(4) == 8


def test_what_was_compiled_is_found_by_a_later_process(tmp_path, monkeypatch):
    """A copy in a folder of its own, whose name numba is told."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    (tmp_path / "copied.py").write_text(Path(kernels.__file__).read_text())
    code = (
        "import numpy as np, copied\nfrom numba.core import event\n"
        "with event.install_recorder('numba:compile') as seen:\n"
        "    copied.groups(np.arange(5, dtype=np.int32), np.float32(0), np.empty((4, 5), int))\n"
        "print(len(seen.buffer))"
    )
    counts = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        counts.append(int(done.stdout))
    assert counts[0] > 0 == counts[1]
