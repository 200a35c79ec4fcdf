"""Compares an exported ONNX model with the PyTorch module that has the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import onnxruntime
import torch

from netdsl.analysis.sizes import two_settings
from netdsl.backends.onnx.write import check_file
from netdsl.backends.torch.module import lower, set_weights
from netdsl.backends.torch.steps import as_list
from netdsl.errors import NetdslError
from netdsl.ir.rounding import TINY
from netdsl.process.memory import is_out_of_memory
from netdsl.runtime.quiet import quiet_options
from netdsl.verify.numbers import inputs_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from netdsl.backends.onnx.form import Form, Pixels
    from netdsl.ir.graph import Graph

    Arrays = dict[str, np.ndarray]

BATCH = 2
CLOSE = {"float32": 1e-3, "float16": 5e-2}  # how far outputs may differ, relative to the largest
ADVICE = "run `netdsl verify` to find the first layer that differs"
OVERFLOW = "no float16 is above 65,504: export as float32, or with --bf16 in place of --fp16"
T = TypeVar("T")


def compare_with_torch(path: Path, graph: Graph, state: Mapping[str, object], form: Form) -> float:
    """Compare the outputs of a model in onnxruntime with those of the module in PyTorch.

    Both get the same random inputs, at a size for which the net is valid. The model must also pass
    ONNX's full check. `state` has the weights from which the model was made.

    Returns the largest difference, as a share of the largest output. Raises `NetdslError` if it is
    too large, or if a back end fails.
    """
    tensors = inputs_for(graph, form.batch or BATCH, two_settings(graph)[0], 0)
    inputs = {v.name: tensors[id(v)].numpy() for v in graph.inputs}
    fed = dict(inputs)
    if form.pixels is not None:
        first = graph.inputs[0].name
        fed[first], inputs[first] = _picture(inputs[first], form.pixels)
    theirs = _tried(f"PyTorch fails on {graph.name}", lambda: _in_torch(graph, state, inputs))
    _tried(f"ONNX's full check rejects {path}", lambda: check_file(path))
    ours = _tried(f"onnxruntime fails on {path}", lambda: _in_onnxruntime(path, fed))
    if not (_is_finite(ours) or _is_finite(theirs)):
        raise NetdslError(
            "not-finite",
            f"PyTorch and onnxruntime cannot be compared on {path}: both give numbers that are not"
            " finite",
            help="check the weights for infinities and NaNs, or leave out --verify",
        )
    # If one of them has a NaN, this is NaN too.
    worst = float(np.max([_difference(a, b) for a, b in zip(ours, theirs, strict=True)]))
    if not worst <= CLOSE[form.dtype]:
        advice = ADVICE
        if form.dtype == "float16" and not _is_finite(ours):
            advice = OVERFLOW
        raise NetdslError(
            "back-ends-differ",
            f"onnxruntime and PyTorch differ on {path} by {worst:.1e} of the largest output",
            help=advice,
        )
    return worst


def _tried(failure: str, action: Callable[[], T]) -> T:
    """The result of the action. `failure` begins the message if it fails."""
    try:
        return action()
    except Exception as error:  # PyTorch, onnx and onnxruntime have many classes of exceptions
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:300]
        raise NetdslError("back-ends-differ", f"{failure}: {reason}", help=ADVICE) from None


def _in_onnxruntime(path: Path, inputs: Arrays) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        str(path), quiet_options(), providers=["CPUExecutionProvider"]
    )
    fed = {v.name: inputs[v.name] for v in session.get_inputs()}
    for value in session.get_inputs():
        if "float16" in value.type:
            fed[value.name] = fed[value.name].astype(np.float16)
    outputs: list[np.ndarray] = session.run(None, fed)
    return outputs


def _in_torch(graph: Graph, state: Mapping[str, object], inputs: Arrays) -> list[np.ndarray]:
    module = lower(graph).eval()
    set_weights(module, state, allow_nonfinite=True)
    with torch.inference_mode():
        outputs = as_list(module(*(torch.from_numpy(a) for a in inputs.values())))
    return [t.numpy() for t in outputs]


def _picture(like: np.ndarray, pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """Random pictures as bytes (N x H x W x C), and normalised as the net's input (N x C x H x W).

    `like` is an input of the net, whose shape the pictures have.
    """
    shape = (len(like), *like.shape[2:], like.shape[1])
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    mean = np.array(pixels.mean or (0.0,), dtype=np.float32)
    std = np.array(pixels.std or (1.0,), dtype=np.float32)
    normalised = (picture / np.float32(255) - mean) / std
    return picture, np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), dtype=np.float32)


def _is_finite(outputs: list[np.ndarray]) -> bool:
    return all(np.isfinite(o).all() for o in outputs)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, relative to the largest number in `b`.

    If that number is tiny, the difference is relative to the effect of underflow instead.
    """
    largest = max(float(np.abs(b).max()), TINY / CLOSE["float32"])
    return float(np.abs(a.astype(np.float32) - b).max() / largest)
