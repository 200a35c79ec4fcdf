"""Groups the differences of layers by what was written differently in the texts.

A layer's call, the calls of the blocks around it, the loops, and the values of names are compared
from the inside out; the first that differs is the cause. Differences without a cause of their own
follow from others, for example an argument that is computed from a shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.diff.parts import Part
from netdsl.diff.statements import Key, Texts
from netdsl.ir.graph import Node, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.diff.effects import Effect
    from netdsl.diff.matching import Matching
    from netdsl.diff.statements import Piece
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Site
    from netdsl.source import Span

_ALONE = ("moved", "renamed", "wrapped", "unwrapped", "output")  # each is an edit of its own


class Cause(NamedTuple):
    """What was written differently, and the differences of layers that this makes.

    `key` is what kind of text it is: `statement`, `let`, `parameter`, `repeat`, `for`, `if` or
    `net`, with a name. `old` and `new` are the pieces of the two texts, if there are.
    """

    key: Key
    old: Piece | None
    new: Piece | None
    effects: list[Effect]


class Causes:
    """The causes of the differences between two nets, in the order of the second text."""

    def __init__(self, matching: Matching, before: Compiled, after: Compiled) -> None:
        self._matching = matching
        self._nets = before.graph.name, after.graph.name
        self._texts = Texts(before.program), Texts(after.program)
        self._images: tuple[dict[Span, Span], dict[Span, Span]] = ({}, {})
        for a, b in matching.pairs():
            if isinstance(a.item, Node):
                self._note_pair(_places(a), _places(b))

    def _note_pair(self, a: list[Span], b: list[Span]) -> None:
        """Remember which statements two equal layers come from, from the inside out."""
        pairs = list(zip(a, b, strict=False))
        if len(a) != len(b):
            pairs = pairs[:1]
        for x, y in pairs:
            self._images[0].setdefault(x, y)
            self._images[1].setdefault(y, x)

    def of(self, effects: list[Effect]) -> tuple[list[Cause], list[Effect]]:
        """The causes, and the effects that have none."""
        causes: dict[object, Cause] = {}
        rest = []
        for effect in effects:
            found = self._cause(effect)
            if found is None:
                rest.append(effect)
                continue
            key, old, new = found
            spans = [None if piece is None else piece.span for piece in (old, new)]
            group = (effect.what if effect.what in _ALONE else "", key, *spans)
            causes.setdefault(group, Cause(key, old, new, [])).effects.append(effect)
        return sorted(causes.values(), key=_order), rest

    def _cause(self, effect: Effect) -> tuple[Key, Piece | None, Piece | None] | None:
        a, b = effect.a, effect.b
        a, b = self._within_blocks(a, b)
        places = [_places(part) if part is not None else [] for part in (a, b)]
        if effect.what in _ALONE or (a is not None and b is not None and not all(places)):
            return ("statement",), *self._heads(*(p[0] if p else None for p in places))
        if a is None or b is None:
            side = int(a is None)
            return self._cause_of_one(places[side], side)
        if effect.what == "replaced":
            return self._changed_at(places[0][0], places[1][0]) or self._outside(*places)
        return self._outside(*places)

    def _within_blocks(
        self, a: Part | Value | None, b: Part | Value | None
    ) -> tuple[Part | Value | None, Part | Value | None]:
        """The calls of two different blocks that stand for each other around a difference."""
        for part in (a, b):
            scope = part.outer if isinstance(part, Part) else None
            while scope is not None:
                partner = self._matching.partner(scope)
                if partner is not None and partner.kind != scope.kind:
                    return (scope, partner) if part is a else (partner, scope)
                scope = scope.outer
        return a, b

    def _heads(self, a: Span | None, b: Span | None) -> tuple[Piece | None, Piece | None]:
        old, new = (
            None if span is None else texts.at(span).head
            for texts, span in zip(self._texts, (a, b), strict=True)
        )
        return old, new

    def _outside(
        self, a: list[Span], b: list[Span]
    ) -> tuple[Key, Piece | None, Piece | None] | None:
        """The first difference between the calls that lead to two layers, from the inside out."""
        for x, y in zip(a, b, strict=False):
            found = self._changed_at(x, y)
            if found is not None:
                return found
        before, after = (
            texts.net(name) for texts, name in zip(self._texts, self._nets, strict=True)
        )
        return _changed(before, after)

    def _changed_at(self, a: Span, b: Span) -> tuple[Key, Piece | None, Piece | None] | None:
        """How two statements differ, in themselves or in what they depend on."""
        old, new = self._heads(a, b)
        assert old is not None
        assert new is not None
        if old.words != new.words:
            return ("statement",), old, new
        return _changed(self._texts[0].depends(a), self._texts[1].depends(b))

    def _cause_of_one(
        self, places: list[Span], side: int
    ) -> tuple[Key, Piece | None, Piece | None] | None:
        """Why only one net has a layer: its statement, a loop around it, or a value."""
        images = self._images[side]
        for span in reversed(places):
            if span not in images:
                head = self._texts[side].at(span).head
                return (("statement",), None, head) if side else (("statement",), head, None)
        others = [images[span] for span in places]
        if side:
            return self._outside(others, places)
        return self._outside(places, others)


def _changed(
    before: dict[Key, Piece], after: dict[Key, Piece]
) -> tuple[Key, Piece | None, Piece | None] | None:
    """The first of the things that two statements depend on that differs."""
    for key in {**after, **before}:
        old, new = before.get(key), after.get(key)
        if (old and old.words) != (new and new.words):
            return key, old, new
    return None


def _places(part: Part | Value) -> list[Span]:
    """The statement that makes a layer or scope, then the calls of the blocks around it."""
    if isinstance(part, Value):
        return list(_sites(part.site))
    item = part.item
    if isinstance(item, Node):
        return list(_sites(item.output.site))
    if item.site is not None:
        return list(_sites(item.site))
    # Only a prefix of names, such as that of a labelled join.
    inner = next(iter(item.nodes()), None)
    return [] if inner is None else list(_sites(inner.output.site))


def _sites(site: Site | None) -> Iterator[Span]:
    while site is not None:
        yield site.span
        site = site.caller


def _order(cause: Cause) -> tuple[bool, int]:
    piece = cause.new or cause.old
    return cause.new is None, piece.span.start if piece else 0
