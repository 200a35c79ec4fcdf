"""Arrays of a Python program as the inputs of a net, and one run of the net on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.analysis.integers import accepted_integers
from netdsl.arrays import converted
from netdsl.backends.onnx.export import export_onnx
from netdsl.diagnostics import did_you_mean
from netdsl.files import scratch_folder
from netdsl.runtime.session import open_session
from netdsl.weights.tensors import array_of, is_tensor

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph, Value
    from netdsl.ir.types import TensorType

KINDS = {"b": "bools", "i": "integers", "u": "integers", "f": "floats"}


class Start(NamedTuple):
    """What a run needs besides its inputs: the weights, or else a seed for fresh ones."""

    weights: object
    seed: int
    device: str
    allow_nonfinite: bool


def run_graph(graph: Graph, feeds: Mapping[str, np.ndarray], start: Start) -> list[np.ndarray]:
    """The outputs of a net in onnxruntime; raises `NetdslError`. `feeds` are from `feeds_of`."""
    with scratch_folder() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(
            graph, path, start.weights, seed=start.seed, allow_nonfinite=start.allow_nonfinite
        )
        return open_session(path, start.device, graph.name).run(feeds)


def feeds_of(given: object, inputs: list[Value]) -> dict[str, np.ndarray]:
    """A batch for each input, from a dict of arrays or from the array of a single input.

    Raises `TypeError` and `ValueError` for arrays that do not fit.
    """
    names = [value.name for value in inputs]
    if not isinstance(given, Mapping):
        if len(inputs) != 1:
            listed = ", ".join(f'"{name}": ...' for name in names)
            raise ValueError(f"the net has {len(names)} inputs: give a dict, {{{listed}}}")
        given = {names[0]: given}
    for name in given:
        if name not in names:
            help_ = did_you_mean(str(name), names) or f"it has {', '.join(names)}"
            raise ValueError(f"the net has no input {name!r}; {help_}")
    missing = [name for name in names if name not in given]
    if missing:
        raise ValueError(f"there is no array for {' and '.join(missing)}")
    feeds = {value.name: _batch(value.name, given[value.name], value.type) for value in inputs}
    counts = {name: len(array) for name, array in feeds.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise ValueError(f"the inputs have different numbers of samples: {listed}")
    return feeds


def check_indices(graph: Graph, feeds: Mapping[str, np.ndarray]) -> None:
    """Raise `ValueError` for an index that is not below the number of vectors of its layer."""
    for value in graph.inputs:
        accepted, array = accepted_integers(graph, value), feeds[value.name]
        if accepted is None or (array.min() >= 0 and array.max() < accepted.extent):
            continue
        wrong = array.min() if array.min() < 0 else array.max()
        layer = f"`{accepted.node.op.kind}` takes indices from 0 to {accepted.extent - 1}"
        raise ValueError(f"{value.name} has the number {wrong}, but {layer}")


def _batch(name: str, given: object, type_: TensorType) -> np.ndarray:
    """An array as a batch of the type; a single sample gets a batch axis."""
    array = array_of(given) if is_tensor(given) else given
    if not isinstance(array, np.ndarray):
        wanted = "an array or a tensor"
        raise TypeError(f"{name} must be {wanted}, not {type(given).__name__}")
    if array.ndim == len(type_.shape):
        array = array[None]
    pairs = zip(array.shape[1:], type_.shape, strict=False)
    if array.ndim != len(type_.shape) + 1 or any(isinstance(b, int) and a != b for a, b in pairs):
        found = "x".join(map(str, array.shape)) or "a single number"
        raise ValueError(f"{name} must be {_described(type_)}, not {found}{_moved(array, type_)}")
    if not array.size:
        raise ValueError(f"{name} is empty: its shape is {'x'.join(map(str, array.shape))}")
    dtype = np.dtype(type_.dtype)
    if KINDS.get(array.dtype.kind) != KINDS[dtype.kind]:
        # The bytes of a picture would otherwise be used without the scaling of the training.
        raise TypeError(
            f"{name} must have numbers of {dtype}, not {array.dtype}: convert it with"
            f" `.astype('{dtype}')`, and scale it as in training"
        )
    return np.ascontiguousarray(converted(array, dtype, name))


def _moved(array: np.ndarray, type_: TensorType) -> str:
    """The advice to move the channels of an array that has them last, if it fits then."""
    rank = len(type_.shape)
    given = (array.shape[-1], *array.shape[1:-1])
    pairs = zip(given, type_.shape, strict=False)
    if rank < 2 or array.ndim != rank + 1 or any(isinstance(b, int) and a != b for a, b in pairs):
        return ""
    return f"; if its channels come last, write `numpy.moveaxis(array, -1, -{rank})`"


def _described(type_: TensorType) -> str:
    return f"N x {' x '.join(map(str, type_.shape))}" if type_.shape else "N numbers"
