"""`expect` lines with the current figures of a net."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.expect import Facts
from netdsl.analysis.expect_advice import is_comparison
from netdsl.diagnostics import Edit
from netdsl.errors import NetdslError
from netdsl.lsp.uses import names_in
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.checking import Checked
    from netdsl.elaborate.bodies import Expectation
    from netdsl.lsp.document import Document

INDENT = "    "


def written(value: object) -> str | None:
    """A figure or a shape as an `expect` line has it; None if a size in it is open."""
    if type(value) is int:
        return f"{value:_}"
    if isinstance(value, tuple) and value and all(type(size) is int for size in value):
        return f"[{value[0]}]" if len(value) == 1 else "x".join(map(str, value))
    return None


def net_at(document: Document, offset: int) -> ast.Definition | ast.Alias | None:
    """The net at an offset that can be built as it is, or None."""
    if document.program is None:
        return None
    for item in document.program.module.tree.definitions:
        if item.span.start <= offset <= item.span.end and item.name in document.names:
            return item
    return None


def new_lines(document: Document, item: ast.Definition | ast.Alias) -> Edit | None:
    """The lines that state the figures of a net which it does not state yet; None without any.

    They are its parameters, its multiply-accumulates, and the shapes of its outputs.
    """
    checked = document.checked(item.name)
    if checked is None or checked.compiled is None:
        return None
    stated = _stated(item)
    totals = checked.compiled.costs.totals()
    facts: list[tuple[str, object]] = [("params", totals.params), ("macs", totals.macs)]
    labels = checked.compiled.labels
    outputs = [out for out in checked.compiled.graph.outputs if out.name in labels]
    facts += [(f"shape({o.name})", o.value.type.shape) for o in outputs if o.name.isidentifier()]
    lines = [
        f"{INDENT}expect {fact} == {text}\n"
        for fact, value in facts
        if fact not in stated and (text := written(value)) is not None
    ]
    return _added(item, "".join(lines)) if lines else None


def _stated(item: ast.Definition | ast.Alias) -> set[str]:
    """The facts that the `expect` lines of a net mention."""
    found: set[str] = set()
    for part in () if item.body is None else item.body.statements:
        if isinstance(part, ast.Expect):
            found.update(name for name, _ in names_in(part.condition))
            calls = (p for p in part.condition.walk() if isinstance(p, ast.Function))
            found.update(call.span.text for call in calls)
    return found


def _added(item: ast.Definition | ast.Alias, lines: str) -> Edit:
    """The edit that puts lines at the end of the body of a net."""
    source = item.span.file
    if item.body is None:
        return Edit(Span(source, item.span.end, item.span.end), " {\n" + lines + "}")
    brace = item.body.span.end - 1
    before = source.text[:brace].rstrip(" \t")
    start = "" if before.endswith("\n") else "\n"
    return Edit(Span(source, len(before), brace), start + lines)


def corrections(
    document: Document, item: ast.Definition | ast.Alias, first: int, last: int
) -> Iterator[Edit]:
    """For each false `expect` line among some lines, the edit that gives it the current figure.

    Lines with `at`, and those of blocks, are left out.
    """
    checked = document.checked(item.name)
    if checked is None or checked.compiled is None:
        return
    for expectation in checked.compiled.expects:
        span = expectation.statement.span
        is_asked = first <= span.last.line and span.first.line <= last
        if span.file is document.source and is_asked and not expectation.prefix:
            edit = _correction(checked, expectation)
            if edit is not None:
                yield edit


def _correction(checked: Checked, expectation: Expectation) -> Edit | None:
    assert checked.compiled is not None
    statement = expectation.statement
    condition = statement.condition
    if statement.at is not None or not isinstance(condition, ast.Operation):
        return None
    if not is_comparison(condition) or condition.rest[0][0] != "==":
        return None
    right = condition.rest[0][1]
    if not isinstance(right, ast.Literal | ast.DimsLiteral):
        return None
    compiled = checked.compiled
    facts = Facts(compiled.graph, compiled.costs, compiled.labels)
    try:
        value = facts.value(condition.first, expectation.env)
        wanted = facts.value(right, expectation.env)
    except NetdslError:
        return None  # the line has a diagnostic
    text = written(value)
    return None if value == wanted or text is None else Edit(right.span, text)
