"""Writes layers as a text without folding: one layer on each line, with references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.importers.flat import Tied
from netdsl.importers.rules.opaque import Opaque
from netdsl.ops.registry import LAYERS

if TYPE_CHECKING:
    from netdsl.importers.flat import Flat, FlatInput, FlatLayer
    from netdsl.ir.op import Arg

JOINS = ("add", "mul", "max", "sub", "concat")
OPERATORS = ("+", "-", "*", "/", "**")
MOST_SIZES = 8  # numbers that are written with `x` between them
PAIR = 2  # a name of layers or a size with more parts is written as sizes, 3x3


def plain_text(flat: Flat) -> str:
    """The net with a label `v0`, `v1`, ... on each layer, whose order is that of the layers."""
    names = {each.value: each.name for each in flat.inputs}
    lines = [f"net {flat.name} {{", *(input_line(each) for each in flat.inputs)]
    lines += [line for each in flat.inputs for line in comments(flat, each.value)]
    for i, layer in enumerate(flat.layers):
        taken = {value: f"@{names[value]}" for value in layer.taken}
        tied = {k: v.text(names[v.owner.output]) for k, v in tied_of(layer).items()}
        lines.append(f"v{i}: {started(layer, taken, tied)}")
        names[layer.output] = f"v{i}"
        names |= {value: f"v{i}.{result}" for result, value in layer.results.items()}
        lines += comments(flat, layer.output)
    lines += [f"output {name}: @{names[value]} -> identity" for name, value in flat.outputs]
    return "\n".join([*lines, "}"]) + "\n"


def comments(flat: Flat, value: str) -> list[str]:
    """The comments about nodes that take a value and were left out."""
    return [f"# {note}" for note in flat.notes.get(value, ())]


def input_line(each: FlatInput) -> str:
    """The declaration of an input."""
    sizes = "x".join(map(str, each.sizes)) if each.sizes else "[]"
    dtype = "" if each.dtype == "float32" else f" {each.dtype}"
    return f"input {each.name}: {sizes}{dtype}"


def tied_of(layer: FlatLayer) -> dict[str, Tied]:
    """The arguments of a layer that are weights of earlier ones."""
    return {name: value for name, value in layer.args.items() if isinstance(value, Tied)}


def started(layer: FlatLayer, taken: dict[str, str], tied: dict[str, str]) -> str:
    """A chain of one layer that takes all of its values by reference."""
    first = taken[layer.inputs[0]]
    if layer.kind in OPERATORS:
        return formula(layer, [taken[v] for v in layer.inputs])
    if layer.kind in JOINS:
        listed = ", ".join(taken[v] for v in layer.inputs)
        return f"{first} -> {call(layer, [f'[{listed}]'], taken, tied)}"
    others = [taken[v] for v in layer.inputs[1:]]
    return f"{first} -> {call(layer, others, taken, tied)}"


def formula(layer: FlatLayer, operands: list[str]) -> str:
    """An operator between references and a number."""
    left, right = layer.args.get("left"), layer.args.get("right")
    texts = [operands[0], operands[-1]]
    if left is not None:
        texts[0] = value_text(left)
    if right is not None:
        texts[1] = value_text(right)
    return f"({texts[0]} {layer.kind} {texts[1]})"


def call(
    layer: FlatLayer, references: list[str], taken: dict[str, str], tied: dict[str, str]
) -> str:
    """The call of a layer, with the arguments that differ from their defaults."""
    plain = {name: value for name, value in layer.args.items() if name not in tied}
    words = arguments(layer.kind, plain)
    words += [f"{name} = {text}" for name, text in tied.items()]
    words += [f"{name} = {taken[value]}" for name, value in layer.tensors.items()]
    words = [*words, *references]
    if words:
        return f"{layer.kind}({', '.join(words)})"
    return layer.kind


def declared(kind: str) -> tuple[Arg, ...]:
    """The arguments that a kind takes; an operator of the model begins with a capital letter."""
    if kind in LAYERS:
        return LAYERS[kind].args
    if kind[:1].isupper():
        return Opaque.args
    return ()


def arguments(kind: str, args: dict[str, object]) -> list[str]:
    """The arguments of a call: those that are required by position, the others by name."""
    words: list[str] = []
    for each in declared(kind):
        if each.name not in args:
            continue
        value = args[each.name]
        if not each.required and value == each.default:
            continue
        text = value_text(value)
        words.append(text if each.required else f"{each.name} = {text}")
    return words


def value_text(value: object) -> str:
    """A value of an argument as its author would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e6:
            return repr(int(value))
        return repr(value)
    if isinstance(value, tuple):
        if 1 < len(value) <= MOST_SIZES and all(type(v) is int and v >= 0 for v in value):
            return "x".join(map(str, value))
        if value and all(isinstance(v, tuple) and len(v) == PAIR for v in value):
            return f"[{', '.join(f'({a}, {b})' for a, b in value)}]"
        return f"[{', '.join(value_text(v) for v in value)}]"
    return str(value)
