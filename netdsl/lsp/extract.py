"""Makes a block of selected statements, with a call of it in their place."""

from __future__ import annotations

import re
from textwrap import dedent, indent
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Edit
from netdsl.elaborate.loader import BUILT_IN
from netdsl.library import block_names
from netdsl.lsp.rpc import RefusedError
from netdsl.lsp.same import refuse_changes
from netdsl.lsp.uses import bound_names, names_in
from netdsl.ops import LAYERS
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.lsp.document import Document

INDENT = "    "
_EDGES = re.compile(r"(?:\s+|#[^\n]*)*")


class _Selection(NamedTuple):
    """Statements of a definition, one after another, and the stretch that they take."""

    definition: ast.Definition
    statements: Sequence[ast.Statement]
    span: Span


def extracted(document: Document, start: int, end: int) -> list[Edit]:
    """The edits that make a block of the statements between two offsets.

    What these read from around them becomes a parameter. Raises `RefusedError` if the stretch is
    not whole layers, or if a net would not stay the same.
    """
    selection = _selection(document, start, end)
    _refuse_meanings(selection)
    inside = _labels(selection.statements)
    names = _names(selection)
    tensors = _tensors(selection, inside, names)
    name = _free_name(document, selection.definition)
    given = [*names, *(f"@{path}" for path in tensors)]
    taken = [*names, *tensors.values()]
    body = _body(selection, tensors)
    head = f"block {name}({', '.join(taken)}) {{\n{indent(body, INDENT)}\n}}\n\n"
    call = f"{name}({', '.join(given)})" if given else name
    above = _start_of(selection.definition)
    edits = [Edit(Span(document.source, above, above), head), Edit(selection.span, call)]
    refuse_changes(document, selection.definition.name, edits)
    return edits


def _selection(document: Document, start: int, end: int) -> _Selection:
    """The whole statements of a stretch; raises `RefusedError`."""
    if document.program is None:
        raise RefusedError("the text has syntax errors")
    text = document.source.text
    match = _EDGES.match(text, start, end)
    first = match.end() if match is not None else start
    for item in document.program.module.tree.definitions:
        if isinstance(item, ast.Definition) and item.body.span.start <= first < item.body.span.end:
            bodies = [b for b in item.walk() if isinstance(b, ast.Body)]
            around = [b for b in bodies if b.span.start <= first and end <= b.span.end]
            if not around:
                break
            body = min(around, key=lambda b: b.span.end - b.span.start)
            found = [s for s in body.statements if s.span.start < end and first < s.span.end]
            if not found or first > found[0].span.start or end < found[-1].span.end:
                break
            span = Span(document.source, found[0].span.start, found[-1].span.end)
            if end > span.end and not _is_edge(text[span.end : end]):
                break
            return _Selection(item, found, span)
    raise RefusedError("the selection is not whole statements of a net or block")


def _is_edge(text: str) -> bool:
    return _EDGES.fullmatch(text) is not None


def _refuse_meanings(selection: _Selection) -> None:
    """Raise `RefusedError` for what means something else in a block."""
    for statement in selection.statements:
        if not isinstance(statement, (ast.Chain, ast.Let)):
            word = statement.span.text.partition(" ")[0]
            raise RefusedError(f"a block cannot have the line with `{word}`")
        for part in statement.walk():
            if isinstance(part, ast.Attribute) and part.value is None:
                raise RefusedError(f"`in.{part.name}` means the input of the block around it")
            if isinstance(part, ast.Reference) and part.span.text.split(".")[0] == "@in":
                raise RefusedError("`@in` means the input of the block around it")
            if isinstance(part, ast.Next):
                raise RefusedError("`next` belongs to the loop around it")


def _labels(statements: Sequence[ast.Statement]) -> set[str]:
    """The labels of statements; of a computed one, what is written."""
    parts = (part for statement in statements for part in statement.walk())
    labels = (p.label for p in parts if isinstance(p, (ast.Element, ast.Input, ast.Output)))
    return {_bare(label.span.text) for label in labels if label is not None}


def _bare(label: str) -> str:
    return label.rstrip(": \t").strip('"')


def _names(selection: _Selection) -> list[str]:
    """The parameters and other names that the statements read from the definition around them."""
    around = bound_names(selection.definition)
    own = set[str]()
    found = []
    for statement in selection.statements:
        found += [name for name, _ in names_in(statement)]
        own |= bound_names(statement)
    return list(dict.fromkeys(name for name in found if name in around - own))


def _tensors(selection: _Selection, inside: set[str], names: list[str]) -> dict[str, str]:
    """The labels outside that the statements read, each with the parameter that it becomes."""
    found: dict[str, str] = {}
    for reference in _references(selection):
        path = reference.span.text.removeprefix("@")
        if path.split(".")[0].strip('"') in inside or path in found:
            continue
        name = path.rpartition(".")[2].strip('"')
        if not name.isidentifier() or name in LAYERS or name in (*names, *found.values()):
            raise RefusedError(f"`@{path}` is outside the selection and cannot be a parameter")
        found[path] = name
    for statement in selection.statements:
        for part in statement.walk():
            if isinstance(part, ast.TakeUp) and part.reference.span.text[1:] in found:
                raise RefusedError(f"`{part.reference.span.text}` is outside the selection")
    return found


def _references(selection: _Selection) -> list[ast.Reference]:
    parts = (part for statement in selection.statements for part in statement.walk())
    return [part for part in parts if isinstance(part, ast.Reference)]


def _body(selection: _Selection, tensors: dict[str, str]) -> str:
    """The text of the statements, with parameters in place of labels outside."""
    source, start, end = selection.span
    line = source.text.rfind("\n", 0, start) + 1
    pieces, last = [" " * (start - line)], start
    for reference in sorted(_references(selection), key=lambda r: r.span.start):
        path = reference.span.text.removeprefix("@")
        if path in tensors:
            pieces += [source.text[last : reference.span.start], tensors[path]]
            last = reference.span.end
    return dedent("".join([*pieces, source.text[last:end]]))


def _free_name(document: Document, definition: ast.Definition) -> str:
    """A name that nothing has yet."""
    assert document.program is not None
    module = document.program.module
    taken = {*module.definitions, *module.lets, *LAYERS, *BUILT_IN, *block_names()}
    taken |= bound_names(definition)
    number = 1
    while (name := "part" if number == 1 else f"part{number}") in taken:
        number += 1
    return name


def _start_of(definition: ast.Definition) -> int:
    """Where a definition begins, with the comment lines above it."""
    text = definition.span.file.text
    start = text.rfind("\n", 0, definition.span.start) + 1
    while start:
        above = text.rfind("\n", 0, start - 1) + 1
        if not text[above:start].startswith("#"):
            break
        start = above
    return start
