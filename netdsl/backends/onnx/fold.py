"""Batch norm folded into the convolution or dense layer before it, as inference allows.

With s = scale / sqrt(var + eps), which are known numbers then: w' = w s and b' = (b - mean) s +
shift, for each output channel. The numbers are made while the file is written, a piece at a time.
What is folded has a name of its own, so that nobody takes it for the tensor of a checkpoint:
`conv1.weight` becomes `conv1.weight/folded`.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netdsl.errors import NetdslError
from netdsl.weights.tensors import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import onnx

    from netdsl.ir.op import Param

FOLDABLE = ("Conv", "ConvTranspose", "Gemm")


class Norm(NamedTuple):
    """The tensors of a batch norm; scale and shift are empty names where it has none."""

    scale: str
    shift: str
    mean: str
    var: str
    eps: float


class Stored(NamedTuple):
    """A tensor of the file: one of the checkpoint as it is, or, with a `norm`, a weight or bias
    (`source`, where there is one) folded.
    """

    param: Param
    source: str
    norm: Norm | None = None
    is_bias: bool = False
    # above 0 where the output channels stand on the second axis, as in a transposed convolution
    groups: int = 0


def plain(params: Mapping[str, Param]) -> dict[str, Stored]:
    """Every tensor as it is."""
    return {name: Stored(param, name) for name, param in params.items()}


def fold(
    nodes: list[onnx.NodeProto], params: Mapping[str, Param], outputs: set[str]
) -> dict[str, Stored]:
    """Fold each batch norm of the list that alone takes the result of a layer with weights; returns
    the tensors of what is left.
    """
    makers = {name: node for node in nodes for name in node.output}
    uses = Counter(name for node in nodes for name in node.input)
    made: dict[tuple[str, Norm, bool], str] = {}
    stored: dict[str, Stored] = {}
    gone = set()
    for i, node in enumerate(nodes):
        maker = makers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if (
            maker is None
            or uses[node.input[0]] > 1
            or node.input[0] in outputs
            or not _foldable(maker, params)
        ):
            continue
        _fold_one(maker, node, params, made, stored)
        gone.add(i)
    nodes[:] = [node for i, node in enumerate(nodes) if i not in gone]
    used = dict.fromkeys(
        name for node in nodes for name in node.input if name in stored or name in params
    )
    return {name: stored.get(name) or Stored(params[name], name) for name in used}


def _foldable(maker: onnx.NodeProto, params: Mapping[str, Param]) -> bool:
    return maker.op_type in FOLDABLE and all(name in params for name in maker.input[1:])


def _fold_one(
    maker: onnx.NodeProto,
    node: onnx.NodeProto,
    params: Mapping[str, Param],
    made: dict[tuple[str, Norm, bool], str],
    stored: dict[str, Stored],
) -> None:
    eps = next(a.f for a in node.attribute if a.name == "epsilon")
    scale, shift = (name if name in params else "" for name in node.input[1:3])
    norm = Norm(scale, shift, node.input[3], node.input[4], eps)
    weight, bias = maker.input[1], maker.input[2] if len(maker.input) > 2 else ""
    groups = (
        next((a.i for a in maker.attribute if a.name == "group"), 1)
        if maker.op_type == "ConvTranspose"
        else 0
    )
    names = []
    for source, is_bias in ((weight, False), (bias, True)):
        key = (weight, norm, is_bias)
        if key not in made:
            wanted = f"{source or weight.removesuffix('weight') + 'bias'}/folded"
            made[key] = wanted if wanted not in stored else f"{wanted}/{len(stored)}"
            param = (
                params[norm.mean]._replace(init="zeros", values=()) if is_bias else params[weight]
            )
            stored[made[key]] = Stored(param, source, norm, is_bias, groups)
        names.append(made[key])
    maker.input[1:] = names
    maker.output[0] = node.output[0]
    maker.metadata_props.add(key="netdsl.folded", value=node.name)


# ---- the numbers


def stored_chunks(
    stored: Stored, params: Mapping[str, Param], chunks: Callable[[str, Param], Iterable[Any]]
) -> Iterator[Any]:
    """The float32 numbers of a tensor of the file, piece by piece, from those of the checkpoint."""
    if stored.norm is None:
        yield from chunks(stored.source, stored.param)
        return
    scale, shift = _numbers(stored.norm, params, chunks)
    name = stored.source or stored.norm.mean
    if stored.is_bias:
        bias = _whole(stored.source, params, chunks) if stored.source else np.zeros(1)
        yield _finite(name, lambda: (bias * scale + shift).astype(np.float32), bias, scale, shift)
        return
    narrow, at = scale.astype(np.float32), 0
    for chunk in chunks(stored.source, stored.param):
        flat = chunk.reshape(-1)
        factors = _factors(narrow, stored.param.shape, stored.groups, at, flat.size)
        yield _finite(name, partial(np.multiply, flat, factors), flat, factors)
        at += flat.size


def _numbers(
    norm: Norm, params: Mapping[str, Param], chunks: Callable[[str, Param], Iterable[Any]]
) -> tuple[Any, Any]:
    """Scale and shift for each channel."""
    mean, var = (_whole(name, params, chunks) for name in (norm.mean, norm.var))
    gain = _whole(norm.scale, params, chunks) if norm.scale else np.ones(1)
    shift = _whole(norm.shift, params, chunks) if norm.shift else np.zeros(1)
    scale = _finite(norm.var, lambda: 1 / np.sqrt(var + norm.eps) * gain, var, gain)
    return scale, _finite(norm.var, lambda: shift - mean * scale, shift, mean, scale)


def _finite(name: str, product: Callable[[], Any], *factors: Any) -> Any:
    """Multiply; raises `NetdslError` if finite factors give a product beyond float32."""
    with np.errstate(all="ignore"):
        made = product()
        small = np.isfinite(made.astype(np.float32, copy=False)).all()
    if not small and all(np.isfinite(f).all() for f in factors):
        raise NetdslError(
            "weights-overflow",
            f"`{name}` goes beyond {LARGEST:g}, the largest float32, when its batch norm is folded",
            help=(
                "export without folding (`--no-fold`, in Python `fold=False`); the variances of the"
                " batch norm may be close to 0"
            ),
        )
    return made


def _whole(
    name: str, params: Mapping[str, Param], chunks: Callable[[str, Param], Iterable[Any]]
) -> Any:
    return np.concatenate(
        [np.asarray(c, dtype=np.float64).reshape(-1) for c in chunks(name, params[name])]
    )


def _factors(scale: Any, shape: tuple[int, ...], groups: int, at: int, n: int) -> Any:
    """The scale of each of `n` elements of a weight from position `at` on."""
    if groups:
        inner, per = prod(shape[2:]), shape[1]
        index = np.arange(at, at + n)
        row, column = index // (inner * per), index // inner % per
        return scale[row // (shape[0] // groups) * per + column]
    inner = prod(shape[1:])
    first, last = at // inner, (at + n - 1) // inner
    return np.repeat(scale[first : last + 1], inner)[at - first * inner :][:n]
