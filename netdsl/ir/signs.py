"""Proofs that a size formula is at least 0 for all sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.ir.types import FormulaTooLong, Sym, subs

if TYPE_CHECKING:
    from collections.abc import Mapping

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
