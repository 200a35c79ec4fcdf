"""The meaning of each word of a text, by which an editor colours it.

A layer is a `function` whose modifier is its family, as a picture colours its boxes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.library import block_names
from netdsl.lsp.positions import Offsets
from netdsl.lsp.uses import bound_names
from netdsl.ops import LAYERS
from netdsl.reference import FAMILIES, WORDS
from netdsl.syntax import ast
from netdsl.syntax.tables import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.lsp.document import Document
    from netdsl.source import SourceFile, Span

TYPES = (
    "comment",
    "string",
    "number",
    "keyword",
    "operator",
    "function",
    "class",
    "variable",
    "parameter",
    "property",
    "label",
)
MODIFIERS = ("declaration", "defaultLibrary", *FAMILIES)
_PIECE = re.compile(
    r"(?P<comment>\#[^\n]*)"
    r'|(?P<label>"[^"\n]*"(?=[ \t]*:)|[^\W\d]\w*(?:\{[^{}\n]*\}\w*)*(?=[ \t]*:(?!:)))'
    r'|(?P<string>"[^"\n]*"?)'
    r'|(?P<reference>@(?:"[^"\n]*"|(?:\w|\{[^{}\n]*\})+)?'
    r'(?:\.(?:"[^"\n]*"|(?:\w|\{[^{}\n]*\})+))*)'
    r"|(?P<number>\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?:x(?:\d[\d_]*|[A-Za-z_]\w*))*)"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<operator>->|\*\*|//|[=!<>]=|[-+*/%<>=|])"
    r"|(?P<bracket>[\[\](){}])"
)
_KEYWORDS = frozenset((*dict(KEYWORDS), *(item.name for item in WORDS)))
_HEADS = {"net": "class", "block": "function", "let": "variable", "next": "variable"}


class Colouring(NamedTuple):
    """A piece of a text: its kind, one of `TYPES`, and some of `MODIFIERS`."""

    start: int
    end: int
    kind: str
    modifiers: tuple[str, ...] = ()


class _Meanings(NamedTuple):
    """What the words of a text mean, as of the last version that could be read."""

    nets: frozenset[str]
    blocks: frozenset[str]
    values: frozenset[str]
    shipped: frozenset[str]
    bound: list[tuple[Span, Span, set[str]]]  # each definition, its body, and what is bound in it


def tokens(document: Document) -> Iterator[Colouring]:
    """The tokens of a text in its order; the text need not be valid."""
    text = document.source.text
    names = _names(document)
    head = ""  # the keyword before a word
    brackets: list[str] = []
    for match in _PIECE.finditer(text):
        kind, piece = str(match.lastgroup), match[0]
        start, end = match.span()
        if kind == "bracket":
            if piece in "([{":
                brackets.append(piece)
            elif brackets:
                brackets.pop()
            head = ""
        elif kind == "label" and brackets[-1:] != ["["]:
            yield Colouring(start, end, "label", ("declaration",))
        elif kind == "reference":
            yield Colouring(start, end, "label")
        elif kind in ("word", "label"):
            if piece in _KEYWORDS:
                yield Colouring(start, end, "keyword")
                head = piece
                continue
            is_argument = brackets[-1:] == ["("] and re.match(r"\s*=(?!=)", text[end : end + 9])
            if head in _HEADS:
                yield Colouring(start, end, _HEADS[head], ("declaration",))
            elif is_argument and not _is_in_head(names, start):
                yield Colouring(start, end, "property")
            else:
                yield _word(names, piece, start, end)
            head = ""
        else:
            yield Colouring(start, end, kind)
            head = ""


def _names(document: Document) -> _Meanings:
    program = document.last
    shipped = frozenset(block_names())
    if program is None:
        return _Meanings(frozenset(), frozenset(), frozenset(), shipped, [])
    module = program.module
    nets = {n for n, d in module.definitions.items() if isinstance(d, ast.Alias) or d.is_net}
    bound = []
    if document.program is not None:
        items = [d for d in module.tree.definitions if isinstance(d, ast.Definition)]
        bound = [(d.span, d.body.span, bound_names(d)) for d in items]
    blocks = {*module.definitions} - nets
    return _Meanings(frozenset(nets), frozenset(blocks), frozenset(module.lets), shipped, bound)


def _is_in_head(names: _Meanings, start: int) -> bool:
    """Whether a place is among the parameters of a definition."""
    return any(whole.start <= start < body.start for whole, body, _ in names.bound)


def _word(names: _Meanings, word: str, start: int, end: int) -> Colouring:
    if any(whole.start <= start < whole.end and word in bound for whole, _, bound in names.bound):
        return Colouring(start, end, "parameter")
    if word in names.nets:
        return Colouring(start, end, "class")
    if word in names.blocks:
        return Colouring(start, end, "function")
    if word in names.values:
        return Colouring(start, end, "variable")
    if word in LAYERS:
        family = LAYERS[word].family
        modifiers = (family,) if family in FAMILIES else ()
        return Colouring(start, end, "function", ("defaultLibrary", *modifiers))
    if word in names.shipped:
        return Colouring(start, end, "function", ("defaultLibrary",))
    return Colouring(start, end, "variable")


def encoded(source: SourceFile, found: Iterator[Colouring]) -> list[int]:
    """Five numbers for each token, as the protocol has them: each place is counted from the last.

    The numbers are lines, characters in UTF-16, a length, the kind, and a set of bits.
    """
    data: list[int] = []
    line = character = 0
    offsets: dict[int, Offsets] = {}
    for token in found:
        here = source.location(token.start)
        number, column = here.line - 1, here.column - 1
        if number not in offsets:
            offsets[number] = Offsets(source.line(here.line))
        first = offsets[number].to_utf16(column)
        length = offsets[number].to_utf16(column + token.end - token.start) - first
        bits = sum(1 << MODIFIERS.index(name) for name in token.modifiers)
        before = character if number == line else 0
        data += [number - line, first - before, length, TYPES.index(token.kind), bits]
        line, character = number, first
    return data


def difference(old: list[int], new: list[int]) -> list[dict[str, object]]:
    """The edit of the protocol that makes the new numbers of the old ones; none if they agree."""
    shorter = min(len(old), len(new))
    start = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    most = shorter - start
    tail = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
    if len(old) == len(new) == start:
        return []
    deleted = len(old) - tail - start
    return [{"start": start, "deleteCount": deleted, "data": new[start : len(new) - tail]}]
