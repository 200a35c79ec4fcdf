"""What a statement of a text depends on: its own words, the loops around it, and names.

Two statements are compared without their layout and their comments.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.elaborate.module import Module
    from netdsl.elaborate.program import Program

_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\w+|\s+|.')
_LOOPS = (ast.Repeat, ast.For, ast.If)

# What something is called: its kind, and its name or its number from the outside.
Key = tuple[str, ...]


class Piece(NamedTuple):
    """A piece of a text that layers depend on: its words without layout, and its place."""

    words: str
    span: Span


class Statement(NamedTuple):
    """The innermost element of a text around a place, and what is around it, from the outside."""

    element: ast.Tree
    around: tuple[ast.Tree, ...]

    @property
    def head(self) -> Piece:
        """The element without the statements inside it."""
        return head_of(self.element)


def words_of(text: str) -> str:
    """A text without comments and layout; words that would run together keep one space."""
    words = ""
    for token in _TOKEN.findall(text):
        if token[0] == "#" or token.isspace():
            continue
        if words and words[-1].isalnum() and (token[0].isalnum() or token[0] == "_"):
            words += " "
        words += token
    return words


def head_of(element: ast.Tree) -> Piece:
    """An element up to the statements inside it."""
    span: Span = element.span  # type: ignore[attr-defined]
    body = getattr(element, "body", None) or getattr(element, "then", None)
    if isinstance(body, ast.Body):
        span = Span(span.file, span.start, max(span.start, body.span.start))
    return Piece(words_of(span.text).removesuffix("{"), span)


class Texts:
    """The files of a program, in which statements are looked up by their places."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._modules = {module.source.key: module for module in program.loader.modules()}
        self._found: dict[Span, Statement] = {}
        self._depends: dict[Span, dict[Key, Piece]] = {}

    def at(self, span: Span) -> Statement:
        """The innermost element that contains a place."""
        found = self._found.get(span)
        if found is None:
            tree = self._modules[span.file.key].tree
            around: list[ast.Tree] = [tree]
            while True:
                inside = (c for c in around[-1].children() if _contains(c, span))
                child = next((c for c in inside if not isinstance(c, ast.Expr)), None)
                if child is None:
                    break
                around.append(child)
            found = self._found[span] = Statement(around[-1], tuple(around[:-1]))
        return found

    def depends(self, span: Span) -> dict[Key, Piece]:
        """The loops and conditions around a place, and the values that its names have there."""
        known = self._depends.get(span)
        if known is None:
            known = self._depends[span] = self._dependencies(self.at(span))
        return known

    def net(self, name: str) -> dict[Key, Piece]:
        """How a net is made from another one, and the values that this names."""
        module = self._modules[self.program.source.key]
        parts: dict[Key, Piece] = {}
        definition = module.definitions.get(name)
        if isinstance(definition, ast.Alias):
            span = _call_of(definition)
            words = words_of(span.text)
            parts["net",] = Piece(words, span)
            self._add_names(parts, (), module, [words])
        return parts

    def _dependencies(self, statement: Statement) -> dict[Key, Piece]:
        parts: dict[Key, Piece] = {}
        loops = [t for t in statement.around if isinstance(t, _LOOPS)]
        for number, loop in enumerate(loops):
            parts[type(loop).__name__.lower(), str(number)] = head_of(loop)
        texts = [statement.head.words, *(part.words for part in parts.values())]
        span: Span = statement.element.span  # type: ignore[attr-defined]
        self._add_names(parts, statement.around, self._modules[span.file.key], texts)
        return parts

    def _add_names(
        self,
        parts: dict[Key, Piece],
        around: tuple[ast.Tree, ...],
        module: Module,
        texts: Iterable[str],
    ) -> None:
        """Add the values of all names in some texts, and of the names in these."""
        own = dict(_own_names(around))
        waiting = [name for text in texts for name in _names(text)]
        seen: set[str] = set()
        for name in waiting:
            if name in seen:
                continue
            seen.add(name)
            meaning = own.get(name)
            let = module.lets.get(name)
            if meaning is None and let is not None:
                meaning = ("let", name), Piece(words_of(let.value.span.text), let.value.span)
            if meaning is not None:
                parts[meaning[0]] = meaning[1]
                waiting += _names(meaning[1].words)


def _call_of(alias: ast.Alias) -> Span:
    """The net that an alias names, with its arguments in parentheses."""
    file, start, end = alias.target_span
    if alias.arguments:
        end = file.text.index(")", alias.arguments[-1].span.end) + 1
    return Span(file, start, end)


def _contains(tree: ast.Tree, span: Span) -> bool:
    own = getattr(tree, "span", None)
    return own is not None and own.start <= span.start and span.end <= own.end


def _names(text: str) -> list[str]:
    return re.findall(r"[^\W\d]\w*", text)


def _own_names(around: tuple[ast.Tree, ...]) -> Iterator[tuple[str, tuple[Key, Piece]]]:
    """The `let`s and the parameters around a statement; those further inside come last."""
    for tree in around:
        if isinstance(tree, ast.Definition):
            for parameter in tree.parameters:
                value = parameter.default
                span = parameter.span if value is None else value.span
                words = "" if value is None else words_of(span.text)
                yield parameter.name, (("parameter", tree.name, parameter.name), Piece(words, span))
        if isinstance(tree, ast.Body):
            for statement in tree.statements:
                if isinstance(statement, ast.Let):
                    value = statement.value
                    part = Piece(words_of(value.span.text), value.span)
                    yield statement.name, (("let", statement.name), part)
