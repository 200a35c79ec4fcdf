"""Gives the names in a program a suffix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netdsl.elaborate.functions import function_names
from netdsl.library import block_file, block_names, read
from netdsl.ops import LAYERS
from netdsl.source import SourceFile
from netdsl.syntax import ast
from netdsl.syntax.parser import parse, parse_with_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = "_9"


def parameters_of_blocks() -> set[str]:
    """The parameters of the blocks of `nets/lib`, which a file may use as names of arguments."""
    trees = [parse(read(block_file(name) or "")) for name in block_names()]
    blocks = [d for tree in trees for d in tree.definitions if isinstance(d, ast.Definition)]
    return {p.name for block in blocks for p in block.parameters}


WORDS = (
    {a.name for op in LAYERS.values() for a in op.args}
    | parameters_of_blocks()
    | set(LAYERS)
    | set(block_names())
    | set(function_names())
)


def own_names(text: str) -> set[str]:
    """The names that a file defines, except those that are also words of the language.

    Names that begin like a computed label are left out, too.
    """
    names: set[str] = set()
    computed: set[str] = set()
    for part in nodes_of(parse(SourceFile("text", text))):
        match part:
            case ast.Definition() | ast.Alias() | ast.Parameter() | ast.Let() | ast.Aux():
                names.add(part.name)
            case ast.Repeat(variable=str(name)):
                names.add(name)
            case ast.For():
                names.update(part.targets)
        match getattr(part, "label", None):
            case ast.Pattern(pieces=(str(name),)):
                names.add(name)
            case ast.Pattern(pieces=pieces):
                computed.update(p for p in pieces if isinstance(p, str))
    computed_names = {n for n in names for stem in computed if n.startswith(stem)}
    return names - computed_names - WORDS


def renamed(text: str) -> str:
    """The text with a suffix at every name that it defines."""
    names = own_names(text)
    pieces, place = [], 0
    for token in parse_with_tokens(SourceFile("text", text))[1]:
        if token.type in ("NAME", "LABEL", "REFERENCE", "DIMS", "WORDY_DIMS"):
            pattern = (
                r"(?<=x)[A-Za-z_]\w*?(?=x|$)|^[A-Z_]\w*?(?=x)"
                if "DIMS" in token.type and token not in names
                else r"[^\W\d]\w*"
            )
            pieces += [
                text[place : token.start_pos],
                re.sub(pattern, lambda m: m[0] + SUFFIX * (m[0] in names), token),
            ]
            place = token.end_pos or 0
    return "".join([*pieces, text[place:]])


def nodes_of(item: object) -> Iterator[Any]:
    """Every part of a syntax tree."""
    waiting: list[Any] = [item]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple) and not hasattr(part, "_fields"):
            waiting += part
        elif type(part).__module__ == ast.__name__:
            yield part
            waiting += [getattr(part, name) for name in type(part).__match_args__]
