"""`netdsl layers`: the reference of the layers, printed from their definitions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from netdsl.commands.consoles import listing
from netdsl.commands.output import say_always, say_json
from netdsl.errors import NetdslError
from netdsl.reference import COMPOSITE, LANGUAGE, WITHOUT_DEFAULT, entries, entry, outcomes

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from rich.console import Console

    from netdsl.reference import LayerEntry

CALL_WIDTH = 28


def run(arguments: argparse.Namespace) -> int:
    """Print the table of all kinds, or the page of one; returns the exit code."""
    if arguments.kind is None:
        items = entries()
    else:
        items = [_entry(arguments.kind)]
    if arguments.format == "json":
        say_json({"layers": [_as_json(item) for item in items], "diagnostics": []}, indent=2)
    elif arguments.quiet:
        for item in items:
            say_always(item.name if arguments.kind is None else item.call)
    elif arguments.kind is None:
        _print_all(listing(), items)
    else:
        _print_entry(listing(), items[0])
    return 0


def _entry(kind: str) -> LayerEntry:
    """The entry of a kind; raises `NetdslError`, with the command that explains such a word."""
    try:
        return entry(kind)
    except NetdslError as error:
        from netdsl.commands.elsewhere import elsewhere  # only errors need it

        error.diagnostic.help = elsewhere(kind) or error.diagnostic.help
        raise


def _as_json(item: LayerEntry) -> dict[str, object]:
    """An entry under the keys of the JSON output."""
    return {
        "kind": item.name,
        "family": item.family,
        "call": item.call,
        "doc": item.doc,
        "arguments": [_argument_json(*row) for row in item.arguments],
        "inputs": item.inputs,
        "examples": [
            {"inputs": shapes.split(", "), "call": call, "output": result}
            for shapes, call, result in outcomes(item)
        ],
    }


def _argument_json(name: str, type_: str, default: str, meaning: str) -> dict[str, object]:
    return {
        "name": name,
        "type": type_ or None,
        "required": default == "required",
        "default": None if default in WITHOUT_DEFAULT else default,
        "doc": meaning or None,
    }


# ---- the table of all


def _print_all(out: Console, items: Iterable[LayerEntry]) -> None:
    families: dict[str, list[LayerEntry]] = {}
    for item in items:
        families.setdefault(item.family, []).append(item)
    for family, members in families.items():
        out.print(Text(family, style="bold"))
        table = _table(Column(width=CALL_WIDTH), Column(overflow="fold"))
        for item in members:
            table.add_row(Text(_short_call(item)), Text(_summary(item.doc)))
        out.print(Padding(table, (0, 0, 1, 2)))
    out.print(Text("`netdsl layers KIND` prints the arguments, the formula and examples."))


def _table(*columns: Column) -> Table:
    return Table(*columns, box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))


def _short_call(item: LayerEntry) -> str:
    """The call with its required arguments, such as `conv(out, k, ...)`.

    Dots replace the other arguments, and those that do not fit into the column.
    """
    if item.family == LANGUAGE or not item.arguments or not item.name.isidentifier():
        return item.call
    shown = [name for name, _, default, _ in item.arguments if default == "required"]
    while len(f"{item.name}({', '.join([*shown, '...'])})") > CALL_WIDTH:
        shown.pop()
    if len(shown) < len(item.arguments):
        shown.append("...")
    return f"{item.name}({', '.join(shown)})"


def _summary(doc: str) -> str:
    """The first sentence, without its citation and the formula after its colon."""
    sentence = re.split(r"(?<!al)\. ", doc)[0].rstrip(".").replace("`", "")
    return re.sub(r" \([^()]*\d{4}[^()]*\)", "", sentence).partition(": ")[0]


# ---- the page of one


def _print_entry(out: Console, item: LayerEntry) -> None:
    out.print(_wrapped_call(item.call, out.width), style="bold")
    out.print()
    out.print(Text(item.doc))
    if item.arguments:
        out.print(Text("\narguments", style="bold"))
        out.print(Padding(_argument_table(item), (0, 0, 0, 2)))
    out.print(Text("\ninputs", style="bold"))
    out.print(Text("  " + item.inputs))
    if item.examples:
        out.print(Text("\nexamples", style="bold"))
        out.print(Padding(_example_table(item), (0, 0, 0, 2)))
    origin = f"family: {item.family}"
    if item.family == COMPOSITE:
        origin += f", defined in nets/lib/{item.name}.net"
    out.print(Text(f"\n{origin}", style="dim"))


def _wrapped_call(call: str, width: int) -> Text:
    """The signature, whose later lines begin below its first argument."""
    head, bracket, rest = call.partition("(")
    if not bracket or len(call) <= width:
        return Text(call)
    indent = " " * (len(head) + 1)
    lines, line = [], head + "("
    for part in rest.split(", "):
        piece = part
        if not part.endswith(")"):
            piece += ", "
        if len(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = indent
        line += piece
    return Text("\n".join([*lines, line]))


def _argument_table(item: LayerEntry) -> Table:
    table = _table(Column(no_wrap=True), Column(max_width=16), Column(no_wrap=True), Column())
    for name, type_, default, meaning in item.arguments:
        shown = default
        if default not in WITHOUT_DEFAULT:
            shown = f"= {default}"
        table.add_row(*(Text(cell) for cell in (name, type_, shown, meaning)))
    return table


def _example_table(item: LayerEntry) -> Table:
    table = _table(Column(no_wrap=True), Column(), Column(no_wrap=True))
    for shapes, call, result in outcomes(item):
        table.add_row(*(Text(cell) for cell in (shapes, call, f"-> {result}")))
    return table
