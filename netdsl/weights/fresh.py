"""The numbers of a net's weights: fresh ones from a seed, or those of a checkpoint."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.ops.init import bilinear, distribution
from netdsl.weights.tensors import as_array, as_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from netdsl.ir.op import Param

# Elements: a piece stays in the cache of a core while it is made, summed up and written.
CHUNK = 1 << 18


def fresh_chunks(name: str, param: Param, seed: int) -> Iterator[Any]:
    """Float32 arrays that together are the tensor's start, row by row; each tensor has a stream of
    its own.
    """
    kind, scale = distribution(param.init, param.shape)
    if kind in ("bilinear", "literal"):
        yield np.array(
            param.values if kind == "literal" else bilinear(param.shape), dtype=np.float32
        )
        return
    stream = np.random.Generator(
        np.random.SFC64(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))
    )
    for start in range(0, param.size, CHUNK):
        n = min(CHUNK, param.size - start)
        if kind == "constant":
            yield np.full(n, scale, dtype=np.float32)
        elif kind == "uniform":
            # Two numbers each, in half the time of `random`.
            bits = stream.integers(0, 1 << 64, (n + 1) // 2, dtype=np.uint64)
            made = bits.view(np.int32)[:n].astype(np.float32)
            made *= np.float32(scale / (1 << 31))
            yield made
        else:
            made = stream.standard_normal(n, dtype=np.float32)
            made *= np.float32(scale)
            yield made


def fresh(name: str, param: Param, seed: int = 0) -> Any:
    """The tensor's start as one array."""
    return np.concatenate(list(fresh_chunks(name, param, seed))).reshape(param.shape)


def chunks_of(
    state: Mapping[str, Any], *, allow_nonfinite: bool = False
) -> Callable[[str, Param], Iterator[Any]]:
    """A function that gives the numbers of a state dict that fits, piece by piece.

    The function raises `NetdslError` for numbers that `as_float32` refuses. The tensors are not
    copied, and are converted to float32 a piece at a time, so they may be larger than the memory.
    If the state has a method `release(name, first, count)`, the function calls it when elements are
    no longer needed.
    """
    release = getattr(state, "release", None)
    read: list[
        tuple[str, int]
    ] = []  # a piece may still be being written when the next is asked for: each goes one later

    def chunks(name: str, param: Param) -> Iterator[Any]:
        flat = np.ascontiguousarray(as_array(state[name])).ravel()
        for start in range(0, param.size, CHUNK):
            yield as_float32(name, flat[start : start + CHUNK], allow_nonfinite=allow_nonfinite)
            if release is not None:
                read.append((name, start))
                while len(read) > 1:
                    release(*read.pop(0), CHUNK)

    return chunks
