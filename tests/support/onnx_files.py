"""Small ONNX models, written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper


def write(
    path: Path,
    nodes: list[onnx.NodeProto],
    *,
    batch: int | str = "N",
    opset: int = 20,
    shape: Any = ("N", 4),
    outputs: Any = None,
) -> Path:
    """Write a model with the input `x`, by default a batch of vectors of four numbers.

    The output is `y`, unless `outputs` are given. The constant `two` is [2].
    """
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape[1:]])]
    outputs = outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(
        nodes, "g", inputs, outputs, [helper.make_tensor("two", TensorProto.INT64, [1], [2])]
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10),
        path,
    )
    return path


def ones(batch: int, value: float = 1.0) -> dict[str, Any]:
    return {"x": np.full((batch, 4), value, np.float32)}


def operators(model: onnx.ModelProto) -> list[str]:
    return [n.op_type for n in model.graph.node]


def forward(path: str | Path, **inputs: np.ndarray) -> np.ndarray:
    """The first output of a model."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    output: np.ndarray = session.run(None, inputs)[0]
    return output
