"""How far float32 may be from the exact value of a layer: the rules that several kinds share.

A rule takes the op and its evaluation, like a method, so a kind can write `rounding = exact`. It
returns a bound, or None if the result is exact, in which case it evaluates nothing. The table in
`docs/verify.md` is made from the docstrings of the rules. They contain the bound of rounding and,
after "Underflow:", the bound of underflow.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.ir.rounding import grown, lifted, unless_beyond

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.ir.lowering import Evaluation
    from netdsl.ir.op import Op
    from netdsl.ir.rounding import Bound, Tensor

    Rule = Callable[[Op, Evaluation], Bound | None]


def exact(_op: Op, _e: Evaluation) -> Bound | None:
    """0: the layer moves or chooses elements.

    Underflow: numbers below 2^-126 may become 0, and values that are not finite are not compared.
    """
    return None


def sum_of_products(outputs: int = 0) -> Rule:
    """The rule of W x + c. `outputs` is the axis of the weight that counts the outputs."""

    def rule(_op: Op, e: Evaluation) -> Bound:
        """`s (sum of abs(w) abs(x) + abs(c))`.

        Underflow: `2 n + 1`; inputs and weights below 2^-126 count in `b` as 2^-102, since 2^-24 of
        that is 2^-126.
        """
        terms = max(e.x.numel() / e.y.numel(), *(w.numel() / w.shape[outputs] for w in e.weights))
        sizes = e.of_absolute_values()
        return e.bound(unless_beyond(sizes, sizes) * grown(terms), 2 * terms + 1)

    return rule


# Both executors add the elements of a window one by one, so sums of equal numbers may be rounded
# in the same direction each time.


def mean_of_windows(op: Op, e: Evaluation) -> Bound:
    """The same layer applied to `abs(x)`, times `n / 16` for more than 16 terms.

    Underflow: `4`.
    """
    terms, sizes = _of_windows(op, e)
    return e.bound(unless_beyond(sizes * max(1.0, terms / 16), sizes * terms), 4)


def sum_of_windows(op: Op, e: Evaluation) -> Bound:
    """The same layer applied to `abs(x)`, times `n / 16` for more than 16 terms.

    Underflow: `2 n + 2`.
    """
    terms, sizes = _of_windows(op, e)
    return e.bound(unless_beyond(sizes * max(1.0, terms / 16), sizes), 2 * terms + 2)


def _of_windows(op: Op, e: Evaluation) -> tuple[float, Tensor]:
    """The number of elements of a window, and the result of the layer for absolute values."""
    window = float(prod(w.extent for w in op.windows(*e.types)))
    return max(window, e.x.numel() / e.y.numel()), e.again(lifted(e.x))


def scaled(scale: float) -> Rule:
    """The rule of a function whose values are of that scale."""

    def rule(_op: Op, e: Evaluation) -> Bound:
        return e.bound(e.y.abs() + scale, 1 + scale)

    rule.__doc__ = f"""`abs(y) + {scale:g}`, because the error of libraries is relative to that sum.

    Underflow: `{1 + scale:g}`.
    """
    return rule


def gated(factor: float) -> Rule:
    """The rule of x times a function between 0 and 1, whose error is relative to 1 in libraries."""

    def rule(_op: Op, e: Evaluation) -> Bound:
        return e.bound(e.x.abs() * factor, 2)

    formula = "abs(x)" if factor == 1 else f"{factor:g} abs(x)"
    rule.__doc__ = f"""`{formula}`.

    Underflow: `2`.
    """
    return rule
