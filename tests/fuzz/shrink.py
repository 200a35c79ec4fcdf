"""Shrinks a failing text: removes parts of it as long as it fails in the same way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netdsl.errors import NetdslError
from netdsl.source import SourceFile
from netdsl.syntax import ast
from netdsl.syntax.parser import parse

from . import check
from .verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.source import Span

ROUNDS = 400  # the largest number of attempts


def shrunk_program(text: str) -> str:
    """A smaller program with the same failure."""
    failure, _ = verdict(text)
    if failure is None:
        return text
    tries = [ROUNDS]

    def same(smaller: str) -> bool:
        tries[0] -= 1
        other, _ = verdict(smaller) if tries[0] > 0 else (None, None)
        return other is not None and other.name == failure.name

    changed = True
    while changed and tries[0] > 0:
        text, changed = _smaller(text, same)
    bare = re.sub(r"\n\s*\n", "\n", text)
    return bare if verdict(bare)[0] is not None else text


def _smaller(text: str, same: Callable[[str], bool]) -> tuple[str, bool]:
    """The text without the largest part that can be removed, and whether there is one."""
    for begin, end, replacement in _pieces(text):
        smaller = text[:begin] + replacement + text[end:]
        if smaller != text and same(smaller):
            return smaller, True
    return text, False


def _pieces(text: str) -> list[tuple[int, int, str]]:
    """The parts that may be removable, largest first, as (begin, end, replacement)."""
    try:
        tree = parse(SourceFile("shrink", text))
    except NetdslError:
        return []
    pieces: list[tuple[int, int, str]] = []
    _collect(tree, text, pieces)
    return sorted(pieces, key=lambda p: p[0] - p[1] + len(p[2]))


def _collect(node: Any, text: str, pieces: list[tuple[int, int, str]]) -> None:
    if isinstance(node, tuple):
        for item in node:
            _collect(item, text, pieces)
        return
    if not isinstance(node, ast.Tree):
        return
    span: Span | None = getattr(node, "span", None)
    if (
        isinstance(node, (ast.Statement, ast.Let, ast.Definition, ast.Alias, ast.Train, ast.Import))
        and span is not None
    ):
        pieces.append((span.start, span.end, ""))
    if isinstance(node, ast.Chain):
        _elements(node, text, pieces)
    if isinstance(node, ast.Call):
        _list([a.span for a in node.arguments], pieces)
    if isinstance(node, ast.Definition):
        _list([p.span for p in node.parameters], pieces)
    if isinstance(node, ast.Body):
        pieces.extend((arm.span.start, arm.span.end, "") for arm in node.arms)
    if (
        isinstance(node, ast.Expr)
        and not isinstance(node, (ast.Literal, ast.Name))
        and span is not None
    ):
        pieces.append((span.start, span.end, "1"))
    for name in node.__match_args__:
        if name not in ("span", "source"):
            _collect(getattr(node, name), text, pieces)


def _elements(chain: ast.Chain, text: str, pieces: list[tuple[int, int, str]]) -> None:
    for element, following in zip(chain.elements, [*chain.elements[1:], None], strict=True):
        begin, end = element.span.start, element.span.end
        pieces.append((begin, following.span.start if following else end, ""))
        body = getattr(element, "body", None) or getattr(element, "then", None)
        if body is not None and not body.arms and body.statements:
            pieces.append(
                (begin, end, text[body.statements[0].span.start : body.statements[-1].span.end])
            )
        if not isinstance(element, ast.TakeUp):
            pieces.append((begin, end, "identity"))


def _list(spans: list[Span], pieces: list[tuple[int, int, str]]) -> None:
    for i, span in enumerate(spans):
        pieces.append(
            (span.start, spans[i + 1].start, "")
            if i + 1 < len(spans)
            else (spans[i - 1].end if i else span.start, span.end, "")
        )


def shrunk_text(data: bytes) -> bytes:
    """Fewer bytes with the same failure of `check`; removes smaller and smaller pieces."""
    failure = check.verdict(data)
    if failure is None:
        return data
    size, tries = max(1, len(data) // 2), 2 * ROUNDS
    while size and tries > 0:
        begin = 0
        while begin < len(data) and tries > 0:
            smaller = data[:begin] + data[begin + size :]
            tries -= 1
            other = check.verdict(smaller)
            if other is not None and other.name == failure.name:
                data = smaller
            else:
                begin += size
        size //= 2
    return data
