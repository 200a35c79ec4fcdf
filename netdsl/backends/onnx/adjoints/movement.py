"""The gradients of operators that only move elements, or resize maps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from netdsl.backends.onnx.adjoints.base import of_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.backends.onnx.adjoints.base import Adjoint, Made, Rule, Thunk

MOST_PIECES = 4  # copies of one element that are added up without a product


def _same_elements(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    return (lambda: g.op("Reshape", dy, g.ints(g.shape(node.x[0]))),)


def _transpose(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    rank = len(g.shape(dy))
    order = list(node.get("perm", range(rank)[::-1]))
    return (lambda: g.op("Transpose", dy, perm=[order.index(i) for i in range(rank)]),)


def _concat(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    axis, thunks, start = node.attributes["axis"], [], 0
    for name in node.x:
        end = start + g.shape(name)[axis]
        ends = g.ints([start]), g.ints([end]), g.ints([axis % len(g.shape(name))])
        thunks.append(partial(g.op, "Slice", dy, *ends))
        start = end
    return thunks


def _split(g: Adjoint, node: Made, gradients: Sequence[str | None]) -> Sequence[Thunk]:
    def of_input() -> str:
        parts = [
            dy if dy is not None else g.zeros(g.shape(y))
            for y, dy in zip(node.y, gradients, strict=True)
        ]
        return g.op("Concat", *parts, axis=node.get("axis", 0))

    return (of_input,)


# ---- choices of elements along an axis


def taken_back(g: Adjoint, dy: str, axis: int, places: np.ndarray, size: int) -> str:
    """The gradient of the elements at `places` along an axis of that size.

    If a place is negative, the element was none of the input. Places that occur several times get
    the sum.
    """
    pieces = _pieces(places, size)
    if len(pieces) > MOST_PIECES:
        return _by_product(g, dy, axis, places, size)
    padded = _with_zero(g, dy, axis)
    parts = [g.op("Gather", padded, g.array(piece), axis=axis) for piece in pieces]
    return parts[0] if len(parts) == 1 else g.op("Sum", *parts)


def _pieces(places: np.ndarray, size: int) -> list[np.ndarray]:
    """For each element of the input, where it went: its first place, its second, and so on.

    A place that does not exist is that of a zero at the end.
    """
    pieces: list[np.ndarray] = []
    count = np.zeros(size, np.int64)
    for position, place in enumerate(places):
        if place < 0:
            continue
        if count[place] == len(pieces):
            pieces.append(np.full(size, len(places), np.int64))
        pieces[count[place]][place] = position
        count[place] += 1
    return pieces


def _with_zero(g: Adjoint, dy: str, axis: int) -> str:
    """A value with a zero at the end of an axis."""
    rank = len(g.shape(dy))
    pads = [0] * (2 * rank)
    pads[rank + axis] = 1
    return g.op("Pad", dy, g.ints(pads))


def _by_product(g: Adjoint, dy: str, axis: int, places: np.ndarray, size: int) -> str:
    matrix = np.zeros((len(places), size), np.float32)
    for position, place in enumerate(places):
        if place >= 0:
            matrix[position, place] = 1
    return along_axis(g, dy, axis, matrix)


def along_axis(g: Adjoint, x: str, axis: int, matrix: np.ndarray) -> str:
    """Replace an axis by its product with a matrix of its old by its new size."""
    shape = list(g.shape(x))
    if axis == len(shape) - 1:
        return g.op("MatMul", x, g.array(matrix))
    after = int(np.prod(shape[axis + 1 :]))
    rows = g.op("Reshape", x, g.ints([-1, shape[axis], after]))
    made = g.op("MatMul", g.array(np.ascontiguousarray(matrix.T)), rows)
    shape[axis] = matrix.shape[1]
    return g.op("Reshape", made, g.ints(shape))


def _slice(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, *given = node.x
    shape = g.shape(x)
    starts, ends, *rest = (_list_of(g, name) for name in given if name)
    axes = rest[0] if rest else list(range(len(starts)))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)

    def of_input() -> str:
        whole = dy
        pads = np.zeros((2, len(shape)), np.int64)
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            size = shape[axis]
            # ONNX's bounds mean the same as Python's, except that it has no None.
            is_whole = step < 0 and end < -size
            places = np.arange(size)[start : None if is_whole else end : step]
            if not places.size:
                return g.zeros(shape)
            if step == 1:
                pads[:, axis] = places[0], size - 1 - places[-1]
            else:
                whole = taken_back(g, whole, axis % len(shape), places, size)
        if pads.any():
            whole = g.op("Pad", whole, g.ints(pads.ravel().tolist()))
        return whole

    return (of_input,)


def _list_of(g: Adjoint, name: str) -> list[int]:
    numbers = g.known(name)
    assert numbers is not None
    return [int(n) for n in numbers.ravel()]


def _pad(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, pads, *rest = node.x
    shape = g.shape(x)
    widths = _list_of(g, pads)
    axes = _list_of(g, rest[1]) if len(rest) > 1 else list(range(len(shape)))
    half = len(widths) // 2
    mode = node.get("mode", b"constant").decode()

    def of_input() -> str:
        whole, starts, ends, cut = dy, [], [], []
        for axis, begin, end in zip(axes, widths[:half], widths[half:], strict=True):
            if not begin and not end:
                continue
            size = shape[axis]
            if mode == "constant":
                starts.append(begin)
                ends.append(begin + size)
                cut.append(axis)
            else:
                # NumPy's modes have ONNX's names.
                places = np.pad(np.arange(size), (begin, end), mode=mode)
                whole = taken_back(g, whole, axis, places, size)
        if not cut:
            return whole
        if min(starts) >= 0 and all(e <= g.shape(whole)[a] for e, a in zip(ends, cut, strict=True)):
            return g.op("Slice", whole, g.ints(starts), g.ints(ends), g.ints(cut))
        return _cut_and_filled(g, whole, starts, ends, cut)

    return (of_input,)


def _cut_and_filled(
    g: Adjoint, x: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]
) -> str:
    """Parts of axes that may lie outside the value, where they are zero."""
    pads = np.zeros((2, len(g.shape(x))), np.int64)
    for start, end, axis in zip(starts, ends, axes, strict=True):
        pads[:, axis] = -start, end - g.shape(x)[axis]
    return g.op("Pad", x, g.ints(pads.ravel().tolist()))


def _gather(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, indices = node.x
    shape, axis = g.shape(x), node.get("axis", 0) % len(g.shape(x))
    places = g.known(indices)

    def of_input() -> str:
        count = int(np.prod(g.shape(indices)))
        flat = (*shape[:axis], count, *shape[axis + 1 :])
        rows = dy
        if g.shape(dy) != flat:
            rows = g.op("Reshape", dy, g.ints(flat))
        if places is not None:
            return taken_back(g, rows, axis, places.ravel() % shape[axis], shape[axis])
        order = [axis, *(i for i in range(len(shape)) if i != axis)]
        rows = _ordered(g, rows, order)
        first = [shape[i] for i in order]
        each = g.op("Reshape", indices, g.ints([count, 1]))
        each = g.op("Cast", each, to=TensorProto.INT64)
        total = g.op("ScatterND", g.zeros(first), each, rows, reduction="add")
        return _ordered(g, total, [order.index(i) for i in range(len(order))])

    return (of_input,)


def _ordered(g: Adjoint, x: str, order: Sequence[int]) -> str:
    if list(order) == sorted(order):
        return x
    return g.op("Transpose", x, perm=list(order))


def _scatter_nd(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk | None]:
    _, indices, updates = node.x

    def of_data() -> str:
        return g.op("ScatterND", dy, indices, g.zeros(g.shape(updates)))

    return (of_data, None, lambda: g.op("GatherND", dy, indices))


def _trilu(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    return (lambda: g.op("Trilu", dy, *node.x[1:], upper=node.get("upper", 1)),)


# ---- blocks of pixels


def _depth_to_space(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    size, mode = node.attributes["blocksize"], node.get("mode", b"DCR")

    def of_input() -> str:
        if mode == b"DCR":
            return g.op("SpaceToDepth", dy, blocksize=size)
        batch, channels, height, width = g.shape(dy)
        blocks = [batch, channels, height // size, size, width // size, size]
        parts = g.op("Reshape", dy, g.ints(blocks))
        parts = g.op("Transpose", parts, perm=[0, 1, 3, 5, 2, 4])
        return g.op("Reshape", parts, g.ints(g.shape(node.x[0])))

    return (of_input,)


def _space_to_depth(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    size = node.attributes["blocksize"]
    return (lambda: g.op("DepthToSpace", dy, blocksize=size, mode="DCR"),)


def _resize(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    """Every axis is resized by a matrix of its own, whose transpose resizes the gradient."""
    before, after = g.shape(node.x[0]), g.shape(dy)

    def of_input() -> str:
        whole = dy
        for axis, (old, new) in enumerate(zip(before, after, strict=True)):
            if old != new:
                whole = along_axis(g, whole, axis, _resizing(g, node, axis).T)
        return whole

    return (of_input,)


def _resizing(g: Adjoint, node: Made, axis: int) -> np.ndarray:
    """The matrix of a resized axis, of its old by its new size."""
    old, new = g.shape(node.x[0])[axis], g.shape(node.y[0])[axis]
    kept = {
        k: v for k, v in node.attributes.items() if k not in ("axes", "keep_aspect_ratio_policy")
    }
    scales = g.known(node.x[2]) if len(node.x) > 2 and node.x[2] else None
    given = {"x": np.eye(old, dtype=np.float32)}
    if scales is not None and scales.size:
        axes = list(node.get("axes", range(len(scales))))
        given["scales"] = np.array([1, scales[axes.index(axis)]], np.float32)
        inputs = ["x", "", "scales"]
    else:
        given["sizes"] = np.array([old, new], np.int64)
        inputs = ["x", "", "", "sizes"]
    single = helper.make_node("Resize", inputs, ["y"], **kept)
    [matrix] = ReferenceEvaluator(single).run(None, given)
    return np.asarray(matrix, np.float32)


RULES: dict[str, Rule] = {
    "Concat": of_one(_concat),
    "DepthToSpace": of_one(_depth_to_space),
    "Expand": of_one(lambda _g, _node, dy: (lambda: dy,)),
    "Flatten": of_one(_same_elements),
    "Gather": of_one(_gather),
    "Pad": of_one(_pad),
    "Reshape": of_one(_same_elements),
    "Resize": of_one(_resize),
    "ScatterND": of_one(_scatter_nd),
    "Slice": of_one(_slice),
    "SpaceToDepth": of_one(_space_to_depth),
    "Split": _split,
    "Squeeze": of_one(_same_elements),
    "Transpose": of_one(_transpose),
    "Trilu": of_one(_trilu),
    "Unsqueeze": of_one(_same_elements),
}
