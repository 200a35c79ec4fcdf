"""Products of sizes: when two are equal, and the quotient of two."""

from __future__ import annotations

from math import gcd, prod
from typing import TYPE_CHECKING

from netdsl.ir.types import Floor, FormulaTooLong, Sym

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.types import Monomial

    Sizes = Sequence[int | Sym]
    Pairs = list[tuple[int | Sym, int | Sym]]

MOST_TERMS = 100  # of a quotient


def equal_products(ours: Sizes, theirs: Sizes) -> Pairs:
    """The pairs of sizes that are equal exactly if the products of two shapes are equal.

    For 3xHxW and 3x2x⌊H/2⌋xW, this is the pair H and 2⌊H/2⌋: no multiple of ⌊H/2⌋ that is needed
    is more than H, so that the products are equal only if these factors are.
    """
    left, right, pairs = matched(ours, theirs)
    if left == right:
        return pairs
    left, right, _ = matched(ours, theirs, floors=False)
    return [(left, right)]


def matched(
    ours: Sizes, theirs: Sizes, *, floors: bool = True
) -> tuple[int | Sym, int | Sym, Pairs]:
    """The products of the sizes that two shapes do not have in common.

    With `floors`, an H for which the other shape has ⌊H/k⌋ counts as k ⌊H/k⌋; the result has the
    pairs that must be equal for this.
    """
    left, right = list(ours), []
    pairs: Pairs = []
    for size in theirs:
        if isinstance(size, Sym) and size in left:
            left.remove(size)
        else:
            right.append(size)
    for size in [*right] if floors else []:
        for whole in left:
            k = _divisor_between(whole, size)
            if k is not None:
                left[left.index(whole)] = k
                right.remove(size)
                pairs.append((whole, size * k))
                break
    return prod(left), prod(right), pairs


def _divisor_between(whole: int | Sym, size: int | Sym) -> int | None:
    """The k for which a size is ⌊whole/k⌋; None if there is none."""
    if isinstance(whole, int) or isinstance(size, int):
        return None
    ours, theirs = _largest_divisor(whole), _largest_divisor(size)
    for k in (theirs, theirs // ours):  # ⌊⌊H/2⌋/3⌋ is ⌊H/6⌋
        if k > 1 and whole // k == size:
            return k
    return None


def _largest_divisor(size: Sym) -> int:
    return max((a.divisor for a in size.atoms() if isinstance(a, Floor)), default=1)


def common_factor(value: int | Sym) -> int:
    """The largest number that divides all coefficients of a formula."""
    return value if isinstance(value, int) else gcd(*value.terms.values())


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
