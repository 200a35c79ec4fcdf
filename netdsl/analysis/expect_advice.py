"""Advice about `expect` lines, and the texts of values in their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.elaborate.evaluate import evaluate
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym, shape_text
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from netdsl.analysis.cost import Cost
    from netdsl.elaborate.evaluate import Env
    from netdsl.ir.graph import Node, Value
    from netdsl.syntax import ast

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_OF_LAYER = ("params", "macs", "weights", "buffers")  # figures that are sums over layers
_MOST_LAYERS = 3  # that a message names
_UNITS = {3: "thousands", 6: "millions", 9: "billions"}
_NEAR = 0.1  # the share by which a figure of a paper may be off
MOST_PLACES = 3  # behind the point of a rounded figure
MOST = 16  # how many sizes of a list a message shows


def advice_for_shape(
    name: str, shape: tuple[object, ...], wanted: object
) -> tuple[str | None, bool]:
    """Advice for sizes that differ from those of a label, and whether it is certain."""
    written = f"`{name} == {shown(shape)}`"
    if isinstance(wanted, int):
        return f"compare it with sizes: {written}; one of them is `{name}[0]`", False
    if not isinstance(wanted, tuple):
        return None, False
    if wanted[1:] == shape:
        return f"leave the batch out: {written}", True
    if len(shape) > 2 and (*wanted[-1:], *wanted[:-1]) == shape:
        return f"the channels come first: {written}", True
    if len(wanted) != len(shape):
        count = counted(len(shape), "size")
        return f"it has {count}, not {len(wanted)}: {written}", False
    return None, False


def rounded_figure(name: str, found: int, wanted: float) -> str | None:
    """Advice for a figure as papers give it: 25.6e6 or 25.6 for 25,557,032."""
    for power in (9, 6, 3):
        number = f"{wanted / 10**power:.12g}"
        places = len(number.partition(".")[2])
        if wanted >= 10**power and places < power and 0 < places <= MOST_PLACES:
            if round(found / 10**power, places) == float(number):
                rounded = f"round({name} / 1e{power}, {places}) == {number}"
                return f"the expected number is rounded: write `{rounded}`"
            return None
    return _to_digits(name, found, wanted) or _in_units(name, found, wanted)


def _to_digits(name: str, found: int, wanted: float) -> str | None:
    """Advice for a figure that is rounded to a few digits: 1.2e8 for 118,014,592."""
    digits = f"{wanted:.0f}".rstrip("0")
    zeros = len(f"{wanted:.0f}") - len(digits)
    is_rounded = wanted == int(wanted) and len(digits) > 1 and zeros >= min(_UNITS)
    if not is_rounded or round(found / 10**zeros) != int(digits):
        return None
    if zeros in _UNITS:
        return f"the expected number is rounded: write `round({name} / 1e{zeros}) == {digits}`"
    power, places = zeros + len(digits) - 1, len(digits) - 1
    number = f"{digits[0]}.{digits[1:]}"
    return (
        f"the expected number is rounded: write `round({name} / 1e{power}, {places}) == {number}`"
    )


def _in_units(name: str, found: int, wanted: float) -> str | None:
    """Advice for a figure in thousands, millions or billions: 25.6 for 25,557,032."""
    number = f"{wanted:.12g}"
    places = len(number.partition(".")[2])
    for power, unit in _UNITS.items():
        scaled = found / 10**power
        call = f"round({name} / 1e{power}{f', {places}' if places else ''})"
        if round(scaled, places) == wanted and wanted > 0:
            return f"that is in {unit}: write `{call} == {number}`"
        if wanted > 1 and 1 - _NEAR < scaled / wanted < 1 + _NEAR:
            return f"in {unit}, `{call}` is {round(scaled, places):.12g}"
    return None


def wrong_number(expr: ast.Function) -> NetdslError:
    """The error for a figure with no label, or with several."""
    help_ = f"write one label: `{expr.name}(label)`"
    if len(expr.arguments) > 1:
        calls = [f"{expr.name}({argument.span.text})" for argument in expr.arguments]
        help_ = f"ask for each: `{' + '.join(calls)}`"
    if expr.name == "shape" and expr.arguments:
        help_ = f"write `shape({expr.arguments[0].span.text})`; its first size is `[0]`"
    message = f"`{expr.name}` takes one label, found {len(expr.arguments)}"
    return NetdslError("unknown-function", message, expr.span, help=help_)


def called(node: Node) -> str:
    """A layer by its label, or else by its kind and line."""
    if not node.name.rpartition(".")[2].isdigit():
        return f"`{node.name}`"
    return f"`{node.op.kind}` on line {node.span.first.line}"


def contributions(figure: ast.Expr, difference: float, rows: Iterable[tuple[Node, Cost]]) -> str:
    """How far a figure is off, and the layers that most of it comes from."""
    more = "more" if difference > 0 else "less"
    text = f"{shown(abs(difference))} {more} than expected"
    name = getattr(figure, "id", None)
    if name not in _OF_LAYER:
        return text
    numbers = [(getattr(cost, name), called(node)) for node, cost in rows]
    largest = sorted((row for row in numbers if isinstance(row[0], int) and row[0]), reverse=True)
    parts = [f"{layer} has {shown(number)}" for number, layer in largest[:_MOST_LAYERS]]
    if len(largest) > _MOST_LAYERS:
        parts.append(f"{counted(len(largest) - _MOST_LAYERS, 'other layer')} have less each")
    return ": ".join([text, ", ".join(parts)]) if parts else text


def what_to_ask(value: Value) -> str:
    """Advice on what to ask instead, for the label of a value that is not a layer."""
    if value.producer is None:
        return "it is an input of the net, which has only a `shape`"
    return f"name the layer that computes it, `{value.producer.name}`"


def shape_help(name: str, labels: Container[str], outputs: Sequence[str]) -> str | None:
    """Advice for a figure that only a label has, and for a label without a figure."""
    if name in labels:
        return f"write `shape({name})` for its sizes, or `params({name})`"
    if name in ("output_shape", "output", "out", "result") and len(outputs) == 1:
        return f"write `shape({outputs[0]})` for the sizes of the output"
    if name in ("shape", "output_shape", "sizes", "size", "output", "out", "result"):
        return "name the layer with a label: `c: conv(8, 3)`, then `expect shape(c) == 8x30x30`"
    return None


def shown(value: object) -> str:
    """A value as messages show it: `1,024`, `3x224x224`, `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and len(value) > MOST:
        return f"{shown(value[:MOST])} and {len(value) - MOST:,} more"
    if isinstance(value, tuple) and all(isinstance(v, (int, Sym)) for v in value):
        return shape_text(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def is_comparison(condition: ast.Operation) -> bool:
    """Whether it is one comparison of two values."""
    return len(condition.rest) == 1 and condition.rest[0][0] in _COMPARISONS


def is_open(value: object) -> bool:
    """Whether a value depends on open sizes."""
    values = value if isinstance(value, tuple) else (value,)
    return any(isinstance(item, Sym) for item in values)


def written_path(reference: ast.Reference, env: Env) -> str:
    """The path of a reference, with its computed parts evaluated."""
    path = ""
    for piece in reference.path.pieces:
        path += piece if isinstance(piece, str) else str(evaluate(piece, env))
    return path
