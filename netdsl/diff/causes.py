"""Groups the differences of layers by what was written differently in the texts.

A layer's call, the calls of the blocks around it, the loops, and the values of names are compared
from the inside out; the first that differs is the cause. Differences without a cause of their own
follow from others, for example an argument that is computed from a shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.diff.parts import NetPart
from netdsl.diff.statements import Key, Texts
from netdsl.ir.graph import Node, Value
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.diff.effects import Effect
    from netdsl.diff.matching import Matching
    from netdsl.diff.statements import Excerpt
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Site
    from netdsl.source import Span

    _Found = tuple[Key, Excerpt | None, Excerpt | None]

_ALONE = (
    "moved",
    "renamed",
    "wrapped",
    "unwrapped",
    "output",
    "frozen",
)  # each is an edit of its own

_OF_VALUES = ("inputs", "shared")  # differences that follow from no shape


class Cause(NamedTuple):
    """What was written differently, and the differences of layers that this makes.

    `key` is what kind of text it is: `statement`, `let`, `parameter`, `repeat`, `for`, `if` or
    `net`, with a name. `old` and `new` are the pieces of the two texts, if there are.
    """

    key: Key
    old: Excerpt | None
    new: Excerpt | None
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
            spans = [piece and piece.span for piece in (old, new)]
            group = (effect.what in _ALONE and effect.what, key, *spans)
            causes.setdefault(group, Cause(key, old, new, [])).effects.append(effect)
        homes = [texts.program.source.key for texts in self._texts]
        return _joined(sorted(causes.values(), key=lambda cause: _order(cause, homes))), rest

    def _cause(self, effect: Effect) -> _Found | None:
        a, b = effect.a, effect.b
        a, b = self._within_blocks(a, b)
        places = [_places(part) for part in (a, b)]
        if effect.what == "aux":
            heads = [t.aux_at(p[-1]) for t, p in zip(self._texts, places, strict=True)]
            return ("statement",), heads[0], heads[1]
        if effect.what in _ALONE or (a is not None and b is not None and not all(places)):
            first, second = (next(iter(spans), None) for spans in places)
            return ("statement",), *self._heads(first, second)
        if a is None or b is None:
            side = int(a is None)
            return self._cause_of_one(places[side], side)
        if effect.what == "replaced":
            found = self._whole(places[0][0], places[1][0])
            return found or self._outside(places[0], places[1], None)
        found = self._outside(places[0], places[1], self._wanted(effect, places))
        if found is None and effect.what in _OF_VALUES:
            # The words are the same, but the arms or the layers before them are not.
            return ("statement",), *self._heads(places[0][0], places[1][0])
        return found

    def _wanted(self, effect: Effect, places: list[list[Span]]) -> dict[str, int] | None:
        """The argument that an effect is about, with its position, if its layer's call has it."""
        part = effect.b
        if effect.what != "argument" or not isinstance(part, NetPart):
            return None
        for texts, spans in zip(self._texts, places, strict=True):
            element = texts.at(spans[0]).element
            if not isinstance(element, ast.Call) or element.name != part.kind:
                return None
        names = [argument.name for argument in part.node.op.args]
        return {effect.name: names.index(effect.name)}

    def _within_blocks(
        self, a: NetPart | Value | None, b: NetPart | Value | None
    ) -> tuple[NetPart | Value | None, NetPart | Value | None]:
        """The calls of two different blocks that stand for each other around a difference."""
        for part in (a, b):
            if not isinstance(part, NetPart):
                continue
            for scope in part.around():
                partner = self._matching.partner(scope)
                if partner is not None and partner.kind != scope.kind:
                    both = scope, partner
                    return both[part is not a], both[part is a]
        return a, b

    def _heads(self, a: Span | None, b: Span | None) -> tuple[Excerpt | None, Excerpt | None]:
        old, new = (
            span and texts.at(span).head for texts, span in zip(self._texts, (a, b), strict=True)
        )
        return old, new

    def _outside(
        self, a: list[Span], b: list[Span], wanted: dict[str, int] | None, *, exists: bool = False
    ) -> _Found | None:
        """The first difference between the calls that lead to two layers, from the inside out.

        `wanted` are the arguments that matter of the first call, or None if all of it does. With
        `exists`, the question is whether the layer is there: loops and conditions matter.
        """
        for x, y in zip(a, b, strict=False):
            if wanted is None:
                found = self._whole(x, y)
            else:
                found, wanted = self._argued(x, y, wanted, exists=exists)
            if found is not None:
                return found
            if wanted == {} and not exists:
                return None
        before, after = (
            texts.net(name) for texts, name in zip(self._texts, self._nets, strict=True)
        )
        return _changed(before, after)

    def _whole(self, a: Span, b: Span) -> _Found | None:
        """How two statements differ, in themselves or in what they depend on."""
        old, new = self._heads(a, b)
        assert old is not None
        assert new is not None
        if old.words != new.words:
            return ("statement",), old, new
        return _changed(self._texts[0].depends(a), self._texts[1].depends(b))

    def _argued(
        self, a: Span, b: Span, wanted: dict[str, int], *, exists: bool
    ) -> tuple[_Found | None, dict[str, int] | None]:
        """How some arguments of two calls differ, and the parameters on which they depend."""
        pieces = [t.arguments(s, wanted) for t, s in zip(self._texts, (a, b), strict=True)]
        if pieces[0] is None or pieces[1] is None:
            return self._whole(a, b), None
        words = [{name: piece.words for name, piece in found.items()} for found in pieces if found]
        if len(words) == 1 or (words and words[0] != words[1]):
            return (("statement",), *self._heads(a, b)), None
        depends = [
            texts.depends(span, [piece.words for piece in (found or {}).values()], loops=exists)
            for texts, span, found in zip(self._texts, (a, b), pieces, strict=True)
        ]
        named = {key[2] for key in depends[1] if key[0] == "parameter"}
        places = self._texts[1].parameters(b)
        is_bound = set(wanted) <= set(pieces[1])  # or else it may be bound where the block is named
        if not is_bound:
            return _changed(*depends), None
        return _changed(*depends), {name: places[name] for name in named}

    def _cause_of_one(self, places: list[Span], side: int) -> _Found | None:
        """Why only one net has a layer: its statement, a loop around it, or a value."""
        others: list[Span] = []
        own: Span | None = None
        for span in reversed(places):
            other = self._images[side].get(span)
            if other is None:
                own = own or span
                other = self._texts[side].alike(span, self._texts[1 - side])
            if other is None:
                return self._statement(span, side)
            others.insert(0, other)
        both = others, places
        found = self._outside(both[1 - side], both[side], {}, exists=True)
        if found is None and own is not None:
            return self._statement(own, side)
        return found

    def _statement(self, span: Span, side: int) -> _Found:
        head = self._texts[side].at(span).head
        if side:
            return ("statement",), None, head
        return ("statement",), head, None


def _joined(causes: list[Cause]) -> list[Cause]:
    """The causes, with layers that were added or removed one after the other as one of them."""
    made: list[Cause] = []
    for cause in causes:
        if made and _continues(made[-1], cause):
            made[-1].effects.extend(cause.effects)
        else:
            made.append(cause)
    return made


def _continues(before: Cause, cause: Cause) -> bool:
    """Whether the layers of a cause directly follow those of another that did the same."""
    whats = {effect.what for effect in (*before.effects, *cause.effects)}
    if whats not in ({"added"}, {"removed"}) or {before.key[0], cause.key[0]} != {"statement"}:
        return False
    ends = before.effects[-len(cause.effects) :]
    return len(ends) == len(cause.effects) and all(
        isinstance(x.part, NetPart)
        and isinstance(y.part, NetPart)
        and x.part.outer is y.part.outer
        and x.part.place + 1 == y.part.place
        for x, y in zip(ends, cause.effects, strict=True)
    )


def _changed(before: dict[Key, Excerpt], after: dict[Key, Excerpt]) -> _Found | None:
    """The first of the things that two statements depend on that differs."""
    for key in {**after, **before}:
        old, new = before.get(key), after.get(key)
        if (old and old.words) != (new and new.words):
            return key, old, new
    return None


def _places(part: NetPart | Value | None) -> list[Span]:
    """The statement that makes a layer or scope, then the calls of the blocks around it."""
    if part is None:
        return []
    if isinstance(part, Value):
        return list(_sites(part.site))
    item = part.item
    if isinstance(item, Node):
        return list(_sites(item.output.site))
    if item.site is not None:
        return list(_sites(item.site))
    # Only a prefix of names, such as that of a labelled join.
    inner = next(iter(item.nodes()), None)
    if inner is None:
        return []
    return list(_sites(inner.output.site))


def _sites(site: Site | None) -> Iterator[Span]:
    while site is not None:
        yield site.span
        site = site.caller


def _order(cause: Cause, homes: list[str]) -> tuple[bool, bool, str, int]:
    """Causes in the order of the second text; those in other files, and of the first, come last."""
    piece = cause.new or cause.old
    assert piece is not None
    key = piece.span.file.key
    return cause.new is None, key not in homes, key, piece.span.start
