"""Where the names of blocks, nets and values occur in the tree of a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIZE = re.compile(r"[^x]+")  # a part of sizes


def places_of(tree: ast.File, name: str) -> list[Span]:
    """Every place where a name means the definition at the top of the file, or of an import.

    A block or net in which a parameter, a `let` or a loop has that name means something else by it.
    """
    found = []
    for let in tree.lets:
        if let.name == name:
            found.append(name_of_let(let))
        found += _inside(let.value, name)
    for item in tree.definitions:
        if item.name == name:
            found.append(item.name_span)
        if isinstance(item, ast.Alias):
            if item.target == name:
                found.append(item.target_span)
            found += _inside(item, name)
        elif name not in bound_names(item):
            found += _inside(item, name)
    for train in tree.trains:
        if train.net == name:
            found.append(train.net_span)
        found += _inside(train, name)
    return sorted(set(found), key=lambda span: span.start)


def name_of_let(let: ast.Let) -> Span:
    """The place of the name that a `let` defines."""
    start = let.span.start + let.span.text.index(let.name, len("let"))
    return Span(let.span.file, start, start + len(let.name))


def bound_names(part: ast.Tree) -> set[str]:
    """The names that parameters, loops and `let`s inside a part give a value."""
    names: set[str] = set()
    for inner in part.walk():
        if isinstance(inner, (ast.Parameter, ast.Let, ast.Carried)):
            names.add(inner.name)
        elif isinstance(inner, (ast.For, ast.Comprehension)):
            names.update(inner.targets)
        elif isinstance(inner, ast.Repeat) and inner.variable is not None:
            names.add(inner.variable)
    return names


def _inside(part: ast.Tree, name: str) -> Iterator[Span]:
    for found, span in names_in(part):
        if found == name:
            yield span


def names_in(part: ast.Tree) -> Iterator[tuple[str, Span]]:
    """Every name that a part uses, with its place; names of arguments are none of them."""
    for inner in part.walk():
        if isinstance(inner, ast.Call):
            yield inner.name, inner.name_span
        elif isinstance(inner, ast.NameOrDims):
            yield inner.id, inner.span
            yield from _in_sizes(inner.span)
        elif isinstance(inner, ast.Name):
            yield inner.id, inner.span
        elif isinstance(inner, ast.DimsLiteral):
            yield from _in_sizes(inner.span)
        elif isinstance(inner, ast.Function):
            start = inner.span.start
            yield inner.name, Span(inner.span.file, start, start + len(inner.name))


def _in_sizes(span: Span) -> Iterator[tuple[str, Span]]:
    """The names among sizes such as `1xk`."""
    for match in _SIZE.finditer(span.text):
        if not match[0][0].isdigit():
            start = span.start + match.start()
            yield match[0], Span(span.file, start, start + len(match[0]))
