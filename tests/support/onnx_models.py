"""ONNX models of a few nodes, for tests of what reads models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


def model_of(
    nodes: list[onnx.NodeProto],
    sizes: list[int | str] | None = None,
    opset: int = 20,
    element: int = TensorProto.FLOAT,
    **constants: np.ndarray,
) -> onnx.ModelProto:
    """A model from `x` to `y`, by default of batches of 3x8x8 pictures."""
    x = helper.make_tensor_value_info("x", element, sizes or ["N", 3, 8, 8])
    y = helper.make_tensor_value_info("y", element, None)
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def saved(model: onnx.ModelProto, path: Path) -> str:
    """Save a model; returns its path, which is only a name if it is in the current folder."""
    onnx.save(model, path)
    if path.parent == path.cwd():
        return path.name
    return str(path)
