"""Manifests: the `.net` files that they list, and manifests that `netdsl export` never writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from netdsl.backends.onnx.manifest import _own_sum, manifest_path, verify_if_any, verify_model
from netdsl.cli import run
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NET = (
    'import "parts/half.net"\nimport lenet5\nnet Tiny {\n input x: 4\n Half\n output y:'
    " dense(2)\n}\n"
)
HALF = 'import "more.net"\nblock Half() { dense(3) -> More }\n'
MORE = "block More() { relu }\n"


@pytest.fixture
def model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """An exported model whose text imports files of a folder below its own, and of the library."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src" / "parts").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    for name, text in (("tiny", NET), ("parts/half", HALF), ("parts/more", MORE)):
        (tmp_path / "src" / f"{name}.net").write_text(text)
    assert run(["export", "src/tiny.net", "-o", "out/m.onnx"]) == 0
    capsys.readouterr()
    return tmp_path / "out" / "m.onnx"


def forge(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and correct its sum."""
    path = manifest_path(model)
    entries = json.loads(path.read_text())
    entries.pop("manifest")
    change(entries)
    path.write_text(json.dumps({**entries, "manifest": _own_sum(entries)}))


def error_code(model: Path, verify: Callable[[Path], object] = verify_model) -> str:
    """The code of the only error."""
    with pytest.raises(NetdslError) as caught:
        verify(model)
    assert len(caught.value.diagnostics) == 1
    return caught.value.diagnostics[0].code


def test_a_manifest_lists_imported_files(model: Path) -> None:
    """A manifest lists the imported files, except those of the library.

    Their paths are relative to the model's folder. A changed file is an error, a missing one gives
    a note.
    """
    entries = json.loads(manifest_path(model).read_text())
    assert entries["source"]["name"] == "../src/tiny.net"
    assert [e["name"] for e in entries["imports"]] == [
        "../src/parts/half.net",
        "../src/parts/more.net",
    ]
    assert verify_model(model).notes == []
    more = model.parent.parent / "src" / "parts" / "more.net"
    more.write_text(MORE.replace("relu", "tanh"))
    with pytest.raises(
        NetdslError, match=r"more\.net is not the text that the model was made from"
    ):
        verify_model(model)
    verify_if_any(model)  # `netdsl run` checks only the model
    more.unlink()
    assert verify_model(model).notes == [
        "the text ../src/parts/more.net is missing, so it was not compared"
    ]


def test_a_manifest_without_imports(model: Path) -> None:
    """A manifest without the entry `imports`, as old versions wrote it, is valid."""
    forge(model, lambda e: e.pop("imports"))
    assert verify_model(model).notes == []


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["files"]["m.onnx"].pop("bytes"),
        lambda e: e["files"]["m.onnx"].pop("sha256"),
        lambda e: e["files"]["m.onnx"].update(bytes="9"),
        lambda e: e["files"]["m.onnx"].update(sha256=None),
        lambda e: e.update(files=["m.onnx"]),
        lambda e: e.update(files={"m.onnx": 1}),
        lambda e: e.pop("files"),
    ],
)
def test_malformed_entries_of_the_model(
    model: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """`verify` and `run` refuse a manifest with malformed entries, although its sum is correct."""
    forge(model, change)
    assert error_code(model) == "corrupt-manifest"
    assert error_code(model, verify_if_any) == "corrupt-manifest"


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["source"].pop("sha256"),
        lambda e: e["source"].pop("name"),
        lambda e: e.update(source="tiny.net"),
        lambda e: e.pop("source"),
        lambda e: e["source"].update(name=""),
        lambda e: e["source"].update(name="a" * 5000),
        lambda e: e.update(imports={}),
        lambda e: e.update(imports=["x"]),
        lambda e: e.update(imports=[{"name": "x"}]),
        lambda e: e.update(imports=None),
    ],
)
def test_malformed_entries_of_the_texts(
    model: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """`verify` refuses malformed entries of the `.net` files too."""
    forge(model, change)
    assert error_code(model) == "corrupt-manifest"


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "1",
        "null",
        '"manifest"',
        "{}",
        "[" * 100_000,
        '{"manifest": 1}',
        '{"net": "\\ud800", "manifest": "x"}',
        "\x00",
    ],
)
def test_files_that_are_no_manifests(model: Path, text: str) -> None:
    """A text that is no manifest, whether it is JSON or not, gives the same error."""
    manifest_path(model).write_text(text)
    assert error_code(model) == "corrupt-manifest"


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "no/such.net", "x\x1b[2J"])
def test_names_that_no_file_has(model: Path, name: str) -> None:
    """If the source has a name that no file has, or none can have, there is one printable note."""
    forge(model, lambda e: e["source"].update(name=name))
    notes = verify_model(model).notes
    assert len(notes) == 1
    assert notes[0].isprintable()


@pytest.mark.parametrize("taken", ["m.onnx.manifest.json", "m.onnx"])
def test_no_model_without_its_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken: str
) -> None:
    """If the model or its manifest cannot be written, neither is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / taken).mkdir()
    assert run(["export", "lenet5", "-o", "m.onnx"]) == 1
    assert f"error[cannot-write]: {taken}: Is a directory" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [taken]
