"""Data sets that are not there are answered with the script that makes them."""

import pytest

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data.registry import SCRIPTS, check_prepared


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_named_script_and_page_exist(name):
    script, page = SCRIPTS[name].split(", see ")
    assert (paths.REPOSITORY / "data_scripts" / script).exists()
    assert (paths.REPOSITORY / page).exists()


def test_what_is_missing_is_named_with_its_script(monkeypatch, tmp_path):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"'wikipedia' is not prepared.*wikipedia\.py"):
        check_prepared("wikipedia")
    check_prepared("css")
    (tmp_path / "wikipedia").mkdir()
    (tmp_path / "wikipedia" / "dataset.json").write_text("{}")
    check_prepared("wikipedia")
