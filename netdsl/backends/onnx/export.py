"""Graph to an ONNX file: skeleton, weights, metadata in one call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx.graph import skeleton
from netdsl.backends.onnx.write import fresh_weights, model_of, write_model
from netdsl.ops.args import show
from netdsl.weights.checkpoints import Fitting, fit, weights_of
from netdsl.weights.fresh import chunks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import onnx

    from netdsl.backends.onnx.form import Form
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph
    from netdsl.ir.op import Param

KEPT = ("mean", "std", "classes", "dataset")


def export_onnx(
    graph: Graph,
    path: str | Path,
    weights: object = None,
    form: Form | None = None,
    *,
    seed: int = 0,
    metadata: Mapping[str, str] | None = None,
    allow_nonfinite: bool = False,
) -> dict[Path, str]:
    """Write a graph with given or fresh weights; returns the files made and their SHA-256 sums.

    The weights are a state dict or the path of a file. Raises `NetdslError` for a graph that ONNX
    cannot represent and for weights that do not fit or are not finite.
    """
    made = skeleton(graph, form, metadata=metadata)
    chunks = _chunks(made.params, weights, seed, allow_nonfinite=allow_nonfinite)
    return write_model(made, Path(path), chunks)


def model_in_memory(
    graph: Graph,
    weights: object = None,
    form: Form | None = None,
    *,
    seed: int = 0,
    metadata: Mapping[str, str] | None = None,
    allow_nonfinite: bool = False,
) -> onnx.ModelProto:
    """The same without a file."""
    made = skeleton(graph, form, metadata=metadata)
    return model_of(made, _chunks(made.params, weights, seed, allow_nonfinite=allow_nonfinite))


def _chunks(
    params: Mapping[str, Param], weights: object, seed: int, *, allow_nonfinite: bool
) -> Callable[[str, Param], Iterable[Any]]:
    if weights is None:
        return fresh_weights(seed)
    state = weights if isinstance(weights, Fitting) else fit(params, weights_of(weights), lazy=True)
    return chunks_of(state, allow_nonfinite=allow_nonfinite)


def metadata_of(compiled: Compiled, beside: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a model says of itself: the parameters of its net, its counts, and of what stood beside
    the weights what a run needs.
    """
    totals = compiled.costs.totals()
    made = {
        "netdsl.parameters": json.dumps(
            {name: show(value) for name, value in compiled.graph.arguments.items()}
        ),
        "netdsl.params": str(totals.params),
        "netdsl.macs": str(totals.macs),
    }
    return made | {f"netdsl.{key}": beside[key] for key in KEPT if beside and key in beside}
