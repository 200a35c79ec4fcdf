"""The numbers of weights, piece by piece: fresh ones from a seed, or those of a state dict."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from netdsl.ops.init import bilinear, distribution
from netdsl.weights.tensors import as_array, as_float32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import torch

    from netdsl.ir.op import Param
    from netdsl.weights.tensors import Array

    # Takes a tensor's name and its `Param`, and gives its numbers: float32 arrays, row by row.
    Chunks = Callable[[str, Param], Iterable[np.ndarray]]

# Elements of a piece: it stays in a core's cache while it is computed, hashed and written.
CHUNK = 1 << 18


def fresh_chunks(name: str, param: Param, seed: int) -> Iterator[np.ndarray]:
    """The starting numbers of a tensor as float32 arrays, row by row.

    Every name has a random stream of its own.
    """
    kind, scale = distribution(param.init, param.shape)
    if kind in ("bilinear", "literal"):
        values = param.values if kind == "literal" else bilinear(param.shape)
        yield np.array(values, dtype=np.float32)
        return
    stream = np.random.Generator(
        np.random.SFC64(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))
    )
    for start in range(0, param.size, CHUNK):
        count = min(CHUNK, param.size - start)
        if kind == "constant":
            yield np.full(count, scale, dtype=np.float32)
        elif kind == "uniform":
            yield _uniform(stream, count, scale)
        else:
            numbers = stream.standard_normal(count, dtype=np.float32)
            numbers *= np.float32(scale)
            yield numbers


def _uniform(stream: np.random.Generator, count: int, scale: float) -> np.ndarray:
    """Numbers in ±scale: two from each 64 random bits, in half the time of `random`."""
    bits = stream.integers(0, 1 << 64, (count + 1) // 2, dtype=np.uint64)
    numbers = bits.view(np.int32)[:count].astype(np.float32)
    numbers *= np.float32(scale / (1 << 31))
    return numbers


def fresh(name: str, param: Param, seed: int = 0) -> np.ndarray:
    """The starting numbers of a tensor as one array."""
    return np.concatenate(list(fresh_chunks(name, param, seed))).reshape(param.shape)


def fresh_state(tensors: Mapping[str, Param], seed: int = 0) -> dict[str, np.ndarray]:
    """The starting numbers of the tensors of a net, by name.

    Constants and tied weights are not among them: the module of the net has them in any case.
    """
    own = {name: p for name, p in tensors.items() if not p.is_constant and not p.tied}
    return {name: fresh(name, param, seed) for name, param in own.items()}


def chunks_of(
    state: Mapping[str, torch.Tensor | Array], *, allow_nonfinite: bool = False
) -> Chunks:
    """A function that gives the numbers of a state dict that fits, piece by piece.

    The function raises `NetdslError` for numbers that `as_float32` refuses. The tensors are not
    copied, and are converted to float32 a piece at a time, so they may be larger than the memory.
    If the state has a method `release(name, first, count)`, the function calls it when elements are
    no longer needed.
    """
    release = getattr(state, "release", None)
    # The caller may still be writing a piece when it asks for the next one: each piece is
    # released one piece later.
    given: list[tuple[str, int]] = []

    def chunks(name: str, param: Param) -> Iterator[np.ndarray]:
        flat = np.ascontiguousarray(as_array(state[name])).ravel()
        for start in range(0, param.size, CHUNK):
            yield as_float32(name, flat[start : start + CHUNK], allow_nonfinite=allow_nonfinite)
            if release is not None:
                given.append((name, start))
                while len(given) > 1:
                    release(*given.pop(0), CHUNK)

    return chunks
