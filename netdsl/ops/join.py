"""Joins of several tensors: `concat`, `add`, `mul`, `sub`, `max`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Correction, UnlikeShapesError
from netdsl.ir.op import Op
from netdsl.ir.rounding import Known, unless_beyond
from netdsl.ops.args import integer
from netdsl.ops.base import arg, axis_index, layer
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound
    from netdsl.ir.types import Sym, TensorType

    Size = int | Sym

SEQUENCE = 2  # axes of T x D, and of C x L


class Join(Op):
    """Base of the kinds that take arms, or the current value and `@` references."""

    inputs = (2, 10_000)


def _unlike(
    kind: str, xs: Sequence[TensorType], reason: str, advice: str | None
) -> UnlikeShapesError:
    shapes = [str(x) for x in xs[:6]]
    more = " ..." if len(xs) > 6 else ""
    return UnlikeShapesError(f"`{kind}` cannot join {' and '.join(shapes)}{more}", reason, advice)


def _unlike_ranks(kind: str, xs: Sequence[TensorType], ways: str) -> UnlikeShapesError:
    advice = f"bring them to the same rank with {ways}"
    return _unlike(kind, xs, "they have different numbers of axes", advice)


@layer(
    "concat",
    family="join",
    examples=[
        ("2x4x4, 3x4x4", "concat"),
        ("2x4, 2x5, 2x1", "concat(axis = 2)"),
        ("3, 4", "concat"),
    ],
)
class Concat(Join):
    """Join along an axis, by default the channels; the other axes must be equal."""

    any_dtype = True
    rounding = exact

    axis: int = arg(integer, 1, doc="the axis to join along; 0 is the batch")

    def infer(self, *xs: TensorType) -> TensorType:
        first, *others = xs
        axis = axis_index(self, first, self.axis)
        for x in others:
            self._check_other_axes(axis, x, xs)
        shape = [
            next((x.shape[i] for x in xs if isinstance(x.shape[i], int)), size)
            for i, size in enumerate(first.shape)
        ]
        shape[axis] = sum((x.shape[axis] for x in others), start=first.shape[axis])
        return first._replace(shape=tuple(shape))

    def _check_other_axes(self, axis: int, x: TensorType, xs: Sequence[TensorType]) -> None:
        """Raise `OpError` unless `x` and the first input differ along that axis only."""
        first = xs[0].shape
        if len(x.shape) != len(first):
            raise _unlike_ranks(self.kind, xs, "`flatten` or `reshape`")
        for i, (a, b) in enumerate(zip(first, x.shape, strict=True)):
            if i != axis and not self.needs_equal(a, b):
                reason = f"axis {i + 1} is {a} and {b}"
                error = _unlike(self.kind, xs, reason, _way_to_join(len(first), i, a, b))
                if i == 0 and first[1:] == x.shape[1:]:
                    error.diagnostic.help = "join along axis 1, which is the default"
                    error.correction = Correction({"axis": "1"})
                raise error

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        inputs = ", ".join(f"{{{i}}}" for i in range(len(xs)))
        return t.inline(f"torch.cat(({inputs},), {axis_index(self, xs[0], self.axis) + 1})")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("Concat", *xs, axis=axis_index(self, xs[0].type, self.axis) + 1)


def _way_to_join(rank: int, axis: int, a: Size, b: Size) -> str:
    """Advice on how to make equal an axis that `concat` does not join along."""
    projection = _projection(rank, axis, a, b)
    if axis == 0:
        return f"{projection}, or join along axis 1" if projection else "join along axis 1"
    padding = "give each arm the same stride and enough padding (`pad = k // 2` keeps the size)"
    return projection or padding


def _projection(rank: int, axis: int, a: Size, b: Size, word: str = "arm") -> str | None:
    """Advice to add a layer that makes an axis equal in both inputs, if their rank has one."""
    wanted = a if isinstance(a, int) else b
    if not isinstance(wanted, int):
        return None
    if rank == 1:
        return f"project one {word} with `dense({wanted})`"
    if rank == 2 and axis == 1:
        return f"project sequences with `dense({wanted})`; give convolutions the same padding"
    if rank <= 4 and axis == 0:
        return f"project one {word} with `conv({wanted}, 1)`"
    return None


def common_size(op: Op, a: Size, b: Size) -> Size | None:
    """The size of an axis that has size `a` in one tensor and `b` in another.

    None if the sizes differ and neither is 1.
    """
    if 1 not in (a, b) and not op.needs_equal(a, b):
        return None
    if a == 1 or (isinstance(b, int) and b != 1):
        return b
    return a


def _with_axes(*xs: TensorType) -> str:
    """The layer that gives a vector, one number for each channel of a map, the axes of the map."""
    small, large = sorted(xs, key=lambda x: len(x.shape))
    if not small.shape:
        return f"`reshape([{', '.join(['1'] * len(large.shape))}])`"
    if len(small.shape) == 1 and small.shape[0] == large.shape[0]:
        return f"`reshape({'x'.join([str(small.shape[0]), *['1'] * len(large.spatial)])})`"
    return "`reshape`"


def broadcast(op: Op, xs: Sequence[TensorType], word: str = "arm") -> tuple[Size, ...]:
    """The shape of the result of an elementwise join; raises `OpError`.

    Along each axis, the inputs have the same size or size 1. `word` is what an input is called.
    """
    first, *others = xs
    shape = list(first.shape)
    for x in others:
        if len(x.shape) != len(shape):
            raise _unlike_ranks(op.kind, xs, _with_axes(first, x))
        for i, size in enumerate(x.shape):
            common = common_size(op, shape[i], size)
            if common is None:
                raise _unlike(op.kind, xs, *_unlike_axes(shape, x.shape, word))
            shape[i] = common
    return tuple(shape)


def _unlike_axes(shape: Sequence[Size], other: Sequence[Size], word: str) -> tuple[str, str | None]:
    """Which axes cannot be equal, and advice."""
    facts: list[str] = []
    advice: list[str] = []
    for i, (a, b) in enumerate(zip(shape, other, strict=True)):
        difference = a - b
        if 1 in (a, b) or not isinstance(difference, int) or difference == 0:
            continue
        way = _projection(len(shape), i, a, b, word)
        if i == 0 and len(shape) != SEQUENCE:
            facts.append(f"{a} and {b} channels")
        else:
            facts.append(f"axis {i + 1} is {a} and {b}")
        if i > 0:
            way = way or f"give the {word}s the same stride and padding, or `crop`"
        if way is not None and way not in advice:
            advice.append(way)
    return ", ".join(facts), "; ".join(advice) or None


class _Elementwise(Join):
    """Base of the kinds that combine their inputs element by element."""

    symbol = ""  # Python's operator
    operator = ""  # the ONNX operator of two inputs

    def infer(self, *xs: TensorType) -> TensorType:
        return xs[0]._replace(shape=broadcast(self, xs))

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.inline(f" {self.symbol} ".join(f"{{{i}}}" for i in range(len(xs))))

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        result: str = xs[0]
        for x in xs[1:]:
            result = g.op(self.operator, result, x)
        return result


def _sum(_op: Op, e: Evaluation) -> Bound:
    """`sum of abs(x)`, times `n / 16` for more than 16 inputs.

    Underflow: `2 n`.
    """
    sizes = sum((x.abs() for x in e.xs[1:]), start=e.x.abs())
    terms = len(e.xs)
    return e.bound(unless_beyond(sizes, sizes) * max(1.0, terms / 16), 2 * terms)


@layer("add", family="join", examples=[("2x4x4, 2x4x4", "add"), ("3x2, 3x2, 3x1", "add")])
class Add(_Elementwise):
    """The sum, element by element; an axis of size 1 is repeated."""

    symbol, operator = "+", "Add"
    rounding = _sum


@layer("mul", family="join", examples=[("2x4x4, 2x4x4", "mul"), ("3x5x4, 3x1x1", "mul")])
class Mul(_Elementwise):
    """The product, element by element; an axis of size 1 is repeated."""

    symbol, operator = "*", "Mul"

    def rounding(self, e: Evaluation) -> Bound:
        """`(n - 1) abs(y)` of n inputs.

        Underflow: carried from step to step: every product adds 1, and multiplies the loss of each
        factor by the other factor.
        """
        product = Known.exactly(e.x)
        for x in e.xs[1:]:
            product = product * Known.exactly(x)
        return product.bound


@layer("sub", family="join", examples=[("2x4x4, 2x4x4", "sub"), ("5, 5", "sub")])
class Sub(_Elementwise):
    """The first input minus the others, element by element; an axis of size 1 is repeated."""

    symbol, operator = "-", "Sub"
    rounding = _sum


@layer("max", family="join", examples=[("2x4x4, 2x4x4", "max"), ("5, 5, 5", "max")])
class Max(_Elementwise):
    """The maximum, element by element (maxout of arms); an axis of size 1 is repeated."""

    operator = "Max"
    rounding = exact

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        largest = "{0}"
        for i in range(1, len(xs)):
            largest = f"torch.maximum({largest}, {{{i}}})"
        return t.inline(largest)
