"""Graph to an ONNX model: skeleton, weights and metadata in one call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from netdsl.backends.onnx.graph import skeleton
from netdsl.backends.onnx.write import fresh_weights, model_of, write_model
from netdsl.ops.args import show
from netdsl.weights.checkpoints import Fitting, fit, tensors_of, weights_of
from netdsl.weights.fresh import chunks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from netdsl.backends.onnx.form import Form
    from netdsl.backends.onnx.graph import Skeleton
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph
    from netdsl.weights.fresh import Chunks

KEPT = ("mean", "std", "classes", "dataset")  # metadata of weights that a run of a model needs


class Options(TypedDict, total=False):
    """What an export takes besides the graph, its weights and its form.

    - `seed` is the seed of fresh weights, by default 0.
    - `metadata` is written into the model.
    - `allow_nonfinite` accepts weights that are infinite or not a number.
    """

    seed: int
    metadata: Mapping[str, str] | None
    allow_nonfinite: bool


def export_onnx(
    graph: Graph,
    path: str | Path,
    weights: object = None,
    form: Form | None = None,
    **options: Unpack[Options],
) -> dict[Path, str]:
    """Write a graph with given or fresh weights; returns the new files and their SHA-256 sums.

    The weights are a state dict or the path of a file. Raises `NetdslError` for a graph that ONNX
    cannot represent and for weights that do not fit or are not finite.
    """
    model, chunks = _prepared(graph, weights, form, options)
    return write_model(model, Path(path), chunks)


def model_in_memory(
    graph: Graph, weights: object = None, form: Form | None = None, **options: Unpack[Options]
) -> onnx.ModelProto:
    """The model that `export_onnx` writes."""
    return model_of(*_prepared(graph, weights, form, options))


def _prepared(
    graph: Graph, weights: object, form: Form | None, options: Options
) -> tuple[Skeleton, Chunks]:
    model = skeleton(graph, form, metadata=options.get("metadata"))
    if weights is None:
        return model, fresh_weights(options.get("seed", 0))
    if not isinstance(weights, Fitting):
        weights = fit(tensors_of(graph), weights_of(weights), lazy=True)
    return model, chunks_of(weights, allow_nonfinite=options.get("allow_nonfinite", False))


def metadata_of(compiled: Compiled, beside: Mapping[str, str] | None = None) -> dict[str, str]:
    """The metadata of a model: the parameters of its net and its counts.

    `beside` is the metadata stored with the weights; the model keeps the part that a run needs.
    """
    totals = compiled.costs.totals()
    arguments = {name: show(value) for name, value in compiled.graph.arguments.items()}
    metadata = {
        "netdsl.parameters": json.dumps(arguments),
        "netdsl.params": str(totals.params),
        "netdsl.macs": str(totals.macs),
    }
    beside = beside or {}
    return metadata | {f"netdsl.{key}": beside[key] for key in KEPT if key in beside}
