"""The reference of the layers, as data, from their definitions."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Reporter
from netdsl.driver import compile_net, program_of
from netdsl.elaborate.loader import load_program, resolve
from netdsl.elaborate.module import BlockValue, KindValue
from netdsl.errors import NetdslError
from netdsl.habits.layers import find
from netdsl.library import block_names
from netdsl.ops import LAYERS, load_plugins
from netdsl.ops.args import show, type_name
from netdsl.ops.base import signature
from netdsl.source import SourceFile, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.op import Arg, Op
    from netdsl.syntax import ast

COMPOSITE = "composite"
LANGUAGE = "language"
WITHOUT_DEFAULT = ("required", "optional")  # in place of the default of an argument
FAMILIES = (
    "convolution",
    "pooling",
    "normalisation",
    "regularisation",
    "dense",
    "activation",
    "arithmetic",
    "join",
    "shape",
    "sequence",
    "graph",
    "regions",
)


class LayerEntry(NamedTuple):
    """The reference of one kind."""

    name: str
    family: str
    call: str
    doc: str
    arguments: tuple[tuple[str, str, str, str], ...] = ()  # name, type, default, meaning
    inputs: str = ""
    examples: tuple[tuple[str, str], ...] = ()  # input shapes, call


WORDS = (
    LayerEntry(
        "residual",
        LANGUAGE,
        "residual { F }",
        "The sum of F's output and its input: `add { | F | identity }`. With two arms or more, the"
        " sum of the arms.",
        inputs="the current value, given to each arm",
        examples=(("8x6x6", "residual { conv(8, 3, pad = 1) -> bn }"),),
    ),
    LayerEntry(
        "identity",
        LANGUAGE,
        "identity",
        "The current value, unchanged: an arm that does nothing, or a place for a label. It adds no"
        " layer.",
        inputs="the current value",
        examples=(("4x6x6", "concat { | identity | conv(2, 1) }"),),
    ),
    LayerEntry(
        "frozen",
        LANGUAGE,
        "F -> frozen",
        "Training does not change the weights of the layer, block or group before it.",
        inputs="the current value",
        examples=(
            ("1x6x6", "conv(1, 3, bias = false, weight = [[1,0,-1],[2,0,-2],[1,0,-1]]) -> frozen"),
        ),
    ),
)


def entries() -> list[LayerEntry]:
    """Every kind, shipped block and word; the families of other packages come after our own."""
    load_plugins()
    kinds = [_of_kind(cls) for cls in LAYERS.values()]
    kinds.sort(key=_family_order)
    return [*kinds, *(entry(name) for name in block_names()), *WORDS]


def _family_order(item: LayerEntry) -> int:
    return (*FAMILIES, item.family).index(item.family)


def entry(name: str) -> LayerEntry:
    """The entry of a kind, shipped block or word.

    Raises `NetdslError` for an unknown name; its help suggests the closest ones.
    """
    for word in WORDS:
        if word.name == name:
            return word
    loader, module = load_program(SourceFile("<layers>", ""), Reporter())
    try:
        value = resolve(loader, module, name, Span(module.source, 0, 0))
    except NetdslError as fault:
        unknown = fault.diagnostic
        foreign = find(name)
        help_ = unknown.help if foreign is None else f"it is called `{foreign.ours}` here"
        raise NetdslError(unknown.code, unknown.message, help=help_) from None
    if isinstance(value, KindValue):
        return _of_kind(value.cls)
    assert isinstance(value, BlockValue)  # `identity` is one of the words
    return _of_block(value.definition)


def _of_kind(cls: type[Op]) -> LayerEntry:
    doc = " ".join(inspect.cleandoc(cls.__doc__ or "").split())
    rows = tuple((arg.name, _type(arg), _default(arg), _meaning(arg)) for arg in cls.args)
    return LayerEntry(cls.kind, cls.family, signature(cls), doc, rows, _inputs(cls), cls.examples)


def _of_block(definition: ast.Definition) -> LayerEntry:
    rows = []
    parts = []
    for parameter in definition.parameters:
        default = "required"
        part = parameter.name
        if parameter.default is not None:
            default = parameter.default.span.text
            part = f"{parameter.name} = {default}"
        rows.append((parameter.name, "", default, ""))
        parts.append(part)
    call = definition.name
    if parts:
        call += f"({', '.join(parts)})"
    return LayerEntry(
        definition.name,
        COMPOSITE,
        call,
        " ".join(definition.doc.split()),
        tuple(rows),
        "the current value",
    )


def _type(arg: Arg) -> str:
    return "word" if arg.choices else type_name(arg)


def _default(arg: Arg) -> str:
    if arg.required:
        return "required"
    if arg.default is None:
        return "optional"
    return show(arg.default).strip('"')


def _meaning(arg: Arg) -> str:
    low, high = arg.min, arg.max
    if arg.choices:
        return f"{arg.doc}: {', '.join(arg.choices)}"
    if low is not None and high is not None:
        return f"{arg.doc}; from {low:g} to {high:g}"
    if low is not None:
        return f"{arg.doc}; at least {low:g}"
    if high is not None:
        return f"{arg.doc}; at most {high:g}"
    return arg.doc


def _inputs(cls: type[Op]) -> str:
    low, high = cls.inputs
    if not cls.kind.isidentifier():
        return "two tensors, or a tensor and a number"
    if high == 1:
        return "the current value"
    if high > 16:
        return "arms in braces, or the current value and `@` references"
    if low == high:
        more = str(high - 1)
    elif low == 1:
        more = f"at most {high - 1}"
    else:
        more = f"{low - 1} to {high - 1}"
    plural = "" if high == 2 else "s"
    return f"the current value and {more} `@` reference{plural}"


def outcomes(item: LayerEntry) -> Iterator[tuple[str, str, str]]:
    """Each example: its input shapes, the call as a user writes it, and the shape of the result."""
    for shapes, call in item.examples:
        inputs = shapes.split(", ")
        named = re.findall(r"@(\w+)", call)  # they are the last inputs
        names = [f"x{i}" for i in range(1, len(inputs) - len(named) + 1)]
        written = with_references(call, [f"@{name}" for name in names[1:]])
        pairs = zip(names + named, inputs, strict=True)
        lines = [f"input {name}: {shape}" for name, shape in pairs]
        text = "\n".join(["net Example {", *lines, written, "}"])
        compiled = compile_net(program_of(SourceFile(item.name, text)), "Example")
        yield shapes, written, str(compiled.graph.outputs[0].value.type)


def with_references(call: str, references: list[str]) -> str:
    """The call of an example with references for the inputs after the first."""
    if not references:
        return call
    if "{}" in call:
        return call.format(*references)
    listed = ", ".join(references)
    if call.endswith(")"):
        return f"{call[:-1]}, {listed})"
    return f"{call}({listed})"
