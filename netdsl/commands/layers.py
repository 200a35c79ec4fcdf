"""`netdsl layers`: the reference of the layers, printed from their definitions."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, NamedTuple

from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from netdsl.commands.consoles import listing
from netdsl.diagnostics import Reporter
from netdsl.driver import compile_net, program_of
from netdsl.elaborate.loader import Loader, resolve
from netdsl.elaborate.module import KindValue, Module
from netdsl.errors import NetdslError
from netdsl.library import block_names
from netdsl.ops import LAYERS, load_plugins
from netdsl.ops.args import show, type_name
from netdsl.ops.base import signature
from netdsl.source import SourceFile, Span

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from netdsl.ir.op import Arg, Op
    from netdsl.syntax import ast

COMPOSITE = "composite"
LANGUAGE = "language"
FAMILIES = (
    "convolution",
    "pooling",
    "normalisation",
    "regularisation",
    "dense",
    "activation",
    "join",
    "shape",
    "sequence",
    "graph",
    "regions",
)
CALL_WIDTH = 28


class LayerEntry(NamedTuple):
    """What the reference says of one kind."""

    name: str
    family: str
    call: str
    doc: str
    arguments: tuple[tuple[str, str, str, str], ...] = ()  # name, type, default, what it is
    inputs: str = ""
    examples: tuple[tuple[str, str], ...] = ()  # input shapes, call


WORDS = (
    LayerEntry(
        "residual",
        LANGUAGE,
        "residual { F }",
        "The sum of what F makes and of its input: `add { | F | identity }`. With two arms or more,"
        " the sum of the arms.",
        inputs="the current value, given to each arm",
        examples=(("8x6x6", "residual { conv(8, 3, pad = 1) -> bn }"),),
    ),
    LayerEntry(
        "identity",
        LANGUAGE,
        "identity",
        "The current value as it is: an arm that does nothing, or a name for a value. It makes no"
        " layer.",
        inputs="the current value",
        examples=(("4x6x6", "concat { | identity | conv(2, 1) }"),),
    ),
    LayerEntry(
        "frozen",
        LANGUAGE,
        "F -> frozen",
        "Training leaves the weights of the layer, block or group before it as they are.",
        inputs="the current value",
        examples=(
            ("1x6x6", "conv(1, 3, bias = false, weight = [[1,0,-1],[2,0,-2],[1,0,-1]]) -> frozen"),
        ),
    ),
)


def run(arguments: argparse.Namespace) -> int:
    """Print the table of all kinds, or the page of one; returns the exit code."""
    if arguments.kind is None:
        _print_all(listing(), entries())
    else:
        _print_entry(listing(), entry(arguments.kind))
    return 0


# ---- what there is to say


def entries() -> list[LayerEntry]:
    """Every kind, shipped block and word; the families of other packages come after our own."""
    load_plugins()
    kinds = [_of_kind(cls) for cls in LAYERS.values()]
    kinds.sort(key=lambda e: FAMILIES.index(e.family) if e.family in FAMILIES else len(FAMILIES))
    return [*kinds, *(entry(name) for name in block_names()), *WORDS]


def entry(name: str) -> LayerEntry:
    """The entry of a kind, shipped block or word; fails with the closest names."""
    for word in WORDS:
        if word.name == name:
            return word
    source = SourceFile("<layers>", name)
    try:
        found = resolve(Loader(Reporter()), Module(source), name, Span(source, 0, len(name)))
    except NetdslError as fault:
        unknown = fault.diagnostic
        raise NetdslError(unknown.code, unknown.message, help=unknown.help) from None
    return _of_kind(found.cls) if isinstance(found, KindValue) else _of_block(found.definition)


def _of_kind(cls: type[Op]) -> LayerEntry:
    doc = " ".join(inspect.cleandoc(cls.__doc__ or "").split())
    rows = tuple(
        (a.name, "word" if a.choices else type_name(a), _default(a), _meaning(a)) for a in cls.args
    )
    return LayerEntry(cls.kind, cls.family, signature(cls), doc, rows, _inputs(cls), cls.examples)


def _of_block(definition: ast.Definition) -> LayerEntry:
    rows = tuple(
        (p.name, "", p.default.span.text if p.default is not None else "required", "")
        for p in definition.parameters
    )
    parts = [
        name if default == "required" else f"{name} = {default}" for name, _, default, _ in rows
    ]
    call = f"{definition.name}({', '.join(parts)})" if parts else definition.name
    return LayerEntry(
        definition.name,
        COMPOSITE,
        call,
        " ".join(definition.doc.split()),
        rows,
        "the current value",
    )


def _default(arg: Arg) -> str:
    if arg.required:
        return "required"
    return "none" if arg.default is None else show(arg.default).strip('"')


def _meaning(arg: Arg) -> str:
    low, high = arg.min, arg.max
    if arg.choices:
        return f"{arg.doc}: {', '.join(arg.choices)}"
    if low is not None and high is not None:
        return f"{arg.doc}; from {low:g} to {high:g}"
    if low is not None:
        return f"{arg.doc}; at least {low:g}"
    return arg.doc if high is None else f"{arg.doc}; at most {high:g}"


def _inputs(cls: type[Op]) -> str:
    low, high = cls.inputs
    if high == 1:
        return "the current value"
    if high > 16:
        return "arms in braces, or the current value and `@` references"
    more = (
        str(high - 1)
        if low == high
        else f"at most {high - 1}"
        if low == 1
        else f"{low - 1} to {high - 1}"
    )
    plural = "" if high == 2 else "s"
    return f"the current value and {more} `@` reference{plural}"


# ---- the table of all


def _print_all(out: Console, all_: Iterable[LayerEntry]) -> None:
    families: dict[str, list[LayerEntry]] = {}
    for item in all_:
        families.setdefault(item.family, []).append(item)
    for family, members in families.items():
        out.print(Text(family, style="bold"))
        table = Table(
            Column(width=CALL_WIDTH),
            Column(),
            box=None,
            show_header=False,
            pad_edge=False,
            padding=(0, 2, 0, 0),
        )
        for item in members:
            table.add_row(Text(_short_call(item)), Text(_summary(item.doc)))
        out.print(Padding(table, (0, 0, 1, 2)))
    out.print(Text("`netdsl layers KIND` has the arguments, the formula and examples."))


def _short_call(item: LayerEntry) -> str:
    """`conv(out, k, ...)`: what a call must give, and whether there is more."""
    if item.family == LANGUAGE or not item.arguments:
        return item.call
    parts = [name for name, _, default, _ in item.arguments if default == "required"]
    more = len(parts) < len(item.arguments)
    while len(f"{item.name}({', '.join([*parts, '...'])})") > CALL_WIDTH:
        parts, more = parts[:-1], True
    return (
        f"{item.name}({', '.join([*parts, *(['...'] if more else [])])})"
        if parts
        else f"{item.name}(...)"
    )


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
    out.print(
        Text(
            f"\nfamily: {item.family}"
            + (f", defined in nets/lib/{item.name}.net" if item.family == COMPOSITE else ""),
            style="dim",
        )
    )


def _wrapped_call(call: str, width: int) -> Text:
    """The signature, its later lines under its first argument."""
    head, bracket, rest = call.partition("(")
    if not bracket or len(call) <= width:
        return Text(call)
    indent = " " * (len(head) + 1)
    lines, line = [], head + "("
    for part in rest.split(", "):
        piece = part if part.endswith(")") else part + ", "
        if len(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = indent
        line += piece
    return Text("\n".join([*lines, line]))


def _argument_table(item: LayerEntry) -> Table:
    table = Table(
        Column(no_wrap=True),
        Column(max_width=16),
        Column(no_wrap=True),
        Column(),
        box=None,
        show_header=False,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for name, type_, default, meaning in item.arguments:
        shown = default if default == "required" else f"= {default}"
        table.add_row(*(Text(cell) for cell in (name, type_, shown, meaning)))
    return table


def _example_table(item: LayerEntry) -> Table:
    table = Table(
        Column(no_wrap=True),
        Column(),
        Column(no_wrap=True),
        box=None,
        show_header=False,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for shapes, call, result in outcomes(item):
        table.add_row(*(Text(cell) for cell in (shapes, call, f"-> {result}")))
    return table


def outcomes(item: LayerEntry) -> Iterator[tuple[str, str, str]]:
    """Each example: its input shapes, the call as a user writes it, and the shape of the result."""
    for shapes, call in item.examples:
        inputs = shapes.split(", ")
        written = with_references(call, [f"@x{i}" for i in range(2, len(inputs) + 1)])
        lines = [f"input x{i}: {shape}" for i, shape in enumerate(inputs, start=1)]
        program = program_of(
            SourceFile(item.name, "\n".join(["net Example {", *lines, written, "}"]))
        )
        yield shapes, written, str(compile_net(program, "Example").graph.outputs[0].value.type)


def with_references(call: str, references: list[str]) -> str:
    """The call of an example with references for the inputs after the first."""
    if not references:
        return call
    listed = ", ".join(references)
    return f"{call[:-1]}, {listed})" if call.endswith(")") else f"{call}({listed})"
