"""Merges a batch norm into the convolution or dense layer before it, as inference allows.

With s = scale / sqrt(var + eps), which are constants in inference, w' = w s and
b' = (b - mean) s + shift, for each output channel. The numbers are computed while the file is
written, a piece at a time. A folded tensor has a name of its own, so that nobody mistakes it for
the tensor of a checkpoint: `conv1.weight` becomes `conv1.weight/folded`.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.errors import NetdslError
from netdsl.weights.tensors import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import onnx

    from netdsl.ir.op import Param
    from netdsl.weights.fresh import Chunks

FOLDABLE = ("Conv", "ConvTranspose", "Gemm")


class Norm(NamedTuple):
    """The names of the tensors of a batch norm; `scale` and `shift` are empty if it has none."""

    scale: str
    shift: str
    mean: str
    var: str
    eps: float


class Stored(NamedTuple):
    """A tensor of the file, and the tensor `source` of the checkpoint that it comes from.

    With a `norm`, it is a folded weight, or a folded bias if `is_bias`. A bias has an empty
    `source` if the layer has no bias of its own.
    """

    param: Param
    source: str
    norm: Norm | None = None
    is_bias: bool = False
    # Above 0 for a transposed convolution, whose output channels are the second axis.
    groups: int = 0


def plain(params: Mapping[str, Param]) -> dict[str, Stored]:
    """Every tensor unchanged. Constants are not among them: the skeleton contains their numbers."""
    return {name: Stored(p, name) for name, p in params.items() if not p.is_constant}


def fold(
    nodes: list[onnx.NodeProto], params: Mapping[str, Param], outputs: set[str]
) -> dict[str, Stored]:
    """Fold each batch norm that is the only user of the result of a layer with weights.

    Changes the list of nodes; returns the tensors that the remaining nodes use.
    """
    makers = {name: node for node in nodes for name in node.output}
    uses = Counter(name for node in nodes for name in node.input)
    folding = _Folding(params)
    remaining = []
    for node in nodes:
        source = node.input[0] if node.op_type == "BatchNormalization" else ""
        maker = makers.get(source)
        is_private = uses[source] == 1 and source not in outputs
        if maker is not None and is_private and _is_foldable(maker, params):
            folding.fold(maker, node)
        else:
            remaining.append(node)
    nodes[:] = remaining
    names = dict.fromkeys(name for node in nodes for name in node.input)
    stored = plain(params) | folding.stored
    return {name: stored[name] for name in names if name in stored}


def _is_foldable(maker: onnx.NodeProto, params: Mapping[str, Param]) -> bool:
    return maker.op_type in FOLDABLE and all(name in params for name in maker.input[1:])


class _Folding:
    """The folded tensors of a graph. Layers that share weights and norms share the results."""

    def __init__(self, params: Mapping[str, Param]) -> None:
        self.stored: dict[str, Stored] = {}
        self._params = params
        self._names: dict[tuple[str, Norm, bool], str] = {}

    def fold(self, maker: onnx.NodeProto, node: onnx.NodeProto) -> None:
        """Give a layer the weights and the result of itself with a batch norm after it."""
        eps = next(a.f for a in node.attribute if a.name == "epsilon")
        scale, shift = (name if name in self._params else "" for name in node.input[1:3])
        norm = Norm(scale, shift, node.input[3], node.input[4], eps)
        weight, *biases = maker.input[1:]
        groups = 0
        if maker.op_type == "ConvTranspose":
            groups = next((a.i for a in maker.attribute if a.name == "group"), 1)
        maker.input[1:] = [
            self._weight(weight, norm, groups),
            self._bias(next(iter(biases), ""), weight, norm, groups),
        ]
        maker.output[0] = node.output[0]
        maker.metadata_props.add(key="netdsl.folded", value=node.name)

    def _weight(self, weight: str, norm: Norm, groups: int) -> str:
        stored = Stored(self._params[weight], weight, norm, groups=groups)
        return self._store((weight, norm, False), weight, stored)

    def _bias(self, bias: str, weight: str, norm: Norm, groups: int) -> str:
        param = self._params[norm.mean]._replace(init="zeros", values=())
        name = bias or weight.removesuffix("weight") + "bias"
        return self._store(
            (weight, norm, True), name, Stored(param, bias, norm, is_bias=True, groups=groups)
        )

    def _store(self, key: tuple[str, Norm, bool], name: str, stored: Stored) -> str:
        """The name of a folded tensor, which is stored once."""
        if key not in self._names:
            folded = f"{name}/folded"
            if folded in self.stored:
                folded += f"/{len(self.stored)}"
            self._names[key] = folded
            self.stored[folded] = stored
        return self._names[key]


# ---- the numbers


def stored_chunks(
    stored: Stored, params: Mapping[str, Param], chunks: Chunks
) -> Iterator[np.ndarray]:
    """The float32 numbers of a tensor of the file, piece by piece.

    `params` and `chunks` are those of the checkpoint.
    """
    if stored.norm is None:
        yield from chunks(stored.source, stored.param)
        return
    scale, shift = _numbers(stored.norm, params, chunks)
    name = stored.source or stored.norm.mean
    if stored.is_bias:
        bias = _whole(stored.source, params, chunks, missing=0)
        yield _finite(name, lambda: (bias * scale + shift).astype(np.float32), bias, scale, shift)
        return
    narrow, position = scale.astype(np.float32), 0
    for chunk in chunks(stored.source, stored.param):
        flat = chunk.reshape(-1)
        factors = _factors(narrow, stored, position, flat.size)
        yield _finite(name, partial(np.multiply, flat, factors), flat, factors)
        position += flat.size


def _numbers(
    norm: Norm, params: Mapping[str, Param], chunks: Chunks
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift for each channel."""
    mean, var = (_whole(name, params, chunks) for name in (norm.mean, norm.var))
    gain = _whole(norm.scale, params, chunks, missing=1)
    shift = _whole(norm.shift, params, chunks, missing=0)
    scale = _finite(norm.var, lambda: 1 / np.sqrt(var + norm.eps) * gain, var, gain)
    return scale, _finite(norm.var, lambda: shift - mean * scale, shift, mean, scale)


def _finite(name: str, product: Callable[[], np.ndarray], *factors: np.ndarray) -> np.ndarray:
    """The product; raises `NetdslError` if finite factors give one beyond float32."""
    with np.errstate(all="ignore"):
        numbers = product()
        is_finite = np.isfinite(numbers.astype(np.float32, copy=False)).all()
    if not is_finite and all(np.isfinite(factor).all() for factor in factors):
        raise NetdslError(
            "weights-overflow",
            f"`{name}` goes beyond {LARGEST:g}, the largest float32, when its batch norm is folded",
            help=(
                "export without folding (`--no-fold`, in Python `fold=False`); the variances of the"
                " batch norm may be close to 0"
            ),
        )
    return numbers


def _whole(
    name: str, params: Mapping[str, Param], chunks: Chunks, missing: float = 0
) -> np.ndarray:
    """A tensor of one axis in double precision; the number `missing` if it has no name."""
    if not name:
        return np.full(1, missing, np.float64)
    pieces = chunks(name, params[name])
    return np.concatenate([np.asarray(piece, np.float64).reshape(-1) for piece in pieces])


def _factors(scale: np.ndarray, stored: Stored, start: int, count: int) -> np.ndarray:
    """The scale of each of `count` elements of a weight, beginning at position `start`."""
    shape = stored.param.shape
    if stored.groups:
        inner, channels = prod(shape[2:]), shape[1]
        index = np.arange(start, start + count)
        row, column = index // (inner * channels), index // inner % channels
        factors: np.ndarray = scale[row // (shape[0] // stored.groups) * channels + column]
        return factors
    inner = prod(shape[1:])
    first, last = start // inner, (start + count - 1) // inner
    return np.repeat(scale[first : last + 1], inner)[start - first * inner :][:count]
