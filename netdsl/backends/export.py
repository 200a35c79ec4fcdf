"""Graph to an ONNX file: skeleton, weights, metadata in one call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx import model_of, skeleton
from netdsl.backends.onnx_file import fresh_weights, write_model
from netdsl.backends.weights import chunks_of
from netdsl.ops.args import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from netdsl.backends.form import Form
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph

KEPT = ("mean", "std", "classes", "dataset")


def export_onnx(
    graph: Graph, path: str | Path, weights: Mapping[str, Any] | None = None, form: Form | None = None, *, seed: int = 0, metadata: Mapping[str, str] | None = None
) -> dict[Path, str]:
    """Write a graph with a state dict's weights, or fresh ones; returns the files made with their SHA-256 sums.

    Raises `CompileError` for what ONNX cannot say and for weights that do not fit.
    """
    made = skeleton(graph, form, metadata=metadata)
    return write_model(made, Path(path), fresh_weights(seed) if weights is None else chunks_of(made.params, weights))


def model_in_memory(
    graph: Graph, weights: Mapping[str, Any] | None = None, form: Form | None = None, *, seed: int = 0, metadata: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """The same without a file."""
    made = skeleton(graph, form, metadata=metadata)
    return model_of(made, fresh_weights(seed) if weights is None else chunks_of(made.params, weights))


def metadata_of(compiled: Compiled, beside: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a model says of itself: the parameters of its net, its counts, and of what stood beside the weights what a run needs."""
    totals = compiled.costs.totals()
    made = {
        "netdsl.parameters": json.dumps({name: show(value) for name, value in compiled.graph.arguments.items()}),
        "netdsl.params": str(totals.params),
        "netdsl.macs": str(totals.macs),
    }
    return made | {f"netdsl.{key}": beside[key] for key in KEPT if beside and key in beside}
