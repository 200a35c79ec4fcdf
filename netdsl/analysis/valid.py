"""For which input sizes a net is valid.

Every size of every value must be at least 1, sizes that a join needs equal must be equal. For one
symbol the conditions are decided by trying sizes: the steps of floors repeat with their period, so
that each condition is a polynomial of the number of periods, and one period past the last of their
roots tells the whole story.
"""

from __future__ import annotations

from itertools import chain, combinations, islice, pairwise
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl.diagnostics import Annotation
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym, compact

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph
    from netdsl.ir.types import TensorType

LIMIT = 20_000  # sizes that are tried at most
TRIED = 500  # sets of conditions that may exclude one another
_NONE = "none"
VALUES = 4  # that tell a polynomial of the third degree, of a size that stands along three axes


class Condition(NamedTuple):
    """`value` must be 0 where `equal`, else at least 0."""

    value: Sym
    equal: bool

    def holds(self, at: dict[str, int]) -> bool:
        """Whether sizes, given for every symbol, satisfy it."""
        value = self.value.at(at)
        return value == 0 if self.equal else value >= 0


def conditions(graph: Graph) -> list[Condition]:
    """What the sizes of the inputs must satisfy, each condition once."""
    found: dict[Condition, None] = {}
    seen: set[object] = set()
    for value in graph.inputs:
        formulas = [d for d in value.type.shape if isinstance(d, Sym) and str(d) not in d.symbols()]
        found |= {
            Condition(above, equal=False): None for d in formulas if isinstance(above := d - 1, Sym)
        }
    for node in graph.nodes:
        key = (node.op, node.types)
        if key in seen:
            continue
        seen.add(key)
        for d in node.type.shape:
            above = d - 1
            if isinstance(above, Sym) and not _flattened(d, node.types, node.type):
                found[Condition(above, equal=False)] = None
        _, needs = node.op.inferred(*node.types)
        found |= {Condition(room, equal=False): None for room in needs.nonnegative}
    for a, b, _ in graph.equalities:
        for difference in (a - b, b - a):
            if isinstance(difference, Sym) and next(iter(difference.terms.values())) > 0:
                found[Condition(difference, equal=True)] = None
    return list(found)


def _flattened(d: int | Sym, types: tuple[TensorType, ...], made: TensorType) -> bool:
    """Whether a size is a product of the sizes of the input: it is at least 1 where they are, which
    is asked of them already.
    """
    alone = (
        isinstance(d, Sym)
        and len(d.symbols()) > 1
        and len(types) == 1
        and sum(isinstance(o, Sym) for o in made.shape) == 1
    )
    return alone and types[0].size == made.size


def valid_for(graph: Graph) -> str:
    """The input sizes a net is valid for, in words:

    `H >= 32, H divisible by 16`. Empty where nothing is open; raises `NetdslError` where no size of
    a symbol is valid.
    """
    symbols = graph.symbols
    if not symbols:
        return ""
    all_ = conditions(graph)
    parts = []
    for symbol in symbols:
        own = [c for c in all_ if c.value.symbols() == {symbol}]
        said = _one_symbol(symbol, own)
        if said == _NONE:
            raise _never(graph, symbol, own)
        parts.append(said)
    parts += [_words(c) for c in all_ if len(c.value.symbols()) > 1]
    return ", ".join(p for p in parts if p)


def _never(graph: Graph, symbol: str, own: list[Condition]) -> NetdslError:
    """The error of a net that no size suits: the fewest conditions that exclude one another, and
    the layers that need sizes to be equal.
    """
    few = chain(combinations(own, 1), combinations(own, 2), combinations(own, 3))
    clash = next(
        (some for some in islice(few, TRIED) if _one_symbol(symbol, list(some)) == _NONE),
        tuple(own),
    )
    places = [
        site.span
        for a, b, site in graph.equalities
        for c in clash
        if c.equal and c.value in (a - b, b - a)
    ]
    declared = next(
        (
            v.site.span
            for v in graph.inputs
            if any(isinstance(d, Sym) and symbol in d.symbols() for d in v.type.shape)
        ),
        graph.site.span,
    )
    *others, place = list(dict.fromkeys(places)) or [declared]
    notes = tuple(Annotation("and so is it here", span) for span in others[:2])
    return NetdslError(
        "no-valid-size",
        f"no {symbol} makes `{graph.name}` valid: {' and '.join(map(_words, clash[:4]))}",
        place,
        help=f"a number for {symbol} in the `input` shows what does not fit",
        notes=notes,
    )


def _words(condition: Condition) -> str:
    return _mixed(condition.value) if condition.equal else f"{compact(condition.value + 1)} >= 1"


def _mixed(value: Sym) -> str:
    left, right = (
        {m: c * sign for m, c in value.terms.items() if c * sign > 0} for sign in (1, -1)
    )
    return f"{_side(left)} == {_side(right)}"


def _side(terms: dict[Any, int]) -> str:
    return compact(Sym(terms) if any(terms) else terms.get((), 0))


def _one_symbol(symbol: str, own: list[Condition]) -> str:
    period = lcm(*(c.value.period() for c in own))
    top = period * VALUES  # tried for the differences alone
    if top <= LIMIT:
        top = period + max(
            (_settled(symbol, c.value, c.value.period()) for c in own), default=period
        )
    if top > LIMIT:
        return "; ".join(f"{compact(c.value)} {'==' if c.equal else '>='} 0" for c in own)
    good = _good(symbol, own, top)
    if not good:
        return _NONE
    tail = [h for h in good if h >= top - period]
    if not tail:
        if len(good) == 1:
            return f"{symbol} == {good[0]}"
        return (
            f"{symbol} in {', '.join(map(str, good))}"
            if len(good) <= 12
            else f"{symbol} from {good[0]} to {good[-1]}, {len(good)} sizes"
        )
    return ", ".join(_describe(symbol, good, {h % period for h in tail}, period))


def _settled(symbol: str, value: Sym, period: int) -> int:
    """A size from which on the value keeps its sign in each class of sizes: there it is a
    polynomial of the number q of periods, found by its differences.

    The sum of d_j C(q, j) for j <= k has the sign of d_k where q >= 2 k and q > k - 1 + k s /
    |d_k|, s the sum of the |d_j| of the other sign.
    """
    return max(
        first + period * _periods([value.at({symbol: first + i * period}) for i in range(VALUES)])
        for first in range(period)
    )


def _periods(row: list[int]) -> int:
    lower: list[int] = []
    periods = len(lower)
    while any(row):
        leading = row[0]
        periods = len(lower) * 2 + sum(
            len(lower) * abs(d) // abs(leading) for d in lower if d * leading < 0
        )
        lower.append(leading)
        row = [b - a for a, b in pairwise(row)]
    return periods


def _good(symbol: str, own: list[Condition], top: int) -> list[int]:
    """The sizes below that one at which every condition holds."""
    rules, good = list(own), []
    for h in range(1, top):
        broken = next((i for i, c in enumerate(rules) if not c.holds({symbol: h})), None)
        if broken is None:
            good.append(h)
        else:
            rules = [rules.pop(broken), *rules]  # it likely fails the next size too
    return good


def _describe(symbol: str, good: list[int], residues: set[int], period: int) -> list[str]:
    """A minimum, and the residues of the sizes above it."""
    least, known = good[0], set(good)
    for h in reversed(range(least, max(good))):
        if (h in known) != (h % period in residues):
            least = next(g for g in good if g > h)
            break
    parts = [f"{symbol} >= {least}"]
    n = period // len(residues)
    classes = {r % n for r in residues}
    if len(classes) == 1 and n * len(residues) == period > len(residues):
        (r,) = classes
        parts.append(f"{symbol} divisible by {n}" if r == 0 else f"{symbol} % {n} == {r}")
    elif len(residues) < period:
        runs = _runs(sorted(residues))
        shown = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in runs[:8])
        parts.append(f"{symbol} % {period} in {shown}" + (", ..." if len(runs) > 8 else ""))
    return parts


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """The first and last of each run of successive numbers."""
    runs: list[tuple[int, int]] = []
    for n in numbers:
        first = runs.pop()[0] if runs and runs[-1][1] == n - 1 else n
        runs.append((first, n))
    return runs
