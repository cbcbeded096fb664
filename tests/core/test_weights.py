"""Where weights lie and what tells them apart; how they are read is tested with the models."""

import pytest

from cmir_repro.core.errors import InputError
from cmir_repro.core.files import sha256
from cmir_repro.core.weights import read_weights, weights_digest, weights_file


def test_weights_are_found_by_path_or_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_WEIGHTS", str(tmp_path))
    assert weights_file("net.safetensors") == tmp_path / "net.safetensors"
    assert weights_file(str(tmp_path / "other")) == tmp_path / "other"


def test_weights_are_told_apart_by_their_file_or_their_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CMIR_WEIGHTS", str(tmp_path))
    (tmp_path / "net.safetensors").write_bytes(b"weights")
    assert weights_digest("net.safetensors") == sha256(tmp_path / "net.safetensors")
    assert [weights_digest(name) for name in ("none", "imagenet")] == ["none", "imagenet"]
    with pytest.raises(InputError, match="other are neither a file nor in the weights folder"):
        weights_digest("other")


@pytest.mark.parametrize("content", [None, b"", b"no tensors"])
def test_a_file_that_holds_no_tensors_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "net").write_bytes(content)
    with pytest.raises(InputError, match=r"net (is not a readable|does not exist)"):
        read_weights(tmp_path / "net")
