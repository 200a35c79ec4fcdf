"""Proofs that a size formula is at least 0, or that two differ, for all sizes."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from netdsl.ir.types import Floor, FormulaTooLong, Sym, subs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.ir.types import Atom

MOST_FACTORS = 4  # of products that a proof compares
LONGEST = 200  # symbols and floors of a formula that a proof expands


def is_nonnegative(value: int | Sym, least: Mapping[str, int] | None = None) -> bool:
    """Whether a proof exists that a formula is at least 0 if each symbol is at least `least`.

    Symbols that are not in `least` are at least 1. Each symbol s is replaced by s + least. What is
    left of it is at least 0, and so are the floors, because the coefficients inside floors are not
    negative (see `Sym`). So the formula is nowhere below its constant term if its other
    coefficients are not negative either.
    """
    if isinstance(value, int):
        return value >= 0
    if value.length > LONGEST:
        return False
    degree = len(next(iter(value.terms)))  # of the first terms, which keep their coefficients
    if any(c < 0 for monomial, c in value.terms.items() if len(monomial) == degree):
        return False
    least = least or {}
    shifted = {s: Sym.var(s) + least.get(s, 1) for s in value.symbols()}
    try:
        value = subs(value, shifted)
    except FormulaTooLong:
        return False
    if isinstance(value, int):
        return value >= 0
    return all(c >= 0 for c in value.terms.values())


def differ(a: int | Sym, b: int | Sym) -> bool:
    """Whether a proof exists that two formulas differ for all sizes."""
    difference = a - b
    if is_nonnegative(difference - 1) or is_nonnegative(-difference - 1):
        return True
    return _is_smaller(a, b) or _is_smaller(b, a)


def _is_smaller(a: int | Sym, b: int | Sym) -> bool:
    """Whether one product is smaller than another: 84⌊H/8⌋⌊W/8⌋ than 85⌈H/8⌉⌈W/8⌉.

    Each factor of the one belongs to a factor of the other that is at least as large and at least
    1, and its number is smaller.
    """
    if not (isinstance(a, Sym) and isinstance(b, Sym) and len(a.terms) == len(b.terms) == 1):
        return False
    ((ours, c),), ((theirs, d),) = a.terms.items(), b.terms.items()
    if not 0 < c < d or len(ours) != len(theirs) or len(ours) > MOST_FACTORS:
        return False
    if not all(is_nonnegative(Sym({(atom,): 1}) - 1) for atom in theirs):
        return False
    return any(all(map(_is_at_most, ours, order)) for order in permutations(theirs))


def _is_at_most(small: Atom, large: Atom) -> bool:
    if isinstance(small, Floor) and isinstance(large, Floor):
        return small.divisor == large.divisor and is_nonnegative(large.numerator - small.numerator)
    return small == large
