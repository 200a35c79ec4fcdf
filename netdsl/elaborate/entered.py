"""The loops, blocks and residuals that a value has entered before a layer takes it.

What a value needs before such a layer is written in front of them: inside, it would be applied in
each round, at each call, or to only one side of a sum.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.op import WINDOWED
from netdsl.ops import LAYERS
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.elaborate.builder import NetBuilder
    from netdsl.ir.graph import Site, Value

LONGEST_CALL = 40  # characters
ELEMENTWISE = ("layernorm", "rmsnorm", "dropout", "droppath", "relu", "gelu", "silu", "tanh")
_REFERENCE = re.compile(r"@[\w.{}]+\s*->\s*(?:\w+:\s*)?$")  # before the layer that takes it
_RESIDUAL = re.compile(r"\bresidual\b[^{}]*\{[^{}]*$")  # before a layer in its braces


class Entered(NamedTuple):
    """A stretch of the text that a value enters, and its name in a message."""

    span: Span
    name: str

    def contains(self, places: list[Span]) -> bool:
        """Whether one of some places is in the stretch."""
        whole = self.span
        inside = (p for p in places if p.file is whole.file and whole.start <= p.start < whole.end)
        return any(inside)

    @property
    def loop(self) -> Entered | None:
        """The stretch itself if it is a loop over layers that leave the axes in their order."""
        is_loop = self.name in ("the `for`", "the `repeat`")
        return self if is_loop and not of_other_order(self.span.text) else None

    @property
    def before(self) -> str:
        """Where to write what is to come first."""
        return f"before {self.name} on line {self.span.first.line}"


def of_other_order(text: str) -> list[str]:
    """The kinds in a text that need or make another order of the axes than sequences have."""
    kinds = [LAYERS[word] for word in re.findall(r"\w+", text) if word in LAYERS]
    return [k.kind for k in kinds if k.kind in ("permute", "bn") or k.family in WINDOWED]


def entered(net: NetBuilder, place: Span, x: Value) -> Entered | None:
    """The outermost part of the text that a value enters before it comes to a place, or None."""
    while x.producer is not None and x.producer.op.kind in ELEMENTWISE:
        x = x.producer.inputs[0]  # these layers take what is put before them
    own, theirs = [place, *_calls(net.caller)], [x.site.span, *_calls(x.site.caller)]
    named = [i for i, span in enumerate(own) if _REFERENCE.search(_before(span))]
    if named:  # the value does not enter what is around its reference
        own = own[: named[0] + 1]
    found = [e for e in _around(net, own) if e.contains(own) and not e.contains(theirs)]
    if named:
        found = [e for e in found if e.span == own[-1] or not e.contains(own[-1:])]
    # A part of the text is outside of those that are inside its calls, and of shorter ones.
    levels = {e: max(i for i, span in enumerate(own) if e.contains([span])) for e in found}
    return max(found, key=lambda e: (levels[e], e.span.end - e.span.start), default=None)


def _before(place: Span) -> str:
    """The line of a place, up to it."""
    return place.file.text[: place.start].rpartition("\n")[2]


def _calls(site: Site | None) -> list[Span]:
    """The calls of blocks that lead to a place, innermost first."""
    calls: list[Span] = []
    while site is not None:
        calls.append(site.span)
        site = site.caller
    return calls


def _around(net: NetBuilder, places: list[Span]) -> Iterator[Entered]:
    for loop in (round_.loop for round_ in net.loops):
        if loop.body.arms:
            continue  # its rounds are side by side, and each takes the same value
        word = "for" if isinstance(loop, ast.For) else "repeat"
        yield Entered(loop.span, f"the `{word}`")
    for call in places[1:]:
        text = call.text
        if len(text) > LONGEST_CALL or "\n" in text:
            text = re.split(r"\W", text, maxsplit=1)[0]
        yield Entered(call, f"`{text}`")
    for place in places:
        residual = _RESIDUAL.search(place.file.text[: place.start])
        if residual is not None:
            yield Entered(Span(place.file, residual.start(), place.end), "the `residual`")
