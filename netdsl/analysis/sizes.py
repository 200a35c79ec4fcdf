"""Settings of a net's open sizes that its conditions allow: two small ones with room for every
window, and one of the usual size.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from netdsl.analysis.valid import conditions
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.analysis.valid import Condition
    from netdsl.ir.graph import Graph

Sizes = dict[str, int]
USUAL = 224
ROOM = 3  # a map smaller than this hides what happens at its borders
TARGET = 48  # where maps stay smaller than that, the search for room ends
LIMIT = 4096
TRIES = 48
MOST = 20_000


def two_settings(graph: Graph) -> list[Sizes]:
    """Two different valid settings of every open size, one empty setting where nothing is open;
    raises `NetdslError` where none is found.
    """
    symbols = graph.symbols
    if not symbols:
        return [{}]
    rules = conditions(graph)
    choices = {s: _valid_alone(s, rules) for s in symbols}
    dims = {d for n in graph.nodes for d in n.type.shape if isinstance(d, Sym)}
    first = _roomy(symbols, choices, rules, dims, 0)
    second = (
        _roomy(list(reversed(symbols)), choices, rules, dims, max(first.values()) + 3)
        if first
        else None
    )
    if not first:
        message = (
            f"no valid setting of {', '.join(symbols)} from 2 to {LIMIT:,} was found for"
            f" `{graph.name}`"
        )
        raise NetdslError(
            "no-valid-size", message, graph.site.span, help="give the sizes with --input"
        )
    return [first, second] if second and second != first else [first]


def usual_setting(graph: Graph) -> Sizes:
    """Every open size `USUAL`, or the next one at which the net is valid; raises `NetdslError`
    where no setting is found.
    """
    rules = conditions(graph)
    alike = (dict.fromkeys(graph.symbols, h) for h in range(USUAL, LIMIT))
    return (
        next((at for at in alike if all(r.holds(at) for r in rules)), None)
        or two_settings(graph)[0]
    )


def _valid_alone(symbol: str, rules: list[Condition]) -> list[int]:
    own = [r for r in rules if r.value.symbols() == {symbol}]
    return [h for h in range(2, LIMIT) if all(r.holds({symbol: h}) for r in own)]


def _roomy(
    symbols: list[str],
    choices: dict[str, list[int]],
    rules: list[Condition],
    dims: set[Sym],
    start: int,
) -> Sizes | None:
    """The first setting from `start` on in which every map has room; the last one tried where none
    has by `TARGET`.
    """
    best: Sizes | None = None
    for setting in islice(_settings(symbols, choices, rules, start), MOST):
        if not all(r.holds(setting) for r in rules):
            continue
        best = setting
        if min(setting.values()) >= TARGET or all(d.at(setting) >= ROOM for d in dims):
            return setting
    return best


def _settings(
    symbols: list[str], choices: dict[str, list[int]], rules: list[Condition], start: int
) -> Iterator[Sizes]:
    """Settings that grow, each size a little larger than the one before it; then all valid ones of
    the smallest sizes, for sizes that must be equal.
    """
    above = {s: [h for h in choices[s] if h >= start] for s in symbols}
    for low in range(4, TARGET + 4):
        found = {
            s: next((h for h in above[s] if h >= low + start + 2 * i), 0)
            for i, s in enumerate(symbols)
        }
        if all(found.values()):
            yield {s: found[s] for s in sorted(found)}
    width = TRIES if len(symbols) < 3 else 8
    yield from _valid(symbols, {s: above[s][:width] for s in symbols}, rules, {})


def _valid(
    symbols: list[str], choices: dict[str, list[int]], rules: list[Condition], chosen: Sizes
) -> Iterator[Sizes]:
    """The settings that hold to the rules; one that breaks a rule is left at the last symbol that
    the rule needs.
    """
    if len(chosen) == len(symbols):
        yield dict(chosen)
        return
    symbol = symbols[len(chosen)]
    known = {*chosen, symbol}
    due = [r for r in rules if symbol in r.value.symbols() <= known]
    for size in choices[symbol]:
        setting = {**chosen, symbol: size}
        if all(r.holds(setting) for r in due):
            yield from _valid(symbols, choices, rules, setting)
