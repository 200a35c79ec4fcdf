"""The gradients of operators that only move elements, or resize maps."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING

from netdsl.backends.onnx.adjoints.base import of_one
from netdsl.backends.onnx.adjoints.resizing import resizing_matrix
from netdsl.backends.onnx.application import Numbers
from netdsl.backends.onnx.constants import span
from netdsl.backends.onnx.elements import INT64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def taken_back(g: Adjoint, dy: str, axis: int, places: Sequence[int], size: int) -> str:
    """The gradient of the elements at `places` along an axis of that size.

    If a place is negative, the element was none of the input. Places that occur several times get
    the sum.
    """
    pieces = _pieces(places, size)
    if len(pieces) > MOST_PIECES:
        return _by_product(g, dy, axis, places, size)
    padded = _with_zero(g, dy, axis)
    parts = [g.op("Gather", padded, g.ints(piece), axis=axis) for piece in pieces]
    return parts[0] if len(parts) == 1 else g.op("Sum", *parts)


def _pieces(places: Sequence[int], size: int) -> list[list[int]]:
    """For each element of the input, where it went: its first place, its second, and so on.

    A place that does not exist is that of a zero at the end.
    """
    pieces: list[list[int]] = []
    count = [0] * size
    for position, place in enumerate(places):
        if place < 0:
            continue
        if count[place] == len(pieces):
            pieces.append([len(places)] * size)
        pieces[count[place]][place] = position
        count[place] += 1
    return pieces


def _with_zero(g: Adjoint, dy: str, axis: int) -> str:
    """A value with a zero at the end of an axis."""
    rank = len(g.shape(dy))
    pads = [0] * (2 * rank)
    pads[rank + axis] = 1
    return g.op("Pad", dy, g.ints(pads))


def _by_product(g: Adjoint, dy: str, axis: int, places: Sequence[int], size: int) -> str:
    rows = [[float(i == place) for i in range(size)] for place in places]
    return along_axis(g, dy, axis, rows)


def along_axis(g: Adjoint, x: str, axis: int, matrix: Sequence[Sequence[float]]) -> str:
    """Replace an axis by its product with a matrix of its old by its new size."""
    shape = list(g.shape(x))
    if axis == len(shape) - 1:
        return g.op("MatMul", x, g.array(Numbers.matrix(matrix)))
    rows = g.op("Reshape", x, g.ints([-1, shape[axis], prod(shape[axis + 1 :])]))
    made = g.op("MatMul", g.array(Numbers.matrix([*zip(*matrix, strict=True)])), rows)
    shape[axis] = len(matrix[0])
    return g.op("Reshape", made, g.ints(shape))


def _slice(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, *given = node.x
    shape = g.shape(x)
    starts, ends, *rest = (_list_of(g, name) for name in given if name)
    axes = rest[0] if rest else list(range(len(starts)))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)

    def of_input() -> str:
        whole = dy
        begins, rests = [0] * len(shape), [0] * len(shape)
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            size = shape[axis]
            places = range(size)[span(start, end, step, size)]
            if not places:
                return g.zeros(shape)
            if step == 1:
                begins[axis], rests[axis] = places[0], size - 1 - places[-1]
            else:
                whole = taken_back(g, whole, axis % len(shape), places, size)
        if any(begins) or any(rests):
            whole = g.op("Pad", whole, g.ints([*begins, *rests]))
        return whole

    return (of_input,)


def _list_of(g: Adjoint, name: str) -> list[int]:
    numbers = g.known(name)
    assert numbers is not None
    return numbers.ints()


def _pad(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, pads, *rest = node.x
    shape = g.shape(x)
    widths = _list_of(g, pads)
    axes = _list_of(g, rest[1]) if len(rest) > 1 else list(range(len(shape)))
    half = len(widths) // 2
    mode = node.get("mode", "constant")

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
                places = range(-begin, size + end)
                found = [_BORDERS[mode](place, size) for place in places]
                whole = taken_back(g, whole, axis, found, size)
        if not cut:
            return whole
        if min(starts) >= 0 and all(e <= g.shape(whole)[a] for e, a in zip(ends, cut, strict=True)):
            return g.op("Slice", whole, g.ints(starts), g.ints(ends), g.ints(cut))
        return _cut_and_filled(g, whole, starts, ends, cut)

    return (of_input,)


# What is at a place outside an axis of a size, by the mode of the padding.
_BORDERS: dict[str, Callable[[int, int], int]] = {
    "edge": lambda place, size: min(max(place, 0), size - 1),
    "reflect": lambda place, size: size - 1 - abs(size - 1 - abs(place) % max(2 * size - 2, 1)),
    "wrap": lambda place, size: place % size,
}


def _cut_and_filled(
    g: Adjoint, x: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]
) -> str:
    """Parts of axes that may lie outside the value, where they are zero."""
    begins, rests = [0] * len(g.shape(x)), [0] * len(g.shape(x))
    for start, end, axis in zip(starts, ends, axes, strict=True):
        begins[axis], rests[axis] = -start, end - g.shape(x)[axis]
    return g.op("Pad", x, g.ints([*begins, *rests]))


def _gather(g: Adjoint, node: Made, dy: str) -> Sequence[Thunk]:
    x, indices = node.x
    shape, axis = g.shape(x), node.get("axis", 0) % len(g.shape(x))
    places = g.known(indices)

    def of_input() -> str:
        count = prod(g.shape(indices))
        flat = (*shape[:axis], count, *shape[axis + 1 :])
        rows = dy
        if g.shape(dy) != flat:
            rows = g.op("Reshape", dy, g.ints(flat))
        if places is not None:
            found = [place % shape[axis] for place in places.ints()]
            return taken_back(g, rows, axis, found, shape[axis])
        order = [axis, *(i for i in range(len(shape)) if i != axis)]
        rows = _ordered(g, rows, order)
        first = [shape[i] for i in order]
        each = g.op("Reshape", indices, g.ints([count, 1]))
        each = g.op("Cast", each, to=INT64)
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
    size, mode = node.attributes["blocksize"], node.get("mode", "DCR")

    def of_input() -> str:
        if mode == "DCR":
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
    scales = g.known(node.x[2]) if len(node.x) > 2 and node.x[2] else None

    def of_input() -> str:
        whole = dy
        for axis, (old, new) in enumerate(zip(before, after, strict=True)):
            if old != new:
                scale = new / old if scales is None else scales.values[axis]
                whole = along_axis(g, whole, axis, resizing_matrix(node, old, new, scale))
        return whole

    return (of_input,)


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
