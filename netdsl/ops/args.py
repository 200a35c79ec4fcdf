"""The types of layer arguments: each turns what the text says into the value a layer holds, or says
what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.ir.op import Arg


MAX_SHOWN = 200  # characters of a value in a message


class WrongType(Exception):
    """The value is not of the argument's type; the text says what is expected."""


def show(value: object) -> str:
    """A value as its author would write it, the middle left out where it is long."""
    return clipped(_show(value))


def clipped(what: object) -> str:
    """A text for a message, the middle left out where it is long."""
    text = str(what)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 9]} ... {text[-4:]}"


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        text = ", ".join(_show(v) for v in value[:6]) + (", ..." if len(value) > 6 else "")
        return f"[{text}]"
    if isinstance(value, Sym):
        return f"{value} (an open size)"
    plain = type(value).__str__ is object.__str__ and type(value).__repr__ is object.__repr__
    return getattr(value, "type_word", "a value") if plain else str(value)


def integer(value: object) -> int:
    """An integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType("an integer")
    return value


def number(value: object) -> float:
    """An integer or a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongType("a number")
    return float(value)


def boolean(value: object) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise WrongType("true or false")
    return value


def text(value: object) -> str:
    """A word; a layer's name is one too (`approximate = tanh`)."""
    value = getattr(value, "word", value)
    if not isinstance(value, str):
        raise WrongType("a word")
    return value


def dims(value: object) -> int | tuple[int, ...]:
    """An integer for all axes, or one for each: `1x7`."""
    if (
        isinstance(value, tuple)
        and value
        and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
    ):
        return value
    try:
        return integer(value)
    except WrongType:
        raise WrongType("an integer or sizes such as 1x7") from None


def padding(value: object) -> Any:
    """An integer, sizes, begin and end pairs `[(0, 1), (0, 1)]`, or `same`."""
    if value == "same":
        return "same"
    if (
        isinstance(value, tuple)
        and value
        and all(
            isinstance(v, tuple) and len(v) == 2 and all(type(i) is int for i in v) for v in value
        )
    ):
        return value
    try:
        return dims(value)
    except WrongType:
        raise WrongType(
            "an integer, sizes such as 0x3, pairs such as [(0, 1), (0, 1)], or same"
        ) from None


def padding_advice(word: object) -> str | None:
    """Advice for a word of other libraries that is no padding here."""
    known = word.lower() if isinstance(word, str) else ""
    if known == "same":
        return "it is written `same`"
    return "leave `pad` out: without it nothing is padded" if known == "valid" else None


def even_padding(value: object) -> Any:
    """An integer or sizes. `same` and pairs pass: the layer refuses them with its own numbers."""
    try:
        return padding(value)
    except WrongType:
        return dims(value)


def sizes(value: object) -> tuple[int | Sym, ...]:
    """Sizes such as `16x25`; open ones are allowed."""
    if isinstance(value, (int, Sym)) and not isinstance(value, bool):
        return (value,)
    if (
        isinstance(value, tuple)
        and value
        and all(isinstance(v, (int, Sym)) and not isinstance(v, bool) for v in value)
    ):
        return value
    raise WrongType("sizes such as 16x25 or [16, -1]")


def integers(value: object) -> tuple[int, ...]:
    """A list of integers."""
    if isinstance(value, tuple) and all(
        isinstance(v, int) and not isinstance(v, bool) for v in value
    ):
        return value
    raise WrongType("a list of integers such as [1, 2]")


def literal(value: object) -> tuple[Any, ...] | None:
    """Nested lists of numbers, or nothing."""
    if value is None:
        return None
    if isinstance(value, tuple) and value and all(isinstance(v, tuple) for v in value):
        return tuple(literal(v) for v in value)
    if (
        isinstance(value, tuple)
        and value
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)
    ):
        return tuple(float(v) for v in value)
    raise WrongType("nested lists of numbers of one shape")


TYPE_NAMES: dict[Callable[[object], Any], str] = {
    integer: "int",
    number: "float",
    boolean: "bool",
    text: "word",
    dims: "int or dims",
    even_padding: "int or dims",
    padding: "int, dims, pairs or same",
    sizes: "dims",
    integers: "list of int",
    literal: "nested list",
}


def type_name(declared: Arg) -> str:
    """The type of an argument as the reference prints it."""
    if declared.choices:
        return " | ".join(declared.choices)
    return TYPE_NAMES[declared.convert]
