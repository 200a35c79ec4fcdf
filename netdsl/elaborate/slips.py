"""Advice for names and arguments that people write out of habit from other tools.

The errors themselves are found elsewhere; this module is loaded when there is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, closest
from netdsl.habits.brackets import parts
from netdsl.habits.calls import chain_of
from netdsl.habits.layers import ADVICE, NOTHING, VALUES, find, key_of
from netdsl.ops import LAYERS
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.diagnostics import Diagnostic
    from netdsl.ir.op import Op

JOINS = ("concat", "add", "mul", "sub", "max", "residual")
# Functions of other languages.
_FUNCTIONS = {
    "int": "`floor(a)` rounds down; `a // b` divides without a remainder",
    "pow": "write a power as `a ** b`",
    "str": "only labels contain values: `stage{i}: conv(8, 3)`",
    "float": "leave it out: `a / b` gives a fraction",
    "list": "leave it out: `range(3)` is a list already",
    "tuple": "leave it out: lists and tuples are the same",
    "prod": "write the product: `a * b`; `in.size` is the number of elements",
    "log2": "write the number itself",
    "size": "the sizes of a value are `shape(@label)`, those of a block's input `in.shape`",
    "zip": "count with `enumerate(list)` or `range(n)`, and index: `list[i]`",
    "reversed": "write the list in that order",
    "sorted": "write the list in that order",
}

_TYPES = {
    "float": "float32", "float32": "float32", "f32": "float32", "real": "float32",
    "double": "float64", "f64": "float64", "half": "float16", "fp16": "float16", "f16": "float16",
    "int": "int64", "long": "int64", "integer": "int64", "i64": "int64", "i32": "int32",
    "byte": "uint8", "u8": "uint8", "uchar": "uint8", "boolean": "bool",
}  # fmt: skip
_PACKAGES = frozenset(
    "torch tensorflow keras numpy torchvision jax flax mxnet paddle netdsl nn math os sys".split()
)


def advise(diagnostic: Diagnostic, part: ast.Tree | None, labels: Iterable[str] = ()) -> None:
    """Give an error better advice, and a fix, if it comes from a habit.

    `part` is the element or statement that has the error, and `labels` are those above it.
    """
    if diagnostic.span is None or diagnostic.fix:
        return
    call = part if isinstance(part, ast.Call) else None
    match diagnostic.code:
        case "unknown-layer":
            _layer(diagnostic, diagnostic.span, call)
        case "unknown-name":
            _name(diagnostic, diagnostic.span, call, labels)
        case "unknown-function":
            _function(diagnostic, diagnostic.span, call)
        case "wrong-type" | "bad-argument" if call is not None:
            _argument(diagnostic, diagnostic.span, call, labels)
        case "wrong-dtype" if isinstance(part, ast.Input):
            _dtype(diagnostic, diagnostic.span, part)
        case "import-not-found":
            _import(diagnostic, diagnostic.span)


def _fix(diagnostic: Diagnostic, span: Span, text: str) -> None:
    diagnostic.fix = (Edit(span, text),)


def _closest(diagnostic: Diagnostic, span: Span) -> None:
    """Make the only suggestion of the advice the fix."""
    suggested = re.fullmatch(r"did you mean `([^`]+)`\?", diagnostic.help or "")
    if suggested is not None and closest(span.text.lstrip("@"), [suggested[1].lstrip("@")]):
        _fix(diagnostic, span, suggested[1])


# ---- names of layers


def _layer(diagnostic: Diagnostic, span: Span, call: ast.Call | None) -> None:
    name = span.text
    path = re.match(r"write `(@[^`]+)` for the value", diagnostic.help or "")
    if path is not None:
        if call is not None:
            _fix(diagnostic, call.span, path[1])
        return
    written = None if call is None else _written(call)
    row = find(name)
    before = span.file.text[: span.start].rstrip()
    if call is not None and key_of(name) in ("output", "outputs"):
        _output(diagnostic, call, before)
    elif call is not None and written is not None and (row is not None or key_of(name) in ADVICE):
        is_same = row is not None and written != row.ours and written.startswith(row.ours)
        diagnostic.help = f"write `{written}`"
        if row is not None and is_same:
            diagnostic.help = f"it is called `{row.ours}` here: write `{written}`"
        _fix(diagnostic, call.span, written)
    elif before.endswith("output") and call is not None and not call.arguments:
        diagnostic.help = f"an output has a layer: `output {name}: dense(10)`, or `@label` after it"
    elif key_of(name) in ADVICE:
        diagnostic.help = ADVICE[key_of(name)]
        if call is not None and "leave" in ADVICE[key_of(name)] and _is_line(call.span):
            _fix(diagnostic, call.span, "")
    elif row is not None:
        diagnostic.help = f"it is called `{row.ours}` here"
        if call is not None and not call.arguments and call.body is None:
            _fix(diagnostic, span, row.ours)
    else:
        _closest(diagnostic, span)


def _output(diagnostic: Diagnostic, call: ast.Call, before: str) -> None:
    """Advice for `output` at the end of a chain."""
    diagnostic.help = "name the output at the beginning of a line: `output logits: dense(10)`"
    span = call.span
    number = span.file.location(span.start).line
    line, start = span.file.line(number), span.file.start_of(number)
    chain = span.file.text[start : len(before)].strip()
    if call.arguments:
        arguments = span.text.partition("(")[2]
        diagnostic.help = f"write the layer: `dense({arguments}`; `output` names the last value"
        _fix(diagnostic, span, f"dense({arguments}")
    elif chain.endswith("->") and line.rstrip().endswith(span.text):
        begin = start + len(line) - len(line.lstrip())
        written = f"output {chain.removesuffix('->').rstrip()}"
        diagnostic.help = f"an output begins its line: `{written}`"
        _fix(diagnostic, Span(span.file, begin, span.end), written)


def _is_line(span: Span) -> bool:
    """Whether a place is a whole line, so that it can be left out."""
    number = span.file.location(span.start).line
    return span.file.line(number).strip() == span.text


def _written(call: ast.Call) -> str | None:
    """The call as it is written here, with its label if it has none and gives its name."""
    text = call.span.text
    row = find(call.name)
    if row is not None and row.ours in JOINS and call.body is None:
        return _join(row.ours, call)
    if call.body is not None:
        return None
    chain = chain_of(text if call.arguments or text.endswith(")") else f"{text}()")
    if chain is None:
        return None
    if chain.name is not None and call.label is None:
        return f"{chain.name}: {chain}"
    return str(chain)


def _join(kind: str, call: ast.Call) -> str | None:
    """A join of layers that are written as arguments, or of references."""
    texts = [argument.value.span.text for argument in call.arguments if argument.name is None]
    if len(texts) == 1 and texts[0].startswith("["):
        texts = [text for text in parts(texts[0][1:-1]) if text]
    if not texts or len(texts) < len(call.arguments):
        return kind if call.arguments == () and call.span.text == call.name else None
    if all(text.startswith("@") for text in texts):
        return f"{kind}({', '.join(texts)})"
    if not all(_is_layer(text) for text in texts):
        return None
    if kind == "residual" and len(texts) == 1:
        return f"residual {{ {texts[0]} }}"
    if len(texts) == 1:
        return None
    return f"{kind} {{ {' '.join(f'| {text}' for text in texts)} }}"


def _is_layer(text: str) -> bool:
    name = re.match(r"\w+", text)
    return name is not None and name[0] in LAYERS


# ---- names of values


def _name(diagnostic: Diagnostic, span: Span, call: ast.Call | None, labels: Iterable[str]) -> None:
    name = span.text
    argument = None if call is None else _argument_at(call, span)
    if name in VALUES:
        diagnostic.help = f"it is written `{VALUES[name]}`"
        _fix(diagnostic, span, VALUES[name])
    elif name in NOTHING:
        diagnostic.help = "leave the argument out"
        if call is not None and argument is not None:
            diagnostic.fix = (Edit(_with_comma(call, argument), ""),)
    elif name == "identity":
        diagnostic.help = (
            "`identity` cannot be an argument, but a block without layers can: `block none() { }`"
        )
    elif _is_for_label(diagnostic, call):
        _label(diagnostic, span, call, labels)
    elif diagnostic.help == "write `same` in lower case":
        _fix(diagnostic, span, "same")
    elif (row := find(name)) is not None and name not in LAYERS and row.ours in LAYERS:
        diagnostic.help = f"the layer is called `{row.ours}` here"
        _fix(diagnostic, span, row.ours)
    else:
        _closest(diagnostic, span)


def _is_for_label(diagnostic: Diagnostic, call: ast.Call | None) -> bool:
    """Whether a name stands where a join has a reference."""
    if call is None or call.name not in JOINS:
        return False
    is_in_list = any(isinstance(a.value, ast.Sequence) for a in call.arguments)
    return is_in_list or (diagnostic.help or "").startswith("write `@")


def _label(
    diagnostic: Diagnostic, span: Span, call: ast.Call | None, labels: Iterable[str]
) -> None:
    """The fix for labels without `@` among the arguments of a join."""
    if call is None or call.name not in JOINS:
        return
    texts = [argument.value.span.text for argument in call.arguments if argument.name is None]
    if len(texts) == 1 and texts[0].startswith("["):
        texts = parts(texts[0][1:-1])
    last = call.arguments[len(call.arguments) - 1 if len(texts) == len(call.arguments) else 0]
    written = ", ".join(map(_reference, texts))
    diagnostic.help = f"references begin with `@`: write `{call.name}({written})`"
    if {text.lstrip("@") for text in texts} <= {*labels}:
        _fix(diagnostic, Span(span.file, call.arguments[0].span.start, last.span.end), written)


def _reference(name: str) -> str:
    return name if name.startswith("@") else f"@{name}"


def _argument_at(call: ast.Call, span: Span) -> ast.Argument | None:
    """The argument whose whole value is at a place."""
    return next((a for a in call.arguments if a.value.span == span), None)


def _with_comma(call: ast.Call, argument: ast.Argument) -> Span:
    """The place of an argument with the comma before or after it."""
    text, span = argument.span.file.text, argument.span
    before = text[call.span.start : span.start].rstrip()
    if before.endswith(","):
        return Span(span.file, call.span.start + len(before) - 1, span.end)
    after = re.compile(r"\s*,\s*").match(text, span.end)
    return span if after is None else Span(span.file, span.start, after.end())


# ---- inputs and imports


def _dtype(diagnostic: Diagnostic, span: Span, part: ast.Input) -> None:
    """Advice for a type of another language, and for sizes with a capital `X`."""
    ours = _TYPES.get(span.text.lower())
    if re.match(r"X[\dA-Z]", span.text):
        place = Span(span.file, part.shape.span.start, span.end)
        written = place.text.replace("X", "x").replace(" ", "")
        diagnostic.code = "syntax-error"
        diagnostic.message = "sizes have a small `x` between them"
        diagnostic.span = place
        diagnostic.help = f"write `{written}`"
        _fix(diagnostic, place, written)
    elif ours is not None:
        diagnostic.help = f"it is called `{ours}` here"
        _fix(diagnostic, span, ours)
    else:
        _closest(diagnostic, span)


def _import(diagnostic: Diagnostic, span: Span) -> None:
    """Advice for a package of Python, which the language does not need."""
    words = span.text.split()
    if len(words) == 2 and words[1] in _PACKAGES:
        diagnostic.help = "leave it out: the layers need no import"
        _fix(diagnostic, span, "")
        return
    first = re.match(r"did you mean `([^`]+)`", diagnostic.help or "")
    if first is not None and first[1] == words[-1].lower():
        diagnostic.help = f"write `import {first[1]}`"
        _fix(diagnostic, span, f"import {first[1]}")


# ---- functions


def _function(diagnostic: Diagnostic, span: Span, call: ast.Call | None) -> None:
    name = span.text.split("(")[0]
    if not _is_layer(span.text) and find(name) is None:
        if name in _FUNCTIONS:
            diagnostic.help = _FUNCTIONS[name]
        return
    diagnostic.message = f"`{name}` is a layer, and a layer cannot be an argument"
    diagnostic.help = "chain layers with `->`: `conv(8, 3) -> relu`"
    if call is None:
        return
    if call.name in JOINS:
        diagnostic.help = f"write each in an arm: `{call.name} {{ | relu | conv(8, 3) }}`"
        written = _join(call.name, call)
    else:
        chain = chain_of(call.span.text)
        written = None if chain is None or chain.start is not None else str(chain)
    if written is not None:
        diagnostic.help = f"write `{written}`"
        _fix(diagnostic, call.span, written)


# ---- arguments of the wrong type


def _argument(diagnostic: Diagnostic, span: Span, call: ast.Call, labels: Iterable[str]) -> None:
    argument = next((a for a in call.arguments if a.span == span), None)
    cls = LAYERS.get(call.name)
    if argument is None or cls is None:
        return
    value = argument.value
    word = value.value if isinstance(value, ast.Literal) else value.span.text
    if isinstance(value, ast.Sequence) and call.name in JOINS:
        inside = [_reference(name) for name in parts(value.span.text[1:-1])]
        if all(name[1:].split(".")[0] in {*labels} for name in inside):
            diagnostic.help = f"write references without a list: `{call.name}({', '.join(inside)})`"
            _fix(diagnostic, value.span, ", ".join(inside))
    elif diagnostic.help is not None and diagnostic.help.startswith("leave `pad` out"):
        diagnostic.fix = (Edit(_with_comma(call, argument), ""),)
    elif isinstance(word, str) and argument.name is None and diagnostic.help is None:
        _word(diagnostic, word, call, argument, cls)
    elif diagnostic.code == "bad-argument" and isinstance(value, ast.Literal):
        _percent(diagnostic, value, call)


def _word(
    diagnostic: Diagnostic, word: str, call: ast.Call, argument: ast.Argument, cls: type[Op]
) -> None:
    """Advice for a word at the place of another argument, and for an activation as an argument."""
    owner = next((a.name for a in cls.args if word in (a.choices or ())), None)
    if word.lower() == "same" and any(a.name == "pad" for a in cls.args):
        owner = "pad"
    if owner is not None:
        diagnostic.help = f"write the name of the argument: `{owner} = {word.lower()}`"
        _fix(diagnostic, argument.span, f"{owner} = {word.lower()}")
        return
    row = find(word)
    kind = word.lower()
    if kind not in LAYERS and row is not None:
        kind = row.ours
    if kind not in LAYERS or LAYERS[kind].family != "activation":
        return
    diagnostic.help = f"an activation is a layer of its own: write `-> {kind}` after this one"
    end = Span(call.span.file, call.span.end, call.span.end)
    diagnostic.fix = (Edit(_with_comma(call, argument), ""), Edit(end, f" -> {kind}"))


def _percent(diagnostic: Diagnostic, value: ast.Literal, call: ast.Call) -> None:
    """Advice for a probability that is written as a percentage."""
    number = value.value
    if call.name not in ("dropout", "dropout2d", "droppath"):
        return
    if isinstance(number, int | float) and 2 <= number <= 100:
        diagnostic.help = f"a probability is a fraction: write `{number / 100:g}`"
        _fix(diagnostic, value.span, f"{number / 100:g}")
