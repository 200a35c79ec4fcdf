"""Random arguments for functions, reductions and the product of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layers import WIDTHS, Arguments, flag, makes, maybe, need
from .shape import Type

if TYPE_CHECKING:
    from .calls import Generator


@makes("exp", "abs", "sign", "square", "sin", "cos", "erf")
def _function(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats)
    return [], t


@makes("float")
def _float(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(not t.floats)
    return [], Type(t.shape, t.open)


@makes("log", "sqrt")
def _of_positive(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    """A function that is NaN for negative numbers; `Bodies` also makes it after `abs`."""
    need(t.floats and g.chance(0.1))
    return [], t


@makes("clamp")
def _clamp(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats)
    low, high = g.pick((-1e38, -6.0, -0.7, 0.0, 1e-40)), g.pick((0.1, 0.3, 1.0, 6.0, 1e38))
    a: Arguments = []
    maybe(g, a, "min", g.real(low), 0.7)
    maybe(g, a, "max", g.real(high), 0.7)
    need(len(a) > 0)
    return a, t


@makes("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_norm")
def _reduction(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats and t.rank > 0)
    gone = sorted(g.random.sample(range(t.rank), g.pick((1, 1, min(2, t.rank)))))
    axes = [i + 1 if g.chance(0.6) else i - t.rank for i in gone]
    g.random.shuffle(axes)
    a: Arguments = [("axis", g.ints(axes) if len(axes) > 1 or g.chance(0.2) else g.whole(axes[0]))]
    if flag(g, a, "keep", default=False, p=0.6):
        for i in gone:
            t = t.at(i, 1, open_=False)
        return a, t
    need(t.rank > len(gone))  # the other layers need an axis
    left = [i for i in range(t.rank) if i not in gone]
    return a, Type(tuple(t.shape[i] for i in left), tuple(t.open[i] for i in left))


@makes("matmul")
def _matmul(g: Generator, t: Type, kind: str) -> tuple[Arguments, Type]:
    need(t.floats and 2 <= t.rank <= 4)
    width, a = g.pick(WIDTHS), Arguments()
    other = t.at(t.rank - 2, t.shape[-1], open_=t.open[-1]).at(t.rank - 1, width, open_=False)
    if g.chance(0.3):
        for axis in range(t.rank - 2):
            other = other.at(axis, 1, open_=False)
    if flag(g, a, "transpose", default=False, p=0.6):
        shape, flags = other.shape, other.open
        other = Type((*shape[:-2], shape[-1], shape[-2]), (*flags[:-2], flags[-1], flags[-2]))
    if g.chance(0.2) and t.shape[0] <= 24 and t.rank == 2:  # the product with itself
        g.refer(t)
        return [("transpose", g.truth(True))], Type((t.shape[0],) * 2, (t.open[0],) * 2)
    g.refer(other)
    return a, t.at(t.rank - 1, width, open_=False)
