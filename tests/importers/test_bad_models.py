"""Models that are wrong or made to do harm: one diagnostic for each command that reads models."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from netdsl.cli import run
from tests.support.markup import HOSTILE
from tests.support.onnx_models import model_of, saved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMANDS = {
    "check": ["check", "{}"],
    "draw": ["draw", "{}", "-o", "made.html"],
    "verify": ["verify", "{}"],
    "diff": ["diff", "{}", "right.onnx"],
    "bench": ["bench", "{}", "--batch", "1", "--rounds", "1"],
}
LARGE = 10**10  # bytes of a file without contents


def relu(x: str, y: str) -> onnx.NodeProto:
    """A node."""
    return helper.make_node("Relu", [x], [y])


def _bytes(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _model(model: onnx.ModelProto) -> Callable[[Path], object]:
    return lambda path: onnx.save(model, path)


def _sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(LARGE)


def _stored(location: str) -> Callable[[Path], object]:
    """A model whose weights are in another file."""
    node = helper.make_node("Add", ["x", "c"], ["y"])
    model = model_of([node], c=np.ones((3, 8, 8), np.float32))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return _model(model)


WHOLE = model_of([relu("x", "y")]).SerializeToString()
FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (_bytes(b""), "corrupt-model"),
    "truncated": (_bytes(WHOLE[: len(WHOLE) // 2]), "corrupt-model"),
    "zeros": (_bytes(bytes(5000)), "corrupt-model"),
    "text": (_bytes(b"net A { input x: 4 \n dense(3) }\n"), "corrupt-model"),
    "ten gigabytes": (_sparse, "model-too-large"),
    "cycle": (_model(model_of([relu("b", "a"), relu("a", "b"), relu("a", "y")])), "bad-model"),
    "new opset": (_model(model_of([relu("x", "y")], opset=999)), "bad-model"),
    "missing data": (_stored("none.bin"), "file-not-found"),
    "data outside": (_stored("../secret.bin"), "outside-data"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", FILES)
def test_one_diagnostic(
    name: str, command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command fails with the same one diagnostic, and writes nothing."""
    write, code = FILES[name]
    write(folder / "wrong.onnx")
    saved(model_of([relu("x", "y")]), folder / "right.onnx")
    before = sorted(folder.iterdir())
    assert run([word.format("wrong.onnx") for word in COMMANDS[command]]) == 1
    err = capsys.readouterr().err
    assert err.count("error[") == 1
    assert f"error[{code}]" in err
    assert before == sorted(folder.iterdir())


def test_a_text_with_the_name_of_a_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The advice tells what the file may be, in both directions."""
    (folder / "a.onnx").write_text("net A { input x: 4 \n dense(3) }\n", encoding="utf-8")
    assert run(["check", "a.onnx"]) == 1
    assert (
        "it is text: does it describe nets? then its name ends in .net" in capsys.readouterr().err
    )
    with zipfile.ZipFile(folder / "c.onnx", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    assert run(["import", "c.onnx", "-o", "c.net"]) == 1
    assert "as torch.save writes: torch.onnx.export writes a model" in capsys.readouterr().err
    saved(model_of([relu("x", "y")]), folder / "b.net")
    assert run(["check", "b.net"]) == 1
    assert "`b.net` is an ONNX model, not a .net text" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b]0;title\x07\u202e", *HOSTILE[::7], "<script>alert(1)</script>"]
)
def test_names_stay_text(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names in a model cannot control a terminal, and are no markup in a page."""
    nodes = [
        helper.make_node("Conv", [text, f"{text}.weight"], ["a"], name=text),
        helper.make_node("Hardmax", ["a"], [f"{text}y"], name=f"{text}2"),
    ]
    model = model_of(nodes, **{f"{text}.weight": np.ones((4, 3, 3, 3), np.float32)})
    model.graph.name = text
    model.graph.input[0].name, model.graph.output[0].name = text, f"{text}y"
    saved(model, folder / "named.onnx")
    for words in (
        ["check", "named.onnx"],
        ["draw", "named.onnx", "-o", "a.html"],
        ["diff", "named.onnx", "named.onnx", "-o", "b.html"],
        ["verify", "named.onnx"],
    ):
        assert run(words) == 0
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    for page in ("a.html", "b.html"):
        assert "<script>alert" not in (folder / page).read_text(encoding="utf-8")


def test_a_model_without_inputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A net has inputs, so such a model is none."""
    model = model_of([helper.make_node("RandomNormal", [], ["y"], shape=[1, 3])])
    del model.graph.input[:]
    saved(model, folder / "random.onnx")
    assert run(["check", "random.onnx"]) == 1
    assert "random.onnx has no inputs, and a net has some" in capsys.readouterr().err


def test_many_fields_are_skipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of a million fields of two bytes is refused by the parser, not read one by one."""
    (folder / "fields.onnx").write_bytes(b"\x08\x07" * 1_000_000)
    assert run(["check", "fields.onnx"]) == 1
    assert "error[corrupt-model]" in capsys.readouterr().err


def test_operators_that_nothing_knows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without shapes there is no table; the error says what is missing."""
    nodes = [helper.make_node("Magic", ["x"], ["a"], domain="own"), relu("a", "y")]
    model = model_of(nodes)
    model.opset_import.append(helper.make_opsetid("own", 1))
    saved(model, folder / "own.onnx")
    assert run(["check", "own.onnx"]) == 1
    err = capsys.readouterr().err
    assert err.count("error[") == 1
    assert "the shapes in own.onnx cannot be inferred, and onnxruntime cannot run it" in " ".join(
        err.split()
    )
