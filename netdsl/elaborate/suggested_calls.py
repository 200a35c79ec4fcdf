"""Advice for arguments: whole calls to write, with values from the examples of a layer's kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.elaborate.corrections import declaration
from netdsl.elaborate.reductions import reduction
from netdsl.habits.brackets import parts
from netdsl.ops import LAYERS
from netdsl.ops.args import dims, integer, integers, is_integer, padding, show, sizes
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.op import Arg, Op
    from netdsl.ir.types import TensorType

# The kinds that take the number that is written after a kind without arguments.
WITH_NUMBER = {
    "relu": ("leaky_relu", "for a slope below 0"),
    "gap": ("avgpool", "for windows of that size"),
    "gmp": ("maxpool", "for windows of that size"),
}
OPERATORS = {"add": "+", "sub": "-", "mul": "*"}  # between the current value and a number
RELU6 = 6  # the limit that has a kind of its own
WHOLE = (integer, dims, padding)  # the types of whole numbers
OVER_ALL = {"avgpool": "gap", "maxpool": "gmp"}  # the kinds without a window


def sample(cls: type[Op], declared: Arg) -> str:
    """A value that an argument takes: its default, or else that of the first example."""
    if declared.default is not None and not declared.required:
        return show(declared.default).replace('"', "")
    position = cls.args.index(declared)
    for _, call in cls.examples:
        texts = parts(call.partition("(")[2].removesuffix(")"))
        named = dict(text.split(" = ", 1) for text in texts if " = " in text)
        if declared.name in named:
            return named[declared.name]
        if position < len(texts) - len(named):
            return texts[position]
    return declared.name


def completed(cls: type[Op], written: Sequence[str], missing: Sequence[Arg]) -> str:
    """A call with the arguments that are written in the text, and samples of the missing ones."""
    positional = [text for text in written if " = " not in text]
    named = [text for text in written if " = " in text]
    for declared in missing:
        if cls.args.index(declared) == len(positional) and not named:
            positional.append(sample(cls, declared))
        else:
            named.append(f"{declared.name} = {sample(cls, declared)}")
    return f"{cls.kind}({', '.join([*positional, *named])})"


def for_missing(cls: type[Op], written: Sequence[str], missing: Sequence[Arg]) -> str:
    """Advice for arguments that have no value."""
    help_ = f"for example, write `{completed(cls, written, missing)}`"
    if cls.kind in OVER_ALL and not written:
        help_ += f", or `{OVER_ALL[cls.kind]}` for a single window over the whole map"
    return help_


def for_unknown(cls: type[Op], call: ast.Call) -> str:
    """Advice for an argument that a kind does not have, and that resembles none of its own."""
    reduced = reduction(call)
    if reduced is not None:
        return f"`{cls.kind}` joins values; along an axis it is `{reduced}`"
    if not cls.args:
        takes = "besides the values that it joins" if cls.inputs[1] > 1 else "at all"
        return f"leave it out: `{cls.kind}` has no arguments {takes}"
    return f"{_names(cls)}; see `netdsl layers {cls.kind}`"


def _names(cls: type[Op]) -> str:
    """The arguments of a kind, as a sentence."""
    names = ", ".join(f"`{declared.name}`" for declared in cls.args)
    if len(cls.args) == 1:
        return f"its only argument is {names}"
    return f"its arguments are {names}"


def for_surplus(cls: type[Op], call: ast.Call, values: Sequence[object]) -> str:
    """Advice for more arguments by position than a kind has."""
    texts = [a.value.span.text for a in call.arguments if a.name is None]
    if cls.inputs[1] > 2:
        return _for_join(cls, call, values)
    if not cls.args:
        return _for_none(cls, values, texts)
    takes_list = len(cls.args) == 1 and cls.args[0].convert in (sizes, integers)
    if cls.kind == "reshape" and len(values) == 2 and values[0] == -1:
        return "write `flatten`: the sizes are those of one sample, without the batch"
    if takes_list and all(map(is_integer, values)):
        return f"write one list: `{cls.kind}([{', '.join(texts)}])`"
    kept = ", ".join(texts[: len(cls.args)])
    fraction = ".".join(texts)
    if len(texts) == 2 and texts[0] == "0" and f"({','.join(texts)})" in call.span.text:
        return f"a fraction has a point: write `{cls.kind}({fraction})`"
    return f"write `{cls.kind}({kept})`; {_names(cls)}"


def formula_for(cls: type[Op], values: Sequence[object]) -> str | None:
    """The formula that is meant by a join with a number: `(@ * 0.5)` for `mul(0.5)`."""
    operator = OPERATORS.get(cls.kind)
    if operator is None or len(values) != 1 or type(values[0]) not in (int, float):
        return None
    return f"(@ {operator} {values[0]})"


def join_with_numbers(cls: type[Op], call: ast.Call, values: Sequence[object]) -> str | None:
    """The join that is meant by one with a list of numbers, `add([1, 2])`."""
    if cls.kind not in OPERATORS or len(values) != 1 or not isinstance(values[0], tuple):
        return None
    if not values[0] or any(type(number) not in (int, float) for number in values[0]):
        return None
    return f"{cls.kind} {{ | identity | const({call.arguments[0].value.span.text}) }}"


def certain_join(
    cls: type[Op], call: ast.Call, values: Sequence[object], x: TensorType | None
) -> str | None:
    """What a join with a number, or with as many numbers as its input `x` has, certainly means."""
    written = join_with_numbers(cls, call, values)
    if len(call.arguments) > 1:
        return None
    if written is None or x is None:
        return formula_for(cls, values)
    listed = values[0]
    return written if isinstance(listed, tuple) and x.shape == (len(listed),) else None


def _for_join(cls: type[Op], call: ast.Call, values: Sequence[object]) -> str:
    if values and all(isinstance(value, str) and value.isidentifier() for value in values):
        references = ", ".join(f"@{value}" for value in values)
        return f"references begin with `@`: write `{cls.kind}({references})`"
    formula = formula_for(cls, values)
    if len(call.arguments) > 1:  # the others are references
        return (
            "write numbers in a formula, as in `(@ + 2 * @label)`, where `@` is the current value"
        )
    if formula is not None:
        return f"write `{formula}`, where `@` is the current value"
    numbers = join_with_numbers(cls, call, values)
    if numbers is not None:
        return f"make the numbers a tensor: `{numbers}`"
    reduced = reduction(call)
    if reduced is not None:
        return f"`{cls.kind}` joins values; along an axis it is `{reduced}`"
    return (
        "give what it joins as arms in braces, as in"
        f" `{cls.kind} {{ | relu | identity }}`, or as references: `{cls.kind}(@label)`"
    )


def _for_none(cls: type[Op], values: Sequence[object], texts: Sequence[str]) -> str:
    help_ = f"write `{cls.kind}`"
    other = WITH_NUMBER.get(cls.kind)
    if other is None or len(values) != 1 or isinstance(values[0], bool):
        return help_
    if cls.kind == "relu" and values[0] == RELU6:
        return f"{help_}, or `relu6` to cut values off at 6"
    number = values[0]
    if not isinstance(number, int | float) or (cls.kind == "relu" and not 0 < number < 1):
        return help_
    kind, purpose = other
    return f"{help_}, or `{kind}({texts[0]})` {purpose}"


def for_value(cls: type[Op], declared: Arg, value: object) -> str:
    """Advice for a value that does not fit an argument, and that has no other meaning."""
    if isinstance(value, float) and value > 0 and declared.convert in WHOLE:
        numbers = " or ".join(f"`{n}`" for n in (int(value), int(value) + 1) if n)
        return f"write {numbers}: it is the {declared.doc.removeprefix('the ')}"
    meaning = f"`{declared.name}` of `{cls.kind}`: {declared.doc}"
    if declared.default is None:
        return meaning
    if declared.required:
        return f"{meaning}; for example, `{sample(cls, declared)}`"
    return f"{meaning}; `{sample(cls, declared)}` by default"


# ---- blocks


class BlockAdvice(NamedTuple):
    """The missing arguments with what they mean, and all arguments, or None if one is unknown."""

    missing: list[str]
    call: str | None


def of_block(
    definition: ast.Definition, arguments: Sequence[ast.Argument], missing: Sequence[str]
) -> BlockAdvice:
    """Advice for parameters without values, from the layers to which the block passes them."""
    names = [parameter.name for parameter in definition.parameters]
    positional = [a.span.text for a in arguments if a.name is None]
    named = [a.span.text for a in arguments if a.name is not None]
    described: list[str] = []
    is_complete = True
    for name in missing:
        use = _use(definition.body, name)
        if use is None:
            described.append(f"`{name}`")
            is_complete = False
            continue
        cls, declared = use
        described.append(f"`{name}` ({declared.doc})")
        value = sample(cls, declared)
        if names.index(name) == len(positional) and not named:
            positional.append(value)
        else:
            named.append(f"{name} = {value}")
    return BlockAdvice(described, ", ".join([*positional, *named]) if is_complete else None)


def _use(body: ast.Body, name: str) -> tuple[type[Op], Arg] | None:
    """The argument of a layer that gets the value of a parameter as it is."""
    for part in body.walk():
        if not isinstance(part, ast.Call) or part.name not in LAYERS:
            continue
        cls = LAYERS[part.name]
        for argument in part.arguments:
            if isinstance(argument.value, ast.Name) and argument.value.id == name:
                declared = declaration(part, cls, argument)
                if declared is not None and (declared.required or declared.default is not None):
                    return cls, declared
    return None


def takes_input(definition: ast.Definition, others: str, missing: list[str]) -> str | None:
    """Advice for `block B(x, width)`, whose first parameter is meant as its input.

    `others` is how it is declared without that parameter.
    """
    first = definition.parameters[0]
    used = re.search(rf"\b{first.name}\b", definition.body.span.text)
    if used or definition.is_net or len(missing) != 1 or first.name in missing:
        return None
    return f"the input of a block is not a parameter: declare it as `block {others}`"
