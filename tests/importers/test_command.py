"""The command `netdsl import`: its files, its proof, and `--partial`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import helper

from netdsl.cli import run
from netdsl.importers.flat import FlatLayer

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.importers.onnx.foreign import Foreign, ForeignNode


@pytest.fixture
def model(folder: Path) -> Path:
    """The export of a small net, in the current folder."""
    text = (
        "net Small {\n    input image: 3x16x16\n    stem: conv(8, 3, pad = 1)\n    residual {"
        " conv(8, 3, pad = 1) -> relu }\n    gap -> flatten\n    output logits: dense(5)\n}\n"
    )
    (folder / "small.net").write_text(text, encoding="utf-8")
    assert run(["export", "small.net", "-o", "small.onnx", "-q"]) == 0
    return folder / "small.onnx"


def test_text_and_weights(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text and the weights verify together, and export to a model with the same numbers."""
    assert run(["import", str(model), "-o", "again.net", "--weights", "again.safetensors"]) == 0
    out = capsys.readouterr().out
    assert "again.net: Small, 7 layers in " in out
    assert "proof: 7 layers agree with the original" in out
    assert run(["verify", "again.net", "--weights", "again.safetensors"]) == 0
    command = ["export", "again.net", "-o", "again.onnx", "--weights", "again.safetensors"]
    assert run(command) == 0
    tensors = [
        {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
        for path in ("small.onnx", "again.onnx")
    ]
    assert tensors[0].keys() == tensors[1].keys()
    assert all(np.array_equal(array, tensors[1][name]) for name, array in tensors[0].items())


def test_standard_output(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-o -` prints only the text."""
    assert run(["import", str(model), "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("# Imported from small.onnx.\nnet Small {")


@pytest.mark.parametrize(
    "arguments",
    [
        ["small.net", "-o", "a.net"],
        ["small.onnx", "-o", "a.txt"],
        ["small.onnx", "-o", "a.net", "--weights", "a.pt"],
        ["small.onnx", "-o", "a.net", "--from-weights", "a.weights"],
        ["a.cfg", "-o", "a.net", "--weights", "a.safetensors"],
        ["a.prototxt", "-o", "a.net", "--weights", "a.safetensors"],
    ],
)
def test_wrong_names(arguments: list[str], model: Path, folder: Path) -> None:
    """Wrong suffixes are wrong usage, before anything is read or written."""
    before = sorted(folder.iterdir())
    assert run(["import", *arguments]) == 2
    assert before == sorted(folder.iterdir())


def test_other_files(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that import does not read has advice about what does."""
    for file, advice in (
        ("a.caffemodel", "reads the net that belongs to it"),
        ("a.pt", "--weights a.pt"),
        ("a.h5", 'model.export("model.onnx"'),
        ("a.pb", "tf2onnx"),
        ("a.bin", "found `a.bin`"),
    ):
        assert run(["import", file, "-o", "-"]) == 2
        assert advice in capsys.readouterr().err


def test_a_wrong_rule_is_found(
    model: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If a layer is not what its node computes, the node is named and nothing is written."""

    def wrong(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
        return [FlatLayer("relu6", node.output, [node.input(0)], node)]

    rules = {**_rules(), "Relu": wrong}
    monkeypatch.setattr("netdsl.importers.rules.translate.RULES", rules)
    onnx.save(_scaled(onnx.load(model)), model)
    assert run(["import", str(model), "-o", "again.net"]) == 1
    error = capsys.readouterr().err
    assert "error[values-differ]: the node " in error
    assert "(Relu) of the original and the layer `" in error
    assert not (folder / "again.net").exists()


def _rules() -> dict[str, object]:
    from netdsl.importers.rules.translate import RULES

    return dict(RULES)


def _scaled(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with biases of 10, so that `relu` and `relu6` differ."""
    for tensor in model.graph.initializer:
        if tensor.name.endswith("bias"):
            array = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array + 10, tensor.name))
    return model


def test_partial(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--partial` writes the layers that can be imported, with a comment in the place of others."""
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, 8, 8])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Hardmax", ["a"], ["b"], name="choice"),
        helper.make_node("Sigmoid", ["b"], ["c"]),
        helper.make_node("Tanh", ["a"], ["d"]),
        helper.make_node("Add", ["c", "d"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "part", [x], [y])
    opsets = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), "part.onnx")
    assert run(["import", "part.onnx", "-o", "part.net"]) == 1
    assert not (folder / "part.net").exists()
    assert run(["import", "part.onnx", "-o", "part.net", "--partial"]) == 0
    text = (folder / "part.net").read_text(encoding="utf-8")
    note = "# not imported: `choice` (Hardmax), because the language has no such operator"
    assert ["relu", note, "output part1: tanh"] == [line.strip() for line in text.splitlines()[4:7]]
    assert run(["check", "part.net"]) == 0
    capsys.readouterr()
