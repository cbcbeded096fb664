"""One environment, stated three times: pyproject, lock and conda file must not drift apart."""

import re
import shutil
import subprocess
import tomllib
from importlib import metadata

import pytest
import torch
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from torchvision.ops import nms

from cmir_repro.core import paths

LOCK = (paths.checkout() / "requirements.lock").read_text(encoding="utf-8")
CONDA = (paths.checkout() / "environment.yml").read_text(encoding="utf-8")
PROJECT = tomllib.loads((paths.checkout() / "pyproject.toml").read_text())["project"]
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;]+)(?: ; (.*?))? \\$", re.MULTILINE)


def pins() -> dict[str, list[tuple[str, str]]]:
    """Package -> its versions in the lock, each with the marker it holds under."""
    found = {}
    for name, version, marker in PIN.findall(LOCK):
        found.setdefault(canonicalize_name(name), []).append((version, marker))
    return found


def holds(marker: str, python: str) -> bool:
    machine = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    versions = {"python_version": python, "python_full_version": f"{python}.5"}
    return not marker or Marker(marker).evaluate({**machine, **versions})


def declared() -> list[Requirement]:
    extra = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    found = [Requirement(line) for line in PROJECT["dependencies"] + extra]
    return [r for r in found if r.name != PROJECT["name"]]  # an extra that brings another one


def test_the_lock_is_pins_with_hashes_and_nothing_else():
    blocks = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(blocks) == sum(map(len, pins().values())) > 100
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)


@pytest.mark.parametrize("requirement", declared(), ids=lambda r: r.name)
@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_every_dependency_is_locked_at_a_version_it_allows(requirement, python):
    locked = pins()[canonicalize_name(requirement.name)]
    (version,) = [version for version, marker in locked if holds(marker, python)]
    assert version in requirement.specifier


def test_the_conda_file_is_a_python_and_the_lock():
    python, pip, section = yaml.safe_load(CONDA)["dependencies"]
    assert (pip, section) == ("pip", {"pip": ["--requirement requirements.lock"]})
    version = python.removeprefix("python=")
    assert f"{version}.0" in SpecifierSet(PROJECT["requires-python"])
    assert any(holds(marker, version) for _, marker in pins()["torch"])


def test_no_index_is_named():
    for text in (LOCK, CONDA):
        assert not re.search(r"https?://|--(extra-)?index|--find-links|--trusted-host", text)


def test_torchvision_loads_its_operators_into_torch():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2.1], [5, 5, 6, 6]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]  # compiled code


def test_torchvision_is_the_one_built_for_torch():
    ((version, _),) = pins()["torch"]
    ((torchvision, _),) = pins()["torchvision"]
    if metadata.version("torchvision").split("+")[0] != torchvision:
        pytest.skip("another torchvision than the lock's is installed")
    wanted = [Requirement(line) for line in metadata.requires("torchvision")]
    (allowed,) = [r.specifier for r in wanted if r.name == "torch"]
    assert version in allowed


@pytest.mark.skipif(shutil.which("sed") is None, reason="no sed here")
def test_the_makefile_finds_the_installer_in_the_lock():
    makefile = (paths.checkout() / "Makefile").read_text()
    (script,) = re.findall(r"sed -n '([^']*)' requirements\.lock", makefile)
    found = subprocess.run(["sed", "-n", script], input=LOCK, capture_output=True, text=True)
    ((version, _),) = pins()["uv"]
    assert found.stdout.split() == [f"uv=={version}"]
