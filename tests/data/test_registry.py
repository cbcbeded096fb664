"""Every data set is opened by its name; one that is not here is answered with what to type."""

import inspect
import runpy
import shlex

import command_line
import pytest
import tiny_photos

from cmir_repro.core import paths
from cmir_repro.core.errors import InputError
from cmir_repro.data import registry
from cmir_repro.data.registry import SCRIPTS


@pytest.mark.parametrize("command", SCRIPTS)
def test_every_script_has_a_command_with_help_and_a_page(command):
    function = registry.script(command)
    first = inspect.getdoc(function).splitlines()[0]
    assert first.endswith(".")
    assert len(first) <= 90
    assert (paths.checkout() / "docs" / "data" / f"{SCRIPTS[command].page}.md").exists()


@pytest.mark.parametrize("command", SCRIPTS)
def test_a_script_run_as_a_file_is_its_command(command, monkeypatch, capsys):
    file = paths.checkout() / "data_scripts" / f"{command.replace('-', '_')}.py"
    monkeypatch.setattr("sys.argv", [str(file), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(file), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"Usage: cmir prepare {command} ")


def test_every_script_is_listed():
    files = {file.stem for file in (paths.checkout() / "data_scripts").glob("*.py")}
    listed = {made.module.partition(".")[2] for made in SCRIPTS.values()}
    assert listed == files - {"__init__", "options"}
    assert {command.replace("-", "_") for command in SCRIPTS} == listed


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (command, name)
        for command, made in SCRIPTS.items()
        for name in made.makes
        if name not in ("css", "css-x")
    ],
)
def test_what_to_type_is_understood_by_the_script(monkeypatch, tmp_path, command, name):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    typed = shlex.split(registry.how(name))
    assert typed[:3] == ["cmir", "prepare", command]
    with pytest.raises(InputError):  # no such files; a wrong option would be another error
        command_line.run(registry.script(command), *typed[3:])


def test_css_is_made_and_others_are_opened(tiny_css, monkeypatch, tmp_path):
    assert registry.open("css", "mini").folder == tiny_css.folder
    monkeypatch.setenv("CMIR_DATA", str(tmp_path))
    made = tiny_photos.write(tmp_path / "photos")
    for scale in ("mini", "full", "paper"):  # a size of its own
        assert registry.open("photos", scale).manifest_hash == made.manifest_hash


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("css-released", "css --root FOLDER"),
        ("fashion200k", "fashion200k --root FOLDER"),
        ("nuswide-tc10", "nuswide .*--classes 10"),
        ("flickr30k", "captions --karpathy dataset_flickr30k.json"),
        ("mine", "own-folder --name mine"),
        ("../photos", "own-folder"),
    ],
)
def test_data_that_are_not_there_say_how_to_get_them(monkeypatch, tmp_path, name, typed):
    monkeypatch.setenv("CMIR_DATA", str(tmp_path / "data"))
    tiny_photos.write(tmp_path / "photos")  # outside the folder of data
    tiny_photos.write(tmp_path / "data" / "bags")
    (tmp_path / "data" / "mine").mkdir()  # begun, not finished
    message = rf"{name}' is not prepared yet; type: cmir prepare {typed}.*there are: css, bags\)"
    for asked in (registry.open, registry.check):
        with pytest.raises(InputError, match=message) as caught:
            asked(name)
        assert "\n" not in str(caught.value)
