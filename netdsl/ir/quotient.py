"""The exact quotient of two size formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.ir.types import FormulaTooLong, Sym

if TYPE_CHECKING:
    from netdsl.ir.types import Monomial

MOST_TERMS = 100  # of a quotient


def exact_quotient(a: int | Sym, b: int | Sym) -> int | Sym | None:
    """The formula whose product with `b` is `a`; None if there is none.

    This is long division of polynomials: the first term of a formula has the highest degree, so the
    first term of `a` is the product of those of `b` and of the quotient.
    """
    quotient: int | Sym = 0
    for _ in range(MOST_TERMS):
        if a == 0:
            return quotient
        factor = _of_first_terms(a, b)
        if factor is None:
            return None
        quotient = quotient + factor
        try:
            a = a - factor * b
        except FormulaTooLong:
            return None
    return None


def _of_first_terms(a: int | Sym, b: int | Sym) -> int | Sym | None:
    """The exact quotient of the first terms of two formulas."""
    (monomial, c), (divisor, d) = _first(a), _first(b)
    atoms = list(monomial)
    for atom in divisor:
        if atom not in atoms:
            return None
        atoms.remove(atom)
    if c % d:
        return None
    return Sym({tuple(atoms): c // d}) if atoms else c // d


def _first(value: int | Sym) -> tuple[Monomial, int]:
    if isinstance(value, int):
        return (), value
    return next(iter(value.terms.items()))
