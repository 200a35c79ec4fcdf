"""Holds a written ONNX model against the PyTorch lowering with the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch

from netdsl.backends.onnx import check_file
from netdsl.backends.torch import lower

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.backends.form import Pixels
    from netdsl.ir.graph import Graph
    from netdsl.ir.types import TensorType

OPEN_SIZE = 224


class Comparison(NamedTuple):
    """Whether the two agree, and a line that says how closely."""

    good: bool
    text: str


def compare_with_torch(path: Path, graph: Graph, state: Mapping[str, Any] | None = None, pixels: Pixels | None = None) -> Comparison:
    """Run ONNX's full check, then the model in onnxruntime and the module in PyTorch on the same random inputs (batch 2).

    `state` is what the model was made from; without it the module takes the model's own tensors, which must not be folded then.
    Agreement is 1e-3 of the largest output in float32, 5e-2 where the weights are of half precision.
    """
    check_file(path)
    model = onnx.load(path, load_external_data=False)
    stored = [t for t in model.graph.initializer if "constant/" not in t.name]
    if state is None:
        state = {t.name: np.array(onnx.numpy_helper.to_array(t, str(path.parent)), dtype=np.float32) for t in stored}
    module = lower(graph).eval()
    module.load_state_dict({n: torch.from_numpy(np.array(a, dtype=np.float32)) for n, a in state.items()}, strict=False)
    stream = np.random.default_rng(0)
    inputs = {v.name: _sample(v.type, stream) for v in graph.inputs}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    fed: dict[str, Any] = {v.name: inputs[v.name].astype(np.float16 if "float16" in v.type else inputs[v.name].dtype) for v in session.get_inputs()}
    if pixels is not None:
        first = graph.inputs[0].name
        fed[first], inputs[first] = _picture(inputs[first], stream, pixels)
    ours = session.run(None, fed)
    with torch.inference_mode():
        theirs = module(*(torch.from_numpy(a) for a in inputs.values()))
    theirs = theirs if isinstance(theirs, tuple) else (theirs,)
    worst = max(_difference(a, b.numpy()) for a, b in zip(ours, theirs, strict=True))
    good = worst <= (5e-2 if any(t.data_type == onnx.TensorProto.FLOAT16 for t in stored) else 1e-3)
    return Comparison(good, f"ONNX's full check passed; onnxruntime and PyTorch {'agree' if good else 'DIFFER'}: largest difference {worst:.1e} of the largest output")


def _picture(like: np.ndarray, stream: np.random.Generator, pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """A picture as bytes, and as the net takes it."""
    picture = stream.integers(0, 256, (len(like), *like.shape[2:], like.shape[1]), dtype=np.uint8)
    mean, std = (np.array(v or (d,), dtype=np.float32) for v, d in ((pixels.mean, 0.0), (pixels.std, 1.0)))
    return picture, np.ascontiguousarray(((picture / np.float32(255) - mean) / std).transpose(0, 3, 1, 2), dtype=np.float32)


def _sample(type_: TensorType, stream: np.random.Generator) -> np.ndarray:
    shape = (2, *(d if isinstance(d, int) else OPEN_SIZE for d in type_.shape))
    if type_.dtype.startswith("int"):
        return np.zeros(shape, dtype=type_.dtype)
    return stream.standard_normal(shape, dtype=np.float32)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float32) - b).max() / max(1e-12, float(np.abs(b).max())))
