"""Advice for values of arguments that do not fit: computed numbers, words, sizes and pairs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, Proposal
from netdsl.elaborate.corrections import is_written
from netdsl.elaborate.enlarging import enlarging
from netdsl.elaborate.evaluate import evaluate
from netdsl.elaborate.join_repairs import Repair
from netdsl.elaborate.shares import for_share
from netdsl.elaborate.without_value import for_none
from netdsl.errors import NetdslError
from netdsl.habits.words import CAUSAL, FAMILIES_OF_INITS, INITS
from netdsl.ir.types import Sym, shape_text
from netdsl.ops import LAYERS
from netdsl.ops.args import (
    boolean,
    dims,
    integer,
    integers,
    is_integer,
    padding,
    show,
    sizes,
    tensor_sizes,
    widths,
)
from netdsl.ops.base import SYNONYMS
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.evaluate import Env
    from netdsl.ir.op import Arg, Op
    from netdsl.ir.types import TensorType

WHOLE = (integer, dims, padding, widths)  # the types of whole numbers
_DIVISION = re.compile(r"(\w+(?:\.\w+)?) */ *(\w+)")
_COUNTER = r"\b(?:repeat\s+(?P<count>[\w.]+)\s+as\s+|for\s+){}\b"


def for_value(
    call: ast.Call,
    cls: type[Op],
    declared: Arg,
    argument: ast.Argument,
    value: object,
    x: TensorType | None,
) -> Repair | None:
    """Advice for a value that an argument does not take, from the expression that gives it."""
    expr = argument.value
    if value == "none" and (none := for_none(call, declared, argument)) is not None:
        return none
    if cls.kind == "prelu" and isinstance(value, int | float):
        return _slopes(value)
    if declared.name == "axis" and isinstance(value, float) and cls.family == "normalisation":
        text = f"{cls.kind}(eps = {expr.span.text})"
        return Repair(f"the length of the vectors is known from the input: write `{text}`")
    if isinstance(value, tuple) and isinstance(expr, ast.Sequence) and _are_layers(value):
        arms = "".join(f"| {' '.join(item.span.text.split())} " for item in expr.items)
        text = f"{cls.kind} {{ {arms}}}"
        return Repair(f"the layers are arms in braces: write `{text}`", (Edit(call.span, text),))
    if declared.name == "mask" and (value is True or isinstance(value, str)):
        return _later_steps(argument, str(value))
    if isinstance(value, float) and (cls.kind, declared.name) == ("upsample", "scale"):
        return _resized(value, x)
    if isinstance(value, float) and 0 < value < 1 and declared.name == "stride":
        return Repair(enlarging(cls, 1 / value))
    if isinstance(value, float) and (share := for_share(declared.name, expr)) is not None:
        return share
    if isinstance(value, float) and declared.convert in WHOLE and not is_written(expr):
        return _rounded(expr, value, declared.min)
    if isinstance(value, float) and declared.max == 1 and value > 1 and not is_written(expr):
        return _shared_out(expr)
    if isinstance(value, str) and declared.name == "pad":
        return padding_mode(call, cls, argument, value)
    if isinstance(value, str) and declared.name == "init":
        return initial_weights(value, expr)
    if isinstance(value, Sym) and cls.kind == "embedding":
        written = call.span.text.replace(expr.span.text, "1024", 1)
        return Repair(f"a table has a fixed number of rows: write the most, as in `{written}`")
    if is_integer(value) and cls.args[0].convert in (sizes, integers, tensor_sizes):
        return _one_list(call, argument)
    return None


def _are_layers(values: tuple[object, ...]) -> bool:
    return any(values) and all(getattr(v, "type_word", "") == "a layer" for v in values)


def _slopes(value: float) -> Repair:
    """Advice for PyTorch's number of slopes, `prelu(64)`, and for the first one, `prelu(0.25)`."""
    if isinstance(value, int):
        return Repair("it has one slope for each channel of its input: write `prelu`")
    return Repair(
        "the slopes are learned, and are 0.25 at first: write `prelu`, or"
        f" `leaky_relu({value:g})` for a slope that stays"
    )


def for_word(call: ast.Call, argument: ast.Argument, word: str) -> Repair | None:
    """Advice for a word of other tools as a value, and for `attention(4, causal)`."""
    cls = LAYERS.get(call.name)
    if argument.name is None and cls is not None and _is_switch(cls, word):
        text = f"{word} = true"
        return Repair(f"write `{text}`", (Edit(argument.span, text),))
    if argument.name == "init":
        return initial_weights(word, argument.value)
    if argument.name is not None and argument.name.endswith("mask"):
        return _later_steps(argument, word)
    return None


def _is_switch(cls: type[Op], word: str) -> bool:
    return any(a.name == word and a.convert is boolean for a in cls.args)


def _later_steps(argument: ast.Argument, word: str) -> Repair | None:
    """Advice for `mask = causal`, which is an argument of its own."""
    if word.lower() not in CAUSAL:
        return None
    text = "causal = true"
    help_ = f"`mask` takes a tensor; to hide later steps, write `{text}`"
    return Repair(help_, (Edit(argument.span, text),))


def _resized(scale: float, x: TensorType | None) -> Repair | None:
    """Advice for `upsample(1.5)`: the size that it gives."""
    sizes = () if x is None else x.spatial
    if not sizes or not all(isinstance(n, int) and (n * scale).is_integer() for n in sizes):
        return None
    text = f"size = {shape_text(tuple(int(n * scale) for n in sizes if isinstance(n, int)))}"
    return Repair(f"write `{text}`: a scale is a whole number, and a size can be any")


def _rounded(expr: ast.Expr, value: float, least: float | None) -> Repair | None:
    """Advice for an expression whose value is not a whole number."""
    text = expr.span.text
    fact = f"`{text}` is {show(value)}"
    if _DIVISION.fullmatch(text):
        whole = text.replace("/", "//")
        return Repair(f"{fact}: write `{whole}`, which rounds down", (Edit(expr.span, whole),))
    if least is not None and round(value) < least:
        return None
    return Repair(f"{fact}: write `round({text})`")


def _shared_out(expr: ast.Expr) -> Repair | None:
    """Advice for a probability that grows above 1 in the rounds of a loop."""
    before = expr.span.file.text[: expr.span.start]
    for name in re.findall(r"[A-Za-z_]\w*", expr.span.text):
        loops = list(re.finditer(_COUNTER.format(name), before))
        if loops:
            count = loops[-1]["count"] or "n"
            text = f"{expr.span.text} / {count}"
            return Repair(f"it grows with `{name}`: divide it by the number of rounds, `{text}`")
    return None


def padding_mode(
    call: ast.Call, cls: type[Op], argument: ast.Argument, value: str
) -> Repair | None:
    """Advice for `pad = reflect`, which is how to pad, and not how much."""
    if value.lower() in ("full", "causal"):
        return padding_of_keras(call, argument, value.lower())
    mode = SYNONYMS.get(value, value)
    modes = next((a.choices or () for a in cls.args if a.name == "pad_mode"), ())
    if mode not in modes:
        return None
    k = _window(call)
    amount = "1"
    if isinstance(k, ast.Literal) and is_integer(k.value):
        amount = str(int(str(k.value)) // 2)
    elif k is not None:
        amount = f"{k.span.text} // 2"
    text = f"pad = {amount}, pad_mode = {mode}"
    fix = (Edit(argument.span, text),) if "pad_mode" not in call.span.text else ()
    return Repair(
        f"`pad` is the width of the border, and `pad_mode` its content: write `{text}`", fix
    )


def initial_weights(word: str, expr: ast.Expr) -> Repair | None:
    """Advice for `init = kaiming`, the name of another tool."""
    word = word.rstrip("_")
    ours = INITS.get(word)
    if word in FAMILIES_OF_INITS:
        return Repair("it is called `{}` or `{}` here".format(*FAMILIES_OF_INITS[word]))
    if ours is None:
        return None
    return Repair(f"it is called `{ours}` here", (Edit(expr.span, ours),))


def _window(call: ast.Call) -> ast.Expr | None:
    """The window of a convolution, as it is written."""
    k = next((a.value for a in call.arguments if a.name == "k"), None)
    if k is None and len(call.arguments) > 1 and call.arguments[1].name is None:
        return call.arguments[1].value
    return k


def padding_of_keras(call: ast.Call, argument: ast.Argument, word: str) -> Repair | None:
    """Advice for `pad = full`, and for `pad = causal` of a sequence."""
    k = _window(call)
    if k is None:
        return None
    window, border = k.span.text, f"{k.span.text} - 1"
    dilation = next((a.value.span.text for a in call.arguments if a.name == "dilation"), "1")
    if window.isdigit() and dilation.isdigit():
        border = str(int(dilation) * (int(window) - 1))
    elif dilation != "1":
        border = f"{dilation} * ({border})"
    if word == "full":
        return Repair(f"write `pad = {border}`")  # some tools mean a transposed convolution
    text = f"pad = [({border}, 0)]"
    return Repair(f"write `{text}`", (Edit(argument.span, text),))


def _one_list(call: ast.Call, argument: ast.Argument) -> Repair | None:
    """Advice for `param(100, 256)`, whose sizes are one argument."""
    before = call.arguments[: call.arguments.index(argument) + 1]
    if argument.name is not None or any(a.name for a in before) or len(before) < 2:
        return None
    texts = [a.value.span.text for a in call.arguments if a.name is None]
    listed = "x".join(texts) if all(map(str.isalnum, texts)) else f"[{', '.join(texts)}]"
    place = Span(argument.span.file, before[0].span.start, argument.span.end)
    fix = (Edit(place, listed),) if len(texts) == len(before) else ()
    return Repair(f"the sizes are one argument: write `{call.name}({listed})`", fix)


def for_quotient(expr: ast.Expr, definition: ast.Definition, env: Env) -> str | None:
    """Advice for a parameter that is 0 because its default divides by a larger number."""
    parameters = {p.name: p.default for p in definition.parameters}
    default = parameters.get(expr.id) if isinstance(expr, ast.Name) else None
    if not isinstance(default, ast.Operation) or default.rest[-1][0] != "//":
        return None
    divisor = default.rest[-1][1]
    try:
        is_zero = evaluate(expr, env) == evaluate(default, env) == 0
        number = show(evaluate(divisor, env))
    except NetdslError:
        return None
    if not is_zero or not isinstance(divisor, ast.Name):
        return None
    fact = f"`{expr.span.text}` is `{default.span.text}`, which is 0 with {divisor.id} = {number}"
    return Proposal(f"{fact}: give a smaller `{divisor.id}`", "smaller", [divisor.id])


def counted_from_zero(argument: ast.Argument, value: object, env: Env) -> str | None:
    """Advice for `conv(64 * i, 3)`, whose value is 0, in a loop whose first `i` is 0."""
    if not is_integer(value) or value != 0:
        return None
    text, before = argument.value.span.text, argument.span.file.text[: argument.span.start]
    for name in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", text)):
        is_counter = re.search(rf"\bas\s+{name}\b|\bfor\s+{name}\s+in\s+range\(", before)
        if is_counter and env.find(name) == (True, 0):
            counted = f"{name} + 1"
            if text != name:
                counted = re.sub(rf"\b{name}\b", f"({name} + 1)", text)
            return f"`{name}` counts from 0: write `{counted}`"
    return None


# ---- a wrong number of sizes


def for_sizes(
    call: ast.Call, cls: type[Op], argument: ast.Argument, x: TensorType
) -> Repair | None:
    """Advice for an argument whose number of sizes is not that of the spatial axes."""
    value, axes = argument.value, len(x.spatial)
    if cls.kind == "upsample" and isinstance(value, ast.Function) and value.name == "shape":
        reference = value.span.text.partition("(")[2].removesuffix(")").strip()
        others = [a.span.text for a in call.arguments if a is not argument]
        text = f"upsample({', '.join([reference, *others])})"
        return Repair(f"a shape has channels too: write `{text}`", (Edit(call.span, text),))
    if not isinstance(value, ast.Sequence) or "pad" not in (argument.name, cls.kind):
        return None
    texts = [item.span.text for item in value.items]
    if any(isinstance(item, ast.Sequence) for item in value.items) or len(texts) != 2 * axes:
        return None
    pairs = [f"({a}, {b})" for a, b in zip(texts[::2], texts[1::2], strict=True)]
    listed = f"[{', '.join(reversed(pairs))}]"
    fact = "write a pair for each axis" if axes > 1 else "write a pair in a list"
    order = ", the first axis first" if axes > 1 and len(set(pairs)) > 1 else ""
    fix = (Edit(value.span, listed),) if axes == 1 else ()
    return Repair(f"{fact}{order}: `{listed}`", fix)


# ---- values of the wrong type


def for_literal(call: ast.Call, argument: ast.Argument, cls: type[Op]) -> Repair | None:
    """Advice for sizes and references at the place of a number."""
    value = argument.value
    text = value.span.text
    if isinstance(value, ast.DimsLiteral) and text.startswith("0x") and is_written(value):
        number = str(int(text.replace("x", ""), 16)) if len(value.parts) == 2 else ""
        if number:
            return Repair(f"write numbers in decimal: `{number}`", (Edit(value.span, number),))
    if isinstance(value, ast.DimsLiteral) or (
        isinstance(value, ast.NameOrDims) and value.reads_as_sizes
    ):
        if cls.kind == "upsample" and argument.name is None:
            return Repair(f"write `size = {text}`", (Edit(value.span, f"size = {text}"),))
        fact = f"`{text}` is a list of sizes, {text.replace('x', ' by ')}, not a single number"
        names = [declared.name for declared in cls.args[:2]]
        if argument.name is None and names == ["out", "k"]:
            return Repair(f"{fact}; the channels come first, as in `{_kernel_second(call, text)}`")
        return Repair(fact)
    if isinstance(value, ast.Reference):
        return Repair(
            "the value of a tensor is only known when the net runs; its sizes are `in.channels`,"
            " `in.height`, `in.width`"
        )
    return None


def _kernel_second(call: ast.Call, kernel: str) -> str:
    """`conv(64, 3)` for `conv(3x3, 64)`, with an example of the channels if there are none."""
    _, *others = [a.value.span.text for a in call.arguments if a.name is None] or [""]
    named = [a.span.text for a in call.arguments if a.name is not None]
    sizes_ = kernel.split("x")
    if len(set(sizes_)) == 1 and sizes_[0].isdigit():
        kernel = sizes_[0]
    channels, *rest = others or ["64"]
    return f"{call.name}({', '.join([channels, kernel, *rest, *named])})"
