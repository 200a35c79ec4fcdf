"""Which conditions on several open sizes follow from others.

The sizes of each symbol are those of its own conditions, as the text gives them (`Domain`). For
each remainder of the sizes, a condition is a polynomial in the numbers of periods, because the
floors repeat. It holds if each of these polynomials has no negative coefficient.
"""

from __future__ import annotations

from itertools import product
from math import lcm, prod
from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.signs import LONGEST, is_nonnegative
from netdsl.ir.types import FormulaTooLong, Sym, subs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.analysis.conditions import Condition
    from netdsl.ir.types import Monomial

    Domains = Mapping[str, "Domain"]

LIMIT = 400  # how many combinations of remainders are tried


class Domain(NamedTuple):
    """The valid sizes of a symbol.

    They are those from `minimum` on with one of the remainders modulo the period. If there are no
    remainders, they are only the sizes in `few`.
    """

    minimum: int = 1
    period: int = 1
    remainders: frozenset[int] = frozenset({0})
    few: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no size is valid."""
        return not self.remainders and not self.few

    def progressions(self, period: int) -> list[tuple[int, int]]:
        """The sizes as arithmetic progressions (first, step) with a multiple of this period."""
        if not self.remainders:
            return [(size, 0) for size in self.few]
        step = lcm(period, self.period)
        sizes = range(self.minimum, self.minimum + step)
        return [(size, step) for size in sizes if size % self.period in self.remainders]


def without_implied(conditions: list[Condition], domains: Domains) -> list[Condition]:
    """The conditions on several symbols without those that follow from the rest."""
    kept = [c for c in conditions if not _is_implied(c.value, domains, equal=c.equal)]
    for condition in list(kept):
        others = [c for c in kept if c is not condition]
        if any(_follows(condition, other, domains) for other in others):
            kept = others
    return kept


def without_equal(domains: Domains, conditions: list[Condition]) -> list[str]:
    """The symbols without those whose least size follows from an equation and the symbols left.

    With `S == T`, for instance, S >= 1 says nothing beside T >= 1.
    """
    kept = list(domains)
    equations = [c for c in conditions if c.equal]
    for symbol in reversed(list(domains)):
        minimum, period, _, few = domains[symbol]
        if period > 1 or few:
            continue
        others = set(kept) - {symbol}
        least = Sym({(symbol,): 1, (): -minimum})
        rests = [_exchanged(least, equation.value, (symbol,)) for equation in equations]
        known = [
            r for r in rests if isinstance(r, int) or (r is not None and r.symbols() <= others)
        ]
        if any(_is_implied(rest, domains, equal=False) for rest in known):
            kept.remove(symbol)
    return kept


def _exchanged(value: Sym, zero: Sym, monomial: Monomial) -> int | Sym | None:
    """A value without this monomial that is at least 0 only if `value` is, where `zero` is 0.

    None if one of the two does not have the monomial. A value is an integer, so it is at least 0 if
    n times the value is more than -n.
    """
    a, c = value.terms.get(monomial, 0), zero.terms.get(monomial, 0)
    if a == 0 or c == 0:
        return None
    sign = 1 if c > 0 else -1
    return value * abs(c) + (abs(c) - 1) - zero * (a * sign)


def _follows(condition: Condition, other: Condition, domains: Domains) -> bool:
    """Whether a condition is a multiple of another plus one that always holds."""
    if condition.equal and not other.equal:
        return False
    for sign in (1, -1) if other.equal else (1,):
        part = other.value * sign
        times = _ratio(condition.value, part)
        if times >= 1:
            rest = condition.value - part * times
            if _is_implied(rest, domains, equal=condition.equal):
                return True
    return other.equal and not condition.equal and _is_exchanged(condition, other, domains)


def _is_exchanged(condition: Condition, equation: Condition, domains: Domains) -> bool:
    """Whether a condition holds with one of its terms replaced by the rest of an equation."""
    rests = [_exchanged(condition.value, equation.value, m) for m in condition.value.terms if m]
    return any(rest is not None and _is_implied(rest, domains, equal=False) for rest in rests)


def _ratio(value: Sym, other: int | Sym) -> int:
    """How often the first term of another formula is contained in this one."""
    if isinstance(other, int):
        return 0
    monomial, c = next(iter(other.terms.items()))
    return value.terms.get(monomial, 0) // c


def _is_implied(value: int | Sym, domains: Domains, *, equal: bool) -> bool:
    """Whether a proof exists that a value is 0, or at least 0, for all sizes in the domains."""
    if isinstance(value, int):
        return value == 0 if equal else value >= 0
    if not equal and is_nonnegative(value, {s: domains[s].minimum for s in value.symbols()}):
        return True
    return _holds_everywhere(value, domains, equal=equal)


def _holds_everywhere(value: Sym, domains: Domains, *, equal: bool) -> bool:
    """Whether each combination of remainders gives a polynomial that proves the condition."""
    period = value.period()
    symbols = sorted(value.symbols())
    if period > LIMIT or value.length > LONGEST:
        return False
    choices = [domains[symbol].progressions(period) for symbol in symbols]
    if prod(map(len, choices)) > LIMIT:
        return False
    for progressions in product(*choices):
        pairs = zip(symbols, progressions, strict=True)
        sizes = {s: Sym.var(s) * step + first for s, (first, step) in pairs}
        try:
            polynomial = subs(value, sizes)
        except FormulaTooLong:
            return False
        terms = polynomial.terms.values() if isinstance(polynomial, Sym) else [polynomial]
        if min(terms) < 0 or (equal and any(terms)):
            return False
    return True
