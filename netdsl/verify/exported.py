"""Holds a written ONNX model against the PyTorch lowering with the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import onnxruntime
import torch

from netdsl.analysis.sizes import two_settings
from netdsl.backends.onnx.graph import check_file
from netdsl.backends.torch.module import lower
from netdsl.errors import NetdslError
from netdsl.ir.rounding import TINY
from netdsl.process.memory import is_out_of_memory
from netdsl.runtime.quiet import quiet_options
from netdsl.verify.numbers import inputs_for
from netdsl.weights.tensors import as_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from netdsl.backends.onnx.form import Form, Pixels
    from netdsl.ir.graph import Graph

BATCH = 2
CLOSE = {"float32": 1e-3, "float16": 5e-2}  # of the largest output
ADVICE = "`netdsl verify` finds the first layer that differs"
T = TypeVar("T")


def compare_with_torch(path: Path, graph: Graph, state: Mapping[str, Any], form: Form) -> float:
    """Run ONNX's full check, then the model in onnxruntime and the module in PyTorch on the same
    random inputs, at a size the net is valid for.

    `state` is what the model was made from. Returns the largest difference as a share of the
    largest output; raises `NetdslError` where that is too large, or a back end fails.
    """
    made = inputs_for(graph, BATCH, two_settings(graph)[0], 0)
    inputs = {v.name: made[id(v)].numpy() for v in graph.inputs}
    fed = dict(inputs)
    if form.pixels is not None:
        first = graph.inputs[0].name
        fed[first], inputs[first] = _picture(inputs[first], form.pixels)
    theirs = _tried(f"PyTorch fails on {graph.name}", lambda: _in_torch(graph, state, inputs))
    _tried(f"ONNX's full check refuses {path}", lambda: check_file(path))
    ours = _tried(f"onnxruntime fails on {path}", lambda: _in_onnxruntime(path, fed))
    if not (_is_finite(ours) or _is_finite(theirs)):
        raise NetdslError(
            "not-finite",
            f"PyTorch and onnxruntime cannot be compared on {path}: both give numbers that are not"
            " finite",
            help="look at the weights, or leave out --verify",
        )
    # Not a number where one of them is none.
    worst = float(np.max([_difference(a, b) for a, b in zip(ours, theirs, strict=True)]))
    if not worst <= CLOSE[form.dtype]:
        raise NetdslError(
            "back-ends-differ",
            f"onnxruntime and PyTorch differ on {path} by {worst:.1e} of the largest output",
            help=ADVICE,
        )
    return worst


def _tried(what: str, action: Callable[[], T]) -> T:
    try:
        return action()
    except Exception as error:  # PyTorch, onnx and onnxruntime have a class for each failure
        if is_out_of_memory(error):
            raise
        raise NetdslError(
            "back-ends-differ", f"{what}: {' '.join(str(error).split())[:300]}", help=ADVICE
        ) from None


def _in_onnxruntime(path: Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        str(path), quiet_options(), providers=["CPUExecutionProvider"]
    )
    fed = {
        v.name: inputs[v.name].astype(np.float16) if "float16" in v.type else inputs[v.name]
        for v in session.get_inputs()
    }
    outputs: list[np.ndarray] = session.run(None, fed)
    return outputs


def _in_torch(
    graph: Graph, state: Mapping[str, Any], inputs: dict[str, np.ndarray]
) -> list[np.ndarray]:
    module = lower(graph).eval()
    numbers = {n: as_float32(n, np.asarray(a), allow_nonfinite=True) for n, a in state.items()}
    module.load_state_dict(
        {n: torch.from_numpy(np.array(a)) for n, a in numbers.items()}, strict=False
    )
    with torch.inference_mode():
        made = module(*(torch.from_numpy(a) for a in inputs.values()))
    return [t.numpy() for t in (made if isinstance(made, tuple) else (made,))]


def _picture(like: np.ndarray, pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """A picture as bytes, and as the net takes it."""
    picture = np.random.default_rng(0).integers(
        0, 256, (len(like), *like.shape[2:], like.shape[1]), dtype=np.uint8
    )
    mean, std = (
        np.array(v or (d,), dtype=np.float32) for v, d in ((pixels.mean, 0.0), (pixels.std, 1.0))
    )
    return picture, np.ascontiguousarray(
        ((picture / np.float32(255) - mean) / std).transpose(0, 3, 1, 2), dtype=np.float32
    )


def _is_finite(outputs: list[np.ndarray]) -> bool:
    return all(np.isfinite(o).all() for o in outputs)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, relative to the largest number or to the effect of underflow."""
    largest = max(float(np.abs(b).max()), TINY / CLOSE["float32"])
    return float(np.abs(a.astype(np.float32) - b).max() / largest)
