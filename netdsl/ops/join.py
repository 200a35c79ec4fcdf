"""Joins of several tensors: `concat`, `add`, `mul`, `sub`, `max`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import UnlikeShapesError
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


class Join(Op):
    """Base of the kinds that take arms, or the current value and `@` references."""

    inputs = (2, 10_000)


def _differ(a: int | Sym, b: int | Sym) -> bool:
    """Whether two sizes differ whatever the open ones are."""
    difference = a - b
    return isinstance(difference, int) and difference != 0


def _unlike(kind: str, xs: Sequence[TensorType], why: str, help: str | None) -> UnlikeShapesError:
    shapes = " and ".join(str(x) for x in xs[:6]) + (" ..." if len(xs) > 6 else "")
    return UnlikeShapesError(f"`{kind}` joins {shapes}", why, help)


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
    """Join along an axis, channels unless said otherwise; the other axes must be equal."""

    any_dtype = True
    rounding = exact

    axis: int = arg(integer, 1, doc="the axis to join along, the batch being 0")

    def infer(self, *xs: TensorType) -> TensorType:
        like, *others = xs
        axis, first = axis_index(self, like, self.axis), like.shape
        for x in others:
            if len(x.shape) != len(first):
                raise _unlike(
                    self.kind,
                    xs,
                    "they have unlike numbers of axes",
                    "bring them to the same rank with `flatten` or `reshape`",
                )
            for i, (a, b) in enumerate(zip(first, x.shape, strict=True)):
                if i != axis and not self.needs_equal(a, b):
                    why = f"axis {i + 1} is {a} in one and {b} in another"
                    raise _unlike(self.kind, xs, why, _way_to_join(len(first), i, a, b))
        total = sum((x.shape[axis] for x in others), start=first[axis])
        shape = [
            next((x.shape[i] for x in xs if isinstance(x.shape[i], int)), first[i])
            for i in range(len(first))
        ]
        shape[axis] = total
        return like._replace(shape=tuple(shape))

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        first, *_ = xs
        names = ", ".join(f"{{{i}}}" for i in range(len(xs)))
        return t.inline(f"torch.cat(({names},), {axis_index(self, first, self.axis) + 1})")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        first, *_ = xs
        return g.op("Concat", *xs, axis=axis_index(self, first.type, self.axis) + 1)


def broadcast(op: Op, xs: Sequence[TensorType]) -> tuple[int | Sym, ...]:
    """The common shape of elementwise joins: axes are equal or one is 1; raises `OpError`."""
    first, *others = xs
    shape = list(first.shape)
    for x in others:
        if len(x.shape) != len(shape):
            advice = "bring them to the same rank with `reshape`"
            raise _unlike(op.kind, xs, "they have unlike numbers of axes", advice)
        for i, d in enumerate(x.shape):
            if 1 not in (d, shape[i]) and not op.needs_equal(shape[i], d):
                raise _unlike(op.kind, xs, *_why(shape, x.shape))
            if shape[i] == 1 or (isinstance(d, int) and d != 1):
                shape[i] = d
    return tuple(shape)


def _why(shape: Sequence[int | Sym], other: Sequence[int | Sym]) -> tuple[str, str | None]:
    """Which axes differ, and what to do about it."""
    unlike = [
        (i, a, b)
        for i, (a, b) in enumerate(zip(shape, other, strict=True))
        if 1 not in (a, b) and _differ(a, b)
    ]
    facts = [
        f"channels {a} against {b}" if i == 0 else f"axis {i + 1} has {a} against {b}"
        for i, a, b in unlike
    ]
    advice: list[str] = []
    for i, a, b in unlike:
        way = _projection(len(shape), i, a, b) or (_SAME_SIZES if i > 0 else None)
        if way is not None and way not in advice:
            advice.append(way)
    return ", ".join(facts), "; ".join(advice) or None


_SAME_SIZES = "give the arms the same stride and padding, or `crop`"


def _projection(rank: int, axis: int, a: int | Sym, b: int | Sym) -> str | None:
    """Advice for a layer that makes an axis equal in both arms, if arms of that rank have one."""
    wanted = a if isinstance(a, int) else b
    if not isinstance(wanted, int):
        return None
    if rank == 1:
        return f"project one arm with `dense({wanted})`"
    if rank == 2 and axis == 1:
        return f"project sequences with `dense({wanted})`; give convolutions the same padding"
    if rank <= 4 and axis == 0:
        return f"project one arm with `conv({wanted}, 1)`"
    return None


def _way_to_join(rank: int, axis: int, a: int | Sym, b: int | Sym) -> str | None:
    """Advice that makes those axes equal along which `concat` does not join."""
    projection = _projection(rank, axis, a, b)
    if axis == 0:
        return f"{projection}, or join along axis 1" if projection else "join along axis 1"
    return (
        projection
        or "give each arm the same stride and enough padding (`pad = k // 2` keeps the size)"
    )


class _Elementwise(Join):
    symbol, operator = "", ""

    def infer(self, *xs: TensorType) -> TensorType:
        first, *_ = xs
        return first._replace(shape=broadcast(self, xs))

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.inline(f" {self.symbol} ".join(f"{{{i}}}" for i in range(len(xs))))

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        y: str
        y, *others = xs
        for x in others:
            y = g.op(self.operator, y, x)
        return y


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
        made = Known.exactly(e.x)
        for x in e.xs[1:]:
            made = made * Known.exactly(x)
        return made.bound


@layer("sub", family="join", examples=[("2x4x4, 2x4x4", "sub"), ("5, 5", "sub")])
class Sub(_Elementwise):
    """The first less the others, element by element; an axis of size 1 is repeated."""

    symbol, operator = "-", "Sub"
    rounding = _sum


@layer("max", family="join", examples=[("2x4x4, 2x4x4", "max"), ("5, 5, 5", "max")])
class Max(_Elementwise):
    """The largest, element by element (maxout of arms); an axis of size 1 is repeated."""

    operator = "Max"
    rounding = exact

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        text = "{0}"
        for i in range(1, len(xs)):
            text = f"torch.maximum({text}, {{{i}}})"
        return t.inline(text)
