"""How a running model computes an open size: as arithmetic on the sizes of tensors that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from netdsl.ir.types import Atom

    Shapes = Sequence[tuple[int | Sym, ...]]
    Expression: TypeAlias = "int | AxisSize | Arithmetic"


class AxisSize(NamedTuple):
    """The size of an axis of one of the tensors; axis 0 is the batch."""

    tensor: int
    axis: int


class Arithmetic(NamedTuple):
    """Two expressions with `+`, `-`, `*` or `//` between them.

    A dividend is never negative, so that it does not matter how a back end rounds quotients.
    """

    left: Expression
    operator: str
    right: Expression


def expressed(size: int | Sym, shapes: Shapes) -> Expression | None:
    """A size in terms of the sizes of tensors with these shapes; None if they do not determine it.

    The shapes have no batch. The result has the value of `size` for every size for which the net is
    valid.
    """
    if isinstance(size, int):
        return size
    found = _axis_of(size, shapes) or _multiple(size, shapes)
    if found is not None:
        return found
    total: Expression | None = None
    # Sums with the positive terms first are written without a negative number at the front.
    for monomial, c in sorted(size.terms.items(), key=lambda term: term[1] < 0):
        term = _product(monomial, abs(c), shapes)
        if term is None:
            return None
        if total is None:
            total = term if c > 0 else Arithmetic(0, "-", term)
        else:
            total = Arithmetic(total, "+" if c > 0 else "-", term)
    return total


def tensors_in(expression: Expression | None) -> set[int]:
    """The numbers of the tensors whose sizes occur in an expression."""
    if isinstance(expression, AxisSize):
        return {expression.tensor}
    if isinstance(expression, Arithmetic):
        return tensors_in(expression.left) | tensors_in(expression.right)
    return set()


def _axis_of(size: Sym, shapes: Shapes) -> AxisSize | None:
    """The first axis that has this size."""
    for tensor, shape in enumerate(shapes):
        if size in shape:
            return AxisSize(tensor, shape.index(size) + 1)
    return None


def _multiple(size: Sym, shapes: Shapes) -> Expression | None:
    """The size as a multiple of that of an axis, plus a number."""
    monomial, c = next(iter(size.terms.items()))
    for tensor, shape in enumerate(shapes):
        for axis, of_axis in enumerate(shape, start=1):
            if not isinstance(of_axis, Sym) or monomial not in of_axis.terms:
                continue
            factor, rest = divmod(c, of_axis.terms[monomial])
            more = size - of_axis * factor
            if rest or factor < 1 or not isinstance(more, int):
                continue
            found: Expression = AxisSize(tensor, axis)
            if factor > 1:
                found = Arithmetic(found, "*", factor)
            return _plus(found, more)
    return None


def _plus(expression: Expression, more: int) -> Expression:
    """The sum of an expression and a number."""
    if more == 0:
        return expression
    return Arithmetic(expression, "+" if more > 0 else "-", abs(more))


def _product(monomial: tuple[Atom, ...], c: int, shapes: Shapes) -> Expression | None:
    """The product of a positive number, symbols and floors."""
    product: Expression | None = None if c == 1 and monomial else c
    for atom in monomial:
        factor = _atom(atom, shapes)
        if factor is None:
            return None
        product = factor if product is None else Arithmetic(product, "*", factor)
    return product


def _atom(atom: Atom, shapes: Shapes) -> Expression | None:
    """A symbol or a floor: from an axis, or else the floor of what is known of its numerator."""
    found = _solved(atom, shapes)
    if found is not None or isinstance(atom, str):
        return found
    numerator = expressed(atom.numerator, shapes)
    if numerator is None:
        return None
    return Arithmetic(numerator, "//", atom.divisor)


def _solved(atom: Atom, shapes: Shapes) -> Expression | None:
    """A symbol or a floor from the first axis whose size is a multiple of it plus a number."""
    alone = _axis_of(Sym({(atom,): 1}), shapes)
    if alone is not None:
        return alone
    for tensor, shape in enumerate(shapes):
        for axis, size in enumerate(shape, start=1):
            if not isinstance(size, Sym) or set(size.terms) - {()} != {(atom,)}:
                continue
            factor, more = size.terms[atom,], size.terms.get((), 0)
            if factor < 0:
                continue
            found = _plus(AxisSize(tensor, axis), -more)
            return found if factor == 1 else Arithmetic(found, "//", factor)
    return None
