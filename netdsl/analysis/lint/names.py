"""Warnings about names that nothing uses: parameters, `let`s, loop variables, blocks, imports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.ops import LAYERS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.elaborate.module import Module
    from netdsl.source import Span


_PLACES = ("first", "second", "third")
# Names that other tools give to the number of channels of an input.
_INPUT = re.compile(
    r"(?:in|inp|input)(?:_?(?:c|ch|chs|chan|channels|planes|features|dim|size))?|c_?in"
)
NO_NAMES: frozenset[str] = frozenset()


class Names:
    """The names that each part of a text uses, without those of labels; computed once.

    `values` are the names that are used as values and not called, in all parts seen so far.
    """

    def __init__(self) -> None:
        self.values: set[str] = set()
        self._known: dict[int, frozenset[str]] = {}  # by the id of the part

    def of(self, part: ast.Tree) -> frozenset[str]:
        """The names in a part of the text."""
        names = self._known.get(id(part))
        if names is None:
            names = _own_names(part)
            if isinstance(part, ast.Name):
                self.values.add(part.id)
            for child in part.children():
                inner = self.of(child)
                if inner:
                    names = names | inner
            self._known[id(part)] = names
        return names

    def of_all(self, parts: Iterable[ast.Tree]) -> frozenset[str]:
        """The names in several parts."""
        return NO_NAMES.union(*map(self.of, parts))

    def read_after(self, body: ast.Body) -> Iterator[tuple[ast.Statement, frozenset[str]]]:
        """The statements of a body, the last first, each with the names that are read after it.

        An `expect` is evaluated when the net is complete, so its names count as read at the end.
        """
        after = self.of_all(s for s in body.statements if isinstance(s, ast.Expect))
        for statement in reversed(body.statements):
            yield statement, after
            if isinstance(statement, ast.Let):
                after = after - {statement.name}  # what follows reads this one
            after = after | self.of(statement)


def _own_names(part: ast.Tree) -> frozenset[str]:
    """The names that a part uses itself."""
    match part:
        case ast.NameOrDims():
            return frozenset([part.id, *(p for p in part.parts if isinstance(p, str))])
        case ast.Name():
            return frozenset([part.id])
        case ast.Reference():  # a parameter can be a tensor: `@enc`, or its state `@enc.h`
            return frozenset([str(part.path.pieces[0]).partition(".")[0]])
        case ast.DimsLiteral():
            return frozenset(p for p in part.parts if isinstance(p, str))
        case ast.Call() | ast.Function():
            return frozenset([part.name])
        case ast.Alias():
            return frozenset([part.target])
        case ast.Train():
            return frozenset([part.net])
    return NO_NAMES


def name_warnings(module: Module, names: Names) -> Iterator[Diagnostic]:
    """The warnings about the names of a file. Names that begin with `_` cause none."""
    tree = module.tree
    names.of(tree)
    for definition in tree.definitions:
        if isinstance(definition, ast.Definition):
            # If a block is given to another one, the calls there determine its parameters.
            if definition.name not in names.values:
                yield from _unused_parameters(definition, names)
            yield from _unused_in_body(definition.body, names)
    if any(isinstance(d, ast.Alias) or d.is_net for d in tree.definitions):
        yield from _unused_in_file(module, names)  # a file without nets is there for other files


def bodies_in(statement: ast.Tree) -> Iterator[tuple[ast.Tree, ast.Body]]:
    """The bodies directly inside a statement, each with the loop or other part that it is of."""
    waiting = [statement]
    while waiting:
        part = waiting.pop()
        for child in part.children():
            if isinstance(child, ast.Body):
                yield part, child
            else:
                waiting.append(child)


def _unused_parameters(definition: ast.Definition, names: Names) -> Iterator[Diagnostic]:
    used = names.of(definition)
    for place, parameter in enumerate(definition.parameters):
        if parameter.name not in used:
            help_ = "remove it"
            if not definition.is_net and _INPUT.fullmatch(parameter.name):
                which = _PLACES[place] if place < len(_PLACES) else "same"
                help_ = (
                    f"a block has its input already, with `in.channels`: remove `{parameter.name}`"
                )
                help_ += f", and the {which} argument of its calls"
            kind = "net" if definition.is_net else "block"
            message = f"nothing in {kind} `{definition.name}` uses the parameter `{parameter.name}`"
            yield from _unused("unused-parameter", parameter.name, message, parameter.span, help_)


def _unused_in_body(body: ast.Body, names: Names) -> Iterator[Diagnostic]:
    """The warnings about the `let`s and loop variables of a body and of those inside it."""
    for statement, after in names.read_after(body):
        if isinstance(statement, ast.Let) and statement.name not in after:
            message = f"nothing uses `{statement.name}` after this `let`"
            help_ = "remove it"
            if _kind(statement.value) in LAYERS:
                written = f"{statement.name}: {statement.value.span.text}"
                help_ = f"a layer gets its name with a colon: `{written}`"
            yield from _unused("unused-let", statement.name, message, statement.span, help_)
        for owner, inner in bodies_in(statement):
            yield from _unused_variable(owner, names)
            yield from _unused_in_body(inner, names)
    for arm in body.arms:
        yield from _unused_in_body(arm, names)


def _kind(value: ast.Expr) -> str:
    """The name of what may be a layer: `relu`, or `dense` of `dense(10)`."""
    return str(getattr(value, "id", getattr(value, "name", "")))


def _unused_variable(loop: ast.Tree, names: Names) -> Iterator[Diagnostic]:
    match loop:
        case ast.Repeat(variable=str(name)):
            help_ = "leave `as` out"
        case ast.For(targets=(name,)):
            help_ = "write `repeat` and a number"
        case _:
            return
    if name not in names.of(loop.body):
        message = f"nothing in this loop uses `{name}`"
        yield from _unused("unused-variable", name, message, loop.span, help_)


def _unused_in_file(module: Module, names: Names) -> Iterator[Diagnostic]:
    tree = module.tree
    for item, imported in module.imports:
        if names.of(tree).isdisjoint([*imported.definitions, *imported.env.values]):
            message = f"nothing uses what `{item.target}` defines"
            yield from _unused("unused-import", "", message, item.span)
    for let in tree.lets:
        others = [part for part in tree.children() if part is not let]
        if let.name not in names.of_all(others):
            message = f"nothing in this file uses `{let.name}`"
            yield from _unused("unused-let", let.name, message, let.span)
    for definition in tree.definitions:
        if isinstance(definition, ast.Alias) or definition.is_net:
            continue
        others = [part for part in tree.children() if part is not definition]
        if definition.name not in names.of_all(others):
            message = f"nothing in this file uses the block `{definition.name}`"
            yield from _unused("unused-block", definition.name, message, definition.name_span)


def _unused(
    code: str, name: str, message: str, span: Span, help: str = "remove it"
) -> Iterator[Diagnostic]:
    if not name.startswith("_"):
        yield Diagnostic(code, message, span, "warning", help=help)
