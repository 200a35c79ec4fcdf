"""What a statement of a text depends on: its own words, the loops around it, and names.

Two statements are compared without their layout and their comments.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from netdsl.elaborate.module import Module
    from netdsl.elaborate.program import Program

_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\w+|\s+|.')
_LOOPS = (ast.Repeat, ast.For, ast.If)

# What something is called: its kind, and its name or its number from the outside.
Key = tuple[str, ...]


class Excerpt(NamedTuple):
    """A piece of a text that layers depend on: its words without layout, and its place."""

    words: str
    span: Span


class Spot(NamedTuple):
    """The innermost element of a text around a place, and what is around it, from the outside."""

    element: ast.Tree
    around: tuple[ast.Tree, ...]

    @property
    def head(self) -> Excerpt:
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


def head_of(element: ast.Tree) -> Excerpt:
    """An element up to the statements inside it."""
    span: Span = element.span  # type: ignore[attr-defined]
    body = getattr(element, "body", None) or getattr(element, "then", None)
    if isinstance(body, ast.Body):
        span = Span(span.file, span.start, max(span.start, body.span.start))
    return Excerpt(words_of(span.text).removesuffix("{"), span)


class Texts:
    """The files of a program, in which statements are looked up by their places."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._modules = {module.source.key: module for module in program.loader.modules()}
        self._found: dict[Span, Spot] = {}
        self._elements: dict[str, list[Span]] = {}

    def at(self, span: Span) -> Spot:
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
            found = self._found[span] = Spot(around[-1], tuple(around[:-1]))
        return found

    def aux_at(self, span: Span) -> Excerpt:
        """The `aux` section around a place."""
        around = self.at(span).around
        return next(head_of(tree) for tree in around if isinstance(tree, ast.Aux))

    def depends(
        self, span: Span, words: Iterable[str] | None = None, *, loops: bool = True
    ) -> dict[Key, Excerpt]:
        """What a statement depends on: the values of names, and the loops and conditions around it.

        `words` are the texts whose names count, by default the whole statement. Without `loops`,
        only those count whose variables are named.
        """
        statement = self.at(span)
        parts: dict[Key, Excerpt] = {}
        if loops:
            parts |= dict(_loops(statement.around))
        texts = [statement.head.words] if words is None else list(words)
        texts += [piece.words for piece in parts.values()]
        self._add_names(parts, statement.around, self._modules[span.file.key], texts)
        return parts

    def arguments(self, span: Span, names: Mapping[str, int]) -> dict[str, Excerpt] | None:
        """The arguments of a call that have these names, or else these positions.

        None if the statement is no call.
        """
        call = self.at(span).element
        if not isinstance(call, ast.Call):
            return None
        found = {}
        by_place = [a for a in call.arguments if a.name is None]
        for name, place in names.items():
            named = next((a for a in call.arguments if a.name == name), None)
            argument = named or next(iter(by_place[place : place + 1]), None)
            if argument is not None:
                span = argument.value.span
                found[name] = Excerpt(words_of(span.text), span)
        return found

    def parameters(self, span: Span) -> dict[str, int]:
        """The parameters of the block around a place, with their positions."""
        around = self.at(span).around
        blocks = [t for t in around if isinstance(t, ast.Definition)]
        return {p.name: n for block in blocks for n, p in enumerate(block.parameters)}

    def alike(self, span: Span, other: Texts) -> Span | None:
        """The same statement of the block of the same name in the other program, if it has one."""
        home = self._home(span)
        if home is None:
            return None
        name, words = home[0].name, self.at(span).head.words
        own = [s for s in self._statements(name) if self.at(s).head.words == words]
        others = [s for s in other._statements(name) if other.at(s).head.words == words]
        return next((y for x, y in zip(own, others, strict=False) if x == span), None)

    def _home(self, span: Span) -> list[ast.Definition]:
        return [t for t in self.at(span).around if isinstance(t, ast.Definition)]

    def _statements(self, name: str) -> list[Span]:
        """The elements of all blocks of that name, in their order."""
        known = self._elements.get(name)
        if known is None:
            trees = [module.tree for module in self._modules.values()]
            blocks = [d for tree in trees for d in tree.definitions if d.name == name]
            parts = (part for block in blocks for part in block.walk())
            known = [part.span for part in parts if isinstance(part, ast.Element)]
            self._elements[name] = known
        return known

    def net(self, name: str) -> dict[Key, Excerpt]:
        """How a net is made from another one, and the values that this names."""
        module = self._modules[self.program.source.key]
        parts: dict[Key, Excerpt] = {}
        definition = module.definitions.get(name)
        if isinstance(definition, ast.Alias):
            span = _call_of(definition)
            words = words_of(span.text)
            parts["net",] = Excerpt(words, span)
            self._add_names(parts, (), module, [words])
        return parts

    def _add_names(
        self,
        parts: dict[Key, Excerpt],
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
                meaning = ("let", name), Excerpt(words_of(let.value.span.text), let.value.span)
            if meaning is not None:
                parts[meaning[0]] = meaning[1]
                waiting += _names(meaning[1].words)


def _loops(around: tuple[ast.Tree, ...]) -> Iterator[tuple[Key, Excerpt]]:
    """The loops and conditions around a statement, numbered from the outside."""
    loops = [tree for tree in around if isinstance(tree, _LOOPS)]
    for number, loop in enumerate(loops):
        yield (type(loop).__name__.lower(), str(number)), head_of(loop)


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
    """The names in a text, also those in sizes such as `3xsizexsize`."""
    words: list[str] = re.findall(r"\w+", text)
    parts = [part for word in words if "x" in word for part in word.split("x")]
    return [name for name in (*words, *parts) if name.isidentifier()]


def _own_names(around: tuple[ast.Tree, ...]) -> Iterator[tuple[str, tuple[Key, Excerpt]]]:
    """The names that have a value around a statement; those further inside come last."""
    heads = dict(zip((t for t in around if isinstance(t, _LOOPS)), _loops(around), strict=True))
    for tree in around:
        if isinstance(tree, _LOOPS):
            variables = getattr(tree, "targets", None) or (getattr(tree, "variable", None),)
            yield from ((name, heads[tree]) for name in variables if name is not None)
        if isinstance(tree, ast.Definition):
            for parameter in tree.parameters:
                key = "parameter", tree.name, parameter.name
                yield parameter.name, (key, _default(parameter))
        if isinstance(tree, ast.Body):
            for statement in tree.statements:
                if isinstance(statement, ast.Let):
                    value = statement.value
                    part = Excerpt(words_of(value.span.text), value.span)
                    yield statement.name, (("let", statement.name), part)


def _default(parameter: ast.Parameter) -> Excerpt:
    """The default of a parameter, or no words at the parameter itself."""
    if parameter.default is None:
        return Excerpt("", parameter.span)
    return Excerpt(words_of(parameter.default.span.text), parameter.default.span)
