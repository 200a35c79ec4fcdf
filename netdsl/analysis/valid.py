"""For which input sizes a net is valid.

Every size of every value must be at least 1, sizes that a join needs equal must be equal. For one symbol the conditions are
decided by trying sizes: floors of linear forms repeat with the least common multiple of their divisors, so that a few periods
past the last minimum tell the whole story.
"""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.types import Sym, compact

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph

LIMIT = 20_000


class Condition(NamedTuple):
    """`value` must be 0 where `equal`, else at least 0."""

    value: Sym
    equal: bool

    def holds(self, at: dict[str, int]) -> bool:
        """Whether sizes satisfy it."""
        value = self.value.subs(at)
        return isinstance(value, Sym) or (value == 0 if self.equal else value >= 0)


def conditions(graph: Graph) -> list[Condition]:
    """What the sizes of the inputs must satisfy, each condition once."""
    found: dict[Condition, None] = {}
    seen: set[object] = set()
    for node in graph.nodes:
        key = (node.op, node.types)
        if key in seen:
            continue
        seen.add(key)
        for d in node.type.shape:
            if isinstance(d, Sym):
                found[Condition(d - 1, equal=False)] = None  # type: ignore[arg-type]
        for room in node.op.nonnegative(*node.types):
            if isinstance(room, Sym):
                found[Condition(room, equal=False)] = None
    for a, b, _ in graph.equalities:
        difference = a - b
        if isinstance(difference, Sym):
            found[Condition(difference, equal=True)] = None
        elif difference:
            found[Condition(Sym({("never",): 1}), equal=True)] = None
    return list(found)


def valid_for(graph: Graph) -> str:
    """The input sizes a net is valid for, in words: `H >= 32, H divisible by 16`. Empty where nothing is open."""
    symbols = graph.symbols
    if not symbols:
        return ""
    all_ = conditions(graph)
    parts = []
    for symbol in symbols:
        own = [c for c in all_ if c.value.symbols() == {symbol}]
        parts.append(_one_symbol(symbol, own))
    for condition in all_:
        if len(condition.value.symbols()) > 1:
            if not condition.equal:
                parts.append(f"{compact(condition.value + 1)} >= 1")
            else:
                parts.append(_mixed(condition.value))
        elif condition.value.symbols() == {"never"}:
            return "no size"
    return ", ".join(p for p in parts if p)


def _mixed(value: Sym) -> str:
    terms = list(value.terms.items())
    if len(terms) == 2 and {c for _, c in terms} == {1, -1} and all(len(m) == 1 and isinstance(m[0], str) for m, _ in terms):
        return f"{terms[0][0][0]} == {terms[1][0][0]}"
    return f"{compact(value)} == 0"


def _one_symbol(symbol: str, own: list[Condition]) -> str:
    period = lcm(*(d for c in own for d in c.value.divisors())) if own else 1
    if period > LIMIT // 4:
        return "; ".join(f"{compact(c.value)} {'==' if c.equal else '>='} 0" for c in own)
    top = max(64, 8 * period)
    good = _good(symbol, own, top)
    while (not good or good[0] > top - 3 * period) and top < LIMIT:
        top *= 2
        good = _good(symbol, own, top)
    if not good:
        return f"no {symbol} up to {top:,}"
    tail = [h for h in good if h > top - period]
    if not tail:
        return f"{symbol} in {', '.join(map(str, good[:12]))}" if len(good) <= 12 else f"{symbol} from {good[0]} to {good[-1]}, {len(good)} sizes"
    return ", ".join(_describe(symbol, good, {h % period for h in tail}, period))


def _good(symbol: str, own: list[Condition], top: int) -> list[int]:
    return [h for h in range(1, top + 1) if all(c.holds({symbol: h}) for c in own)]


def _describe(symbol: str, good: list[int], residues: set[int], period: int) -> list[str]:
    """A minimum, and the residues of the sizes above it."""
    least = good[0]
    for h in reversed(range(good[0], good[-1] + 1)):
        if (h in set(good)) != (h % period in residues):
            least = next(g for g in good if g > h)
            break
    parts = [f"{symbol} >= {least}"]
    for n in sorted({d for d in range(2, period + 1) if period % d == 0}, reverse=True):
        classes = {r % n for r in residues}
        if len(classes) == 1 and len(residues) == period // n:
            (r,) = classes
            parts.append(f"{symbol} divisible by {n}" if r == 0 else f"{symbol} % {n} == {r}")
            return parts
    if len(residues) < period:
        shown = ", ".join(str(r) for r in sorted(residues)[:8])
        parts.append(f"{symbol} % {period} in {shown}" + (", ..." if len(residues) > 8 else ""))
    return parts

