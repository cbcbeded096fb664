"""The committed tables of the exchange rate as Markdown."""

import pandas as pd
import pytest

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.report import exchange


def test_a_table_that_was_saved_is_read_and_its_rates_stand_below(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_FIGURES", str(tmp_path))
    monkeypatch.setattr(paths, "committed_figures", lambda: tmp_path)
    table = pd.DataFrame({"tirg/css": [50.04, 10], "source kept": [45.0, 10]}, index=["a", "b"])
    exchange.save("css", table.rename_axis(index="vectors"))
    lines = exchange.markdown("css").splitlines()
    assert lines[2] == "| a | 50.0 | 45.0 |"
    assert lines[-1] == "| source kept | -5.0 | -2.5 | +0.0 | +5.0 |"
    with pytest.raises(InputError, match=r"exchange-fashioniq\.csv does not exist; notebook 07"):
        exchange.markdown("fashioniq")
