"""Manifests that are not as `netdsl export` writes them, and what they say of the texts of a
model.
"""

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
    """An exported model, whose text imports two of the folder below its own and one of the
    library.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src" / "parts").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    for name, text in (("tiny", NET), ("parts/half", HALF), ("parts/more", MORE)):
        (tmp_path / "src" / f"{name}.net").write_text(text)
    assert run(["export", "src/tiny.net", "-o", "out/m.onnx"]) == 0
    capsys.readouterr()
    return tmp_path / "out" / "m.onnx"


def forge(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """A manifest of another structure, whose own sum fits."""
    path = manifest_path(model)
    entries = json.loads(path.read_text())
    entries.pop("manifest")
    change(entries)
    path.write_text(json.dumps({**entries, "manifest": _own_sum(entries)}))


def found(model: Path, verify: Callable[[Path], object] = verify_model) -> str:
    with pytest.raises(NetdslError) as caught:
        verify(model)
    assert len(caught.value.diagnostics) == 1
    return caught.value.diagnostics[0].code


def test_imported_files_stand_in_it(model: Path) -> None:
    """Named from the model's folder, those of the library left out; what has changed is named, what
    is gone is said.
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
    verify_if_any(model)  # a run asks of the model alone
    more.unlink()
    assert verify_model(model).notes == [
        "the text ../src/parts/more.net is not here, and was not looked at"
    ]


def test_a_manifest_of_before_imports(model: Path) -> None:
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
def test_a_model_that_is_described_otherwise(
    model: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """A sum that fits says nothing of what stands there:

    `verify` and `run` both say that it is no manifest.
    """
    forge(model, change)
    assert found(model) == "corrupt-manifest"
    assert found(model, verify_if_any) == "corrupt-manifest"


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
def test_a_text_that_is_described_otherwise(
    model: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    forge(model, change)
    assert found(model) == "corrupt-manifest"


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
def test_what_is_no_manifest(model: Path, text: str) -> None:
    manifest_path(model).write_text(text)
    assert found(model) == "corrupt-manifest"


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "no/such.net", "x\x1b[2J"])
def test_a_text_that_no_file_is_called(model: Path, name: str) -> None:
    forge(model, lambda e: e["source"].update(name=name))
    notes = verify_model(model).notes
    assert len(notes) == 1
    assert notes[0].isprintable()


@pytest.mark.parametrize("taken", ["m.onnx.manifest.json", "m.onnx"])
def test_no_model_without_its_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken: str
) -> None:
    """Where one of the two cannot be written, neither is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / taken).mkdir()
    assert run(["export", "lenet5", "-o", "m.onnx"]) == 1
    assert f"error[cannot-write]: {taken}: Is a directory" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [taken]
