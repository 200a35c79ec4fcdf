"""The numbers of the tensors of a model, with batch norms folded into them as `fold` says.

They are computed while the file is written, a piece at a time.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from netdsl.errors import NetdslError
from netdsl.weights.tensors import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from netdsl.backends.onnx.fold import Norm, Stored
    from netdsl.ir.op import Param
    from netdsl.weights.fresh import Chunks


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
