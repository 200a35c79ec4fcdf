"""Graph to an ONNX file: skeleton, weights, metadata in one call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.backends.onnx import OPSET, skeleton
from netdsl.backends.onnx_file import fresh_weights, write_model
from netdsl.backends.weights import picked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netdsl.ir.graph import Graph
    from netdsl.ops.base import Param


def export_onnx(
    graph: Graph,
    path: str | Path,
    weights: Mapping[str, Any] | None = None,
    *,
    opset: int | None = None,
    seed: int = 0,
    half: bool = False,
    metadata: dict[str, str] | None = None,
) -> list[Path]:
    """Write a graph with a state dict's weights, or fresh ones; returns the files made.

    `half` stores and computes in float16. Raises `OpError` for what ONNX cannot say and `Mismatch` for weights that do not fit.
    """
    made = skeleton(graph, opset=opset or OPSET, half=half, metadata=metadata)
    if weights is None:
        return write_model(made, Path(path), fresh_weights(seed))
    arrays = dict(picked(made.params, weights))

    def chunks(name: str, param: Param) -> Iterable[Any]:
        yield np.ascontiguousarray(arrays[name]).reshape(param.size)

    return write_model(made, Path(path), chunks)
