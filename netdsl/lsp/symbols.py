"""The names of a text: where each is defined, and where it is used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.lsp.uses import name_of_let
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.lsp.document import Document

_WORD = re.compile(r'#[^\n]*|"[^"\n]*"|@?[A-Za-z_]\w*')
_PATH = re.compile(r"@[\w.{}]+\.$")  # the part of a reference before a name
NET, BLOCK, LET, LABEL, TRAIN = "net", "block", "let", "label", "train"


class Symbol(NamedTuple):
    """A name that the text defines: its kind, its place, and the whole of its definition."""

    name: str
    kind: str
    place: Span
    whole: Span
    inside: tuple[Symbol, ...] = ()


def symbols(document: Document) -> list[Symbol]:
    """The definitions of a text in its order, with the labels of each net and block."""
    program = document.last
    if program is None or program.source is not document.source:
        return []
    tree = program.module.tree
    found = [Symbol(let.name, LET, name_of_let(let), let.span) for let in tree.lets]
    for item in tree.definitions:
        labels: tuple[Symbol, ...] = ()
        if isinstance(item, ast.Definition):
            labels = tuple(_labels(item.body))
        is_net = isinstance(item, ast.Alias) or item.is_net
        kind = NET if is_net else BLOCK
        found.append(Symbol(item.name, kind, item.name_span, item.span, labels))
    found += [Symbol(t.net, TRAIN, t.net_span, t.span) for t in tree.trains]
    return sorted(found, key=lambda symbol: symbol.whole.start)


def _labels(body: ast.Body) -> Iterator[Symbol]:
    """The plain labels of a body, and of what is inside it."""
    for part in body.walk():
        if isinstance(part, (ast.Element, ast.Input, ast.Output)) and part.label is not None:
            pieces = part.label.pieces
            if len(pieces) == 1 and isinstance(pieces[0], str):
                place, span = part.label.span, part.span
                whole = Span(span.file, min(place.start, span.start), max(place.end, span.end))
                yield Symbol(pieces[0], LABEL, place, whole)


def definition_at(document: Document, offset: int) -> Symbol | None:
    """The definition of the name at an offset, or None if the text does not define it."""
    match = _word_at(document.source.text, offset)
    if match is None:
        return None
    name = match[0].lstrip("@")
    tops = symbols(document)
    for top in tops:
        if top.whole.start <= offset <= top.whole.end:
            for label in top.inside:
                is_use = match[0].startswith("@") or label.place.start <= offset <= label.place.end
                if label.name == name and is_use:
                    return label
    return next((top for top in tops if top.name == name and top.kind != TRAIN), None)


def label_uses(document: Document, place: Span) -> list[Span]:
    """Every place that names the label at a place, itself included.

    They are in its net or block, and in the `expect` lines of the members of the net. A part of a
    path such as `@stem.first` counts if no other label there has the name.
    """
    text, name = document.source.text, place.text
    tops = [top for top in symbols(document) if _has_label(top, place)]
    is_only = sum(label.name == name for top in tops for label in top.inside) == 1
    scopes = [place, *(top.whole for top in tops)]
    scopes += [span for top in tops for span in _members(document, top.name)]
    found = {place.start: place}
    for scope in scopes:
        for match in _WORD.finditer(text, scope.start, scope.end):
            word, start = match[0], match.end() - len(name)
            if word.lstrip("@") != name or word[0] in '#"':
                continue
            is_use = word[0] == "@" or _is_in_expect(text, scope.start, start)
            if text[start - 1] == ".":
                is_use = is_only and (is_use or bool(_PATH.search(text[scope.start : start])))
            if is_use:
                found[start] = Span(document.source, start, match.end())
    return [found[start] for start in sorted(found)]


def _has_label(top: Symbol, place: Span) -> bool:
    return any(label.place.start == place.start for label in top.inside)


def _members(document: Document, net: str) -> list[Span]:
    """The nets that are made of a net, directly or through others."""
    assert document.last is not None
    items = document.last.module.tree.definitions
    made, names = list[Span](), [net]
    for name in names:  # it grows: a member can have members
        found = [item for item in items if isinstance(item, ast.Alias) and item.target == name]
        made += [item.span for item in found]
        names += [item.name for item in found if item.name not in names]
    return made


def _is_in_expect(text: str, first: int, start: int) -> bool:
    """Whether a name is in an `expect` line, where labels have no `@`."""
    line = text[max(first, text.rfind("\n", 0, start) + 1) : start]
    return re.search(r"(?:^|[{|])\s*expect\b", line) is not None


def _word_at(text: str, offset: int) -> re.Match[str] | None:
    line = text.rfind("\n", 0, offset) + 1
    for match in _WORD.finditer(text, line):
        if match.start() > offset:
            return None
        if offset <= match.end():
            return None if match[0][0] in '#"' else match
    return None
