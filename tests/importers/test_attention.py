"""The pattern of attention: one fault in it, and it is not recognised, or the proof fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

AXES = 4  # of the queries, keys and values; a change of a weight's axes gives other weights
TEXT = "net Small {\n    input words: 4x8\n    output y: attention(2)\n}\n"  # heads of 4x4


@pytest.fixture
def exported(folder: Path) -> onnx.ModelProto:
    """The operators of attention, as netdsl exports it."""
    (folder / "small.net").write_text(TEXT, encoding="utf-8")
    assert run(["export", "small.net", "-o", "small.onnx", "-q"]) == 0
    return onnx.load("small.onnx")


def computed(path: str) -> np.ndarray:
    """What a model gives for the same random words."""
    session = onnxruntime.InferenceSession(path)
    words = np.random.default_rng(0).standard_normal((2, 4, 8), np.float32)
    result: np.ndarray = session.run(None, {session.get_inputs()[0].name: words})[0]
    return result


def imported() -> str | None:
    """The text of the import of `m.onnx`, or None; its values must be those of the model."""
    if run(["import", "m.onnx", "-o", "m.net", "--weights", "m.safetensors", "-q"]) != 0:
        return None
    assert run(["export", "m.net", "-o", "n.onnx", "--weights", "m.safetensors", "-q"]) == 0
    assert np.allclose(computed("m.onnx"), computed("n.onnx"), atol=1e-5)
    with open("m.net", encoding="utf-8") as file:
        return file.read()


def faults(model: onnx.ModelProto) -> list[tuple[str, onnx.ModelProto]]:
    """Copies of a model with one change each: axes, factors, operands and weights."""
    found = []
    for i, node in enumerate(model.graph.node):
        for j, attribute in enumerate(node.attribute):
            if attribute.name == "axis" or len(attribute.ints) == AXES:
                other = onnx.ModelProto()
                other.CopyFrom(model)
                changed = other.graph.node[i].attribute[j]
                if attribute.name == "axis":
                    changed.i = 2
                else:
                    ints = list(attribute.ints)
                    changed.ints[:] = [*ints[:-2], ints[-1], ints[-2]]
                found.append((f"{node.op_type}.{attribute.name} {i}", other))
        if node.op_type == "MatMul":
            other = onnx.ModelProto()
            other.CopyFrom(model)
            other.graph.node[i].input[:] = list(reversed(node.input))
            found.append((f"operands {i}", other))
    for i, tensor in enumerate(model.graph.initializer):
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.size == 1:
            other = onnx.ModelProto()
            other.CopyFrom(model)
            other.graph.initializer[i].CopyFrom(numpy_helper.from_array(array * 2, tensor.name))
            found.append((f"factor {tensor.name}", other))
    return found


def test_single_faults(exported: onnx.ModelProto, capsys: pytest.CaptureFixture[str]) -> None:
    """The model itself becomes `attention(2)`; with a fault, the text has other layers, or none.

    Every text has the values of its model.
    """
    onnx.save(exported, "m.onnx")
    text = imported()
    assert text is not None
    assert "attention(2)" in text
    kinds = set()
    for name, model in faults(exported):
        onnx.save(model, "m.onnx")
        onnx.checker.check_model("m.onnx")
        text = imported()
        assert text is None or "attention(2)" not in text, name
        kinds.add(name.partition(" ")[0])
    assert {"Transpose.perm", "Softmax.axis", "operands", "factor"} <= kinds
    assert "internal-error" not in capsys.readouterr().err
