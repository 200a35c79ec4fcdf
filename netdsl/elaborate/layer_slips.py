"""Errors of layers that are written as arguments or in formulas: `add(up(4, @b))`.

The advice has the arms of a join, or a line above for the layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, Proposal
from netdsl.elaborate.evaluate import evaluate
from netdsl.elaborate.module import BlockValue
from netdsl.errors import NetdslError
from netdsl.ops import LAYERS
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Collection

    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.evaluate import Env
    from netdsl.elaborate.module import KindValue
    from netdsl.ir.op import Op

JOINS = {"+": "add", "*": "mul", "-": "sub"}
COUNTED = "reduce_sum(0 * @ + 1, axis = {}, keep = true)"  # the size of an axis, computed
AXES = {"channels": 1, "height": 2, "width": 3}  # of a map
JOINED = 2  # a kind with as many inputs joins them
LONGEST_ITEMS = 60  # characters of the elements of a list in a message


def chain_of(function: ast.Function, whole: str = "") -> str:
    """`@b -> up(4)` for `up(4, @b)`, and `up(4)` for a layer of the current value.

    `whole` is a block with a parameter for each argument, so that none of them is its input.
    """
    if function.name == whole:
        return function.span.text
    tensors = [a for a in function.arguments if isinstance(a.value, ast.Reference | ast.Current)]
    others = [a.span.text for a in function.arguments if a not in tensors[:1]]
    call = function.name + f"({', '.join(others)})" * bool(others)
    if tensors and isinstance(tensors[0].value, ast.Reference):
        return f"{tensors[0].value.span.text} -> {call}"
    return call


def as_argument(
    call: ast.Call, cls: type[Op], argument: ast.Argument, layer: KindValue | BlockValue
) -> NetdslError:
    """The error of a layer among the arguments of another one."""
    message = f"`{layer}` is a layer, and a layer cannot be an argument"
    error = NetdslError("unknown-function", message, argument.value.span)
    function = argument.value
    if not isinstance(function, ast.Function) or argument.name is not None:
        return error
    whole = ""
    if isinstance(layer, BlockValue) and len(layer.arguments) <= len(layer.definition.parameters):
        whole = layer.definition.name
    if cls.inputs[1] >= JOINED and cls.kind in (*JOINS.values(), "concat", "max", "min"):
        arms = [_arm(a.value, whole) for a in call.arguments if a.name is None]
        if all(arms):
            listed = " | ".join(["identity"] * (len(arms) == 1) + [str(arm) for arm in arms])
            options = ", ".join(a.span.text for a in call.arguments if a.name is not None)
            head = call.name + f"({options})" * bool(options)
            written = f"{head} {{ | {listed} }}"
            error.diagnostic.help = f"write `{written}`"
            if call.body is None and len(arms) == 1:
                error.diagnostic.fix = (Edit(call.span, written),)
            return error
    written = call.span.text.replace(function.span.text, "@g")
    chain = chain_of(function, whole)
    help_ = f"give the layer a line above, `g: {chain}`, and write `{written}`"
    if "->" not in chain:
        help_ = f"give the layer a line above, `g: {chain}`, and refer to it as `@g`"
    error.diagnostic.help = help_
    return error


def _arm(value: ast.Expr, whole: str = "") -> str | None:
    """The arm for an argument of a join, or None if it is no tensor and no layer."""
    if isinstance(value, ast.Function):
        return chain_of(value, whole)
    if isinstance(value, ast.Current):
        return "identity"
    if isinstance(value, ast.Reference):
        return value.span.text
    return None


def advise_formula(error: NetdslError, element: ast.Formula, blocks: Collection[str]) -> None:
    """Advice for a formula of layers, which is a join, and for one with an open size."""
    formula = element.value
    sizes = {part.name for part in formula.walk() if isinstance(part, ast.Attribute)}
    if error.code in ("bad-arithmetic", "open-size") and sizes:
        axis = AXES.get(sizes.pop()) if len(sizes) == 1 else None
        error.diagnostic.help = (
            "an open size is no number in a formula: write a number for it in the `input`, or"
            f" `{COUNTED.format(axis or 'i')}`, which is the size of axis {axis or '`i`'} as a"
            " tensor; `reduce_mean` divides by sizes"
        )
    if error.code not in ("wrong-type", "bad-argument"):
        return
    written = _as_join(formula, blocks)
    if written is None:
        error.diagnostic.help = _line_above(formula, blocks) or error.diagnostic.help
        return
    if element.label is not None and " { |" not in written:
        before, arrow, last = written.rpartition(" -> ")
        label = element.label.span.text.rstrip(": ")
        error.diagnostic.help = f"write `{before}{arrow}{label}: {last}`"
        return
    error.diagnostic.help = f"write `{written}`"
    text, place = element.span.file.text, formula.span
    start, end = place.start - 1, place.end + 1
    if text.startswith("(", start) and text[:end].endswith(")"):
        error.diagnostic.fix = (Edit(Span(place.file, start, end), written),)


def _as_join(formula: ast.Expr, blocks: Collection[str]) -> str | None:
    """`mul { | conv(4, 1) -> tanh | conv(4, 1) -> sigmoid }` for a formula of layers, or None.

    A formula with one layer and numbers is a chain: `conv(4, 1) -> relu -> (@ * 2)`.
    """
    if not _has_layer(formula, blocks):
        return None
    if not isinstance(formula, ast.Operation):
        return None if _is_layer(formula, blocks) else _operand(formula, blocks)
    operators = {operator for operator, _ in formula.rest}
    operands = [formula.first, *(operand for _, operand in formula.rest)]
    arms = [_operand(operand, blocks) for operand in operands]
    join = JOINS.get(operators.pop())
    layers = [operand for operand in operands if _has_layer(operand, blocks)]
    if len(layers) == 1 and all(o is layers[0] or isinstance(o, ast.Literal) for o in operands):
        inner, rest = _operand(layers[0], blocks), formula.span.text
        before = layers[0].span.start - formula.span.start
        after = rest[layers[0].span.end - formula.span.start :]
        return None if inner is None else f"{inner} -> ({rest[:before]}@{after})"
    if operators or join is None or not all(arms) or (join == "sub" and len(arms) > JOINED):
        return None
    return f"{join} {{ | {' | '.join(map(str, arms))} }}"


def _line_above(formula: ast.Expr, blocks: Collection[str]) -> str | None:
    """Advice to compute the layer of a formula in a line above it, if it has no current value."""
    parts = list(formula.walk())
    layers = [part for part in parts if isinstance(part, ast.Expr) and _is_layer(part, blocks)]
    if (
        len(layers) != 1
        or layers[0] is formula
        or any(isinstance(part, ast.Current) for part in parts)
    ):
        return None
    layer = layers[0].span.text
    written = formula.span.text.replace(layer, "@g")
    return f"give the layer a line above, `g: {layer}`, and write `({written})`"


def _is_layer(value: ast.Expr, blocks: Collection[str]) -> bool:
    """Whether a part of a formula is a layer or block that is no function of formulas."""
    name = ""
    if isinstance(value, ast.Function):
        name = value.name
    elif isinstance(value, ast.Name):
        name = value.id
    return name in blocks or (name in LAYERS and not LAYERS[name].is_function)


def _has_layer(formula: ast.Expr, blocks: Collection[str]) -> bool:
    parts = (part for part in formula.walk() if isinstance(part, ast.Expr))
    return any(_is_layer(part, blocks) for part in parts)


def _operand(value: ast.Expr, blocks: Collection[str]) -> str | None:
    """The arm that computes an operand of a formula."""
    if isinstance(value, ast.Current | ast.Reference):
        return _arm(value)
    if isinstance(value, ast.Name) and _is_layer(value, blocks):
        return value.id
    if not isinstance(value, ast.Function):
        return None
    if _is_layer(value, blocks):
        return _layer(value, blocks)
    kind, first = LAYERS.get(value.name), value.arguments[:1]
    if kind is None or not kind.is_function or not first or first[0].name is not None:
        return None
    inner = _operand(first[0].value, blocks)
    options = ", ".join(a.span.text for a in value.arguments[1:])
    function = value.name + f"({options})" * bool(options)
    if inner is None:
        return None
    return f"{inner} -> {function}".removeprefix("identity -> ")


def _layer(function: ast.Function, blocks: Collection[str]) -> str:
    """The chain for a layer that may be applied to another one: `bn(conv(8, 1))`."""
    first, *others = function.arguments or (None,)
    inner = None
    if first is not None and first.name is None and isinstance(first.value, ast.Function):
        inner = _operand(first.value, blocks)
    if inner is None:
        return chain_of(function)
    options = ", ".join(a.span.text for a in others if a is not None)
    return f"{inner} -> {function.name}" + f"({options})" * bool(options)


# ---- tensors


def advise_reference(diagnostic: Diagnostic, value: ast.Expr, env: Env) -> None:
    """Advise and fix `h = enc.h`, a tensor without `@`."""
    text = value.span.text
    try:
        evaluate(ast.Reference(value.span, ast.Pattern((text,), False, value.span)), env)
    except NetdslError:
        return
    diagnostic.help = Proposal(f"write `@{text}` for a tensor", "reference", [f"@{text}"])
    diagnostic.fix = (Edit(value.span, f"@{text}"),)


def nested(cls: type[Op], argument: ast.Argument) -> NetdslError:
    """The error of a list of lists of tensors, which a join does not take."""
    message = f"`{cls.kind}` joins one list of tensors, found a list of lists"
    fix: tuple[Edit, ...] = ()
    help_ = "add the lists: `for part in lists with all = [] { next all = all + part }`"
    value = argument.value
    inner = None
    if isinstance(value, ast.Comprehension) and value.condition is None:
        inner = value.item
    if isinstance(value, ast.Sequence):
        items = [
            part.span.text
            for item in value.items
            for part in (item.items if isinstance(item, ast.Sequence) else (item,))
        ]
        parts = (ast.Sequence, ast.Reference, ast.Current, ast.Function)
        is_whole = all(isinstance(item, parts) for item in value.items)
        if is_whole and len(", ".join(items)) <= LONGEST_ITEMS:
            help_ = f"write one list: `[{', '.join(items)}]`"
            fix = (Edit(argument.span, f"[{', '.join(items)}]"),)
    elif isinstance(inner, ast.Sequence):
        head = value.span.text[1:-1].replace(inner.span.text, "", 1).strip()
        help_ = (
            f"write one list: `{head} with all = [] {{ next all = all + {inner.span.text} }}`, and"
            " then `all` in place of the list"
        )
    return NetdslError("wrong-type", message, argument.span, help=help_, fix=fix)


def beside_list(cls: type[Op], argument: ast.Argument) -> NetdslError:
    """The error of a list of tensors beside further tensors."""
    return NetdslError(
        "bad-argument",
        f"`{cls.kind}` joins what one list contains, and nothing else is given beside it",
        argument.span,
        help="add lists, `[@] + list`, or write all references without a list",
    )
