"""The manifest shows whether a model was altered after its export, or has lost files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import netdsl
from netdsl.backends.onnx.manifest import manifest_path, verify_model
from netdsl.errors import NetdslError
from tests.support.commands import run_command
from tests.support.small_nets import NORMED

if TYPE_CHECKING:
    from pathlib import Path


def exported(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    external: bool = False,
    monkeypatch: pytest.MonkeyPatch | None = None,
) -> Path:
    if external and monkeypatch:
        monkeypatch.setattr("netdsl.backends.onnx.write.LIMIT", 100)
    run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "w.safetensors")
    return folder / "m.onnx"


@pytest.mark.parametrize("external", [False, True])
def test_any_flipped_bit_is_found(
    weights_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    external: bool,
) -> None:
    """One changed bit in the model, its data, its text or the manifest is an error."""
    model = exported(weights_folder, capsys, external=external, monkeypatch=monkeypatch)
    assert [f.name for f in verify_model(model).files] == ["m.onnx", "m.onnx.data"][: 1 + external]
    assert verify_model(model).notes == []
    stream = np.random.default_rng(0)
    for path in (
        model,
        *([model.with_name("m.onnx.data")] if external else []),
        weights_folder / "tiny.net",
        manifest_path(model),
    ):
        good = path.read_bytes()
        for at in (0, len(good) - 1, *stream.integers(0, len(good), 20).tolist()):
            bad = bytearray(good)
            bad[at] ^= 1 << int(stream.integers(8))
            path.write_bytes(bad)
            if path.suffix == ".json" and equal_as_json(bad, good):
                continue
            with pytest.raises(NetdslError) as caught:
                verify_model(model)
            assert caught.value.diagnostics[0].code in {
                "corrupt-model",
                "source-changed",
                "corrupt-manifest",
                "file-not-found",
            }
        path.write_bytes(good)
    assert verify_model(model).notes == []


def equal_as_json(bad: bytes | bytearray, good: bytes) -> bool:
    """Whether both texts are the same JSON, for example if one blank became another."""
    try:
        return bool(json.loads(bad) == json.loads(good))
    except ValueError:
        return False


def test_missing_files_of_a_model(
    weights_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing text gives a note; a missing data file is an error."""
    model = exported(weights_folder, capsys, external=True, monkeypatch=monkeypatch)
    (weights_folder / "tiny.net").unlink()
    assert "tiny.net is missing" in verify_model(model).notes[0]
    (weights_folder / "m.onnx.data").unlink()
    with pytest.raises(NetdslError, match=r"m\.onnx\.data, which the manifest lists"):
        verify_model(model)


def test_a_manifest_names_only_files_of_its_folder(
    weights_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A manifest that lists a file of another folder is refused, although its sum is correct."""
    from netdsl.backends.onnx.manifest import _own_sum

    model = exported(weights_folder, capsys)
    entries = json.loads(manifest_path(model).read_text())
    entries.pop("manifest")
    entries["files"]["../secret"] = {"bytes": 1, "sha256": ""}
    manifest_path(model).write_text(json.dumps({**entries, "manifest": _own_sum(entries)}))
    with pytest.raises(NetdslError, match="is damaged"):
        verify_model(model)


def test_a_model_written_again_from_python_has_no_old_manifest(
    weights_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`save_onnx` removes the manifest of the model that it replaces."""
    model = exported(weights_folder, capsys)
    netdsl.loads(NORMED).save_onnx(model)
    assert not manifest_path(model).exists()
