"""Holds a written ONNX model against the PyTorch lowering with the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch

from netdsl.backends.onnx import check_file
from netdsl.backends.torch import lower

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.ir.graph import Graph
    from netdsl.ir.types import TensorType

OPEN_SIZE = 224


class Comparison(NamedTuple):
    """Whether the two agree, and a line that says how closely."""

    good: bool
    text: str


def compare_with_torch(path: Path, graph: Graph, *, half: bool = False) -> Comparison:
    """Run ONNX's full check, then the model in onnxruntime and the module in PyTorch on the same random inputs (batch 2).

    Agreement is 1e-3 of the largest output in float32, 5e-2 in float16.
    """
    check_file(path)
    model = onnx.load(path)
    state = {t.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(t, str(path.parent)), dtype=np.float32)) for t in model.graph.initializer if "constant/" not in t.name}
    module = lower(graph).eval()
    module.load_state_dict(state, strict=False)
    stream = np.random.default_rng(0)
    inputs = {v.name: _sample(v.type, stream) for v in graph.inputs}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    fed = {n: a.astype(np.float16) if half and a.dtype == np.float32 else a for n, a in inputs.items()}
    ours = session.run(None, fed)
    with torch.inference_mode():
        theirs = module(*(torch.from_numpy(a) for a in inputs.values()))
    theirs = theirs if isinstance(theirs, tuple) else (theirs,)
    worst = max(_difference(a, b.numpy()) for a, b in zip(ours, theirs, strict=True))
    good = worst <= (5e-2 if half else 1e-3)
    return Comparison(good, f"ONNX's full check passed; onnxruntime and PyTorch {'agree' if good else 'DIFFER'}: largest difference {worst:.1e} of the largest output")


def _sample(type_: TensorType, stream: np.random.Generator) -> np.ndarray:
    shape = (2, *(d if isinstance(d, int) else OPEN_SIZE for d in type_.shape))
    if type_.dtype.startswith("int"):
        return np.zeros(shape, dtype=type_.dtype)
    return stream.standard_normal(shape, dtype=np.float32)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float32) - b).max() / max(1e-12, float(np.abs(b).max())))
