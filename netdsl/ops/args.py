"""The types of layer arguments: each converts a value of the text, or raises `WrongType`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from netdsl.diagnostics import Proposal
from netdsl.ir.graph import Value
from netdsl.ir.op import Weight
from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.diagnostics import Found
    from netdsl.ir.op import Arg


Dims = int | tuple[int, ...]  # one number for all axes, or one for each
Pairs = tuple[tuple[int, int], ...]  # the padding before and after each axis
Padding = Dims | Literal["same"] | Pairs
Numbers = float | tuple["Numbers", ...]  # nested lists
MAX_SHOWN = 200  # characters of a value in a message


class WrongType(Exception):
    """The value does not have the type of the argument; the text is the type that is expected."""


# ---- values in messages


def show(value: object) -> str:
    """A value as its author would write it, shortened in the middle if it is long."""
    return clipped(_show(value))


def clipped(value: object) -> str:
    """A text for a message, shortened in the middle if it is long."""
    text = str(value)
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[: MAX_SHOWN - 9]} ... {text[-4:]}"


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        items = [_show(v) for v in value[:6]]
        if len(value) > 6:
            items.append("...")
        return f"[{', '.join(items)}]"
    if isinstance(value, Sym):
        return f"{value} (an open size)"
    if _has_own_text(value):
        return str(value)
    return getattr(value, "type_word", "a value")


def _has_own_text(value: object) -> bool:
    """Whether the class of the value defines how it is printed."""
    cls = type(value)
    return cls.__str__ is not object.__str__ or cls.__repr__ is not object.__repr__


# ---- tensors


class GivenTensor:
    """Stands for the tensor that an argument gives; the tensor itself is an input of the layer."""

    type_word = "a tensor"


GIVEN = GivenTensor()


def tensor(value: object) -> bool:
    """A tensor of numbers."""
    if value is not GIVEN:
        raise WrongType("a tensor")
    return True


def mask(value: object) -> bool:
    """A tensor of numbers or of booleans."""
    return tensor(value)


def truths(value: object) -> bool:
    """A tensor of booleans."""
    return tensor(value)


# The element types of the tensors that an argument takes.
TENSOR_DTYPES: dict[Callable[[object], object], tuple[str, ...]] = {
    tensor: ("float32",),
    mask: ("float32", "bool"),
    truths: ("bool",),
}


# ---- the types


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is an integer; `true` and `false` are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_sizes(value: object) -> TypeGuard[tuple[int, ...]]:
    """Whether a value is a list of at least one integer."""
    return isinstance(value, tuple) and len(value) > 0 and all(map(is_integer, value))


def _is_pairs(value: object) -> TypeGuard[Pairs]:
    """Whether a value is a list of at least one pair of integers."""
    return (
        isinstance(value, tuple)
        and len(value) > 0
        and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)
        and all(is_integer(number) for pair in value for number in pair)
    )


def integer(value: object) -> int:
    """An integer."""
    if not is_integer(value):
        raise WrongType("an integer")
    return value


def index(value: object) -> int | Sym:
    """An integer or an open size."""
    if not isinstance(value, Sym) and not is_integer(value):
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
    """A word; the name of a layer is one too (`approximate = tanh`)."""
    value = getattr(value, "word", value)
    if not isinstance(value, str):
        raise WrongType("a word")
    return value


def dims(value: object) -> Dims:
    """An integer for all axes, or one for each: `1x7`."""
    if is_integer(value) or _is_sizes(value):
        return value
    raise WrongType("an integer or sizes such as 1x7")


def padding(value: object) -> Padding:
    """An integer, sizes, begin and end pairs `[(0, 1), (0, 1)]`, or `same`."""
    if value == "same":
        return "same"
    if is_integer(value) or _is_sizes(value) or _is_pairs(value):
        return value
    raise WrongType("an integer, sizes such as 0x3, pairs such as [(0, 1), (0, 1)], or same")


def widths(value: object) -> Dims | Pairs:
    """An integer, sizes, or begin and end pairs `[(0, 1), (0, 1)]`."""
    if is_integer(value) or _is_sizes(value) or _is_pairs(value):
        return value
    raise WrongType("an integer, sizes such as 0x3, or pairs such as [(0, 1), (0, 1)]")


def advice(declared: Arg, value: object) -> str | None:
    """What to write for a value that does not have the type of the argument."""
    if declared.convert is padding:
        return padding_advice(value)
    if declared.convert is widths and value == "same":
        return f"write how wide it is, as in `{declared.name}(1)`"
    return None


def in_place_of_number(convert: Callable[[object], object], value: object) -> Found:
    """What a value is where a whole number is wanted, or where it is one of several forms."""
    if isinstance(value, float) and convert in (integer, index, dims, padding, widths):
        return "fraction"
    if isinstance(value, tuple) and convert in (integer, index, number):
        return "list"
    return ""


def padding_advice(word: object) -> str | None:
    """Advice for a word that other libraries accept as a padding."""
    if word is False:
        word = "valid"
    if not isinstance(word, str):
        return None
    if word.lower() == "same":
        return Proposal("write `same` in lower case", "text", ["same"])
    if word.lower() == "valid":
        return Proposal("leave `pad` out: without it nothing is padded", "nothing")
    return None


def sizes(value: object) -> tuple[Any, ...]:
    """Sizes such as `16x25`: integers, or open sizes, which a kind may refuse with `fixed`."""
    given = value if isinstance(value, tuple) else (value,)
    if given and all(isinstance(size, Sym) or is_integer(size) for size in given):
        return given
    raise WrongType("sizes such as 16x25 or [16, -1]")


def tensor_sizes(value: object) -> tuple[Any, ...]:
    """Sizes such as `16x25`, or `[]` for a tensor without axes, which is one number."""
    return () if value == () else sizes(value)


def integers(value: object) -> tuple[int, ...]:
    """A list of integers, which may be empty."""
    if value == () or _is_sizes(value):
        return value
    raise WrongType("a list of integers such as [1, 2]")


def axes(value: object) -> int | tuple[int, ...]:
    """An axis, or a list of axes."""
    if is_integer(value) or _is_sizes(value):
        return value
    raise WrongType("an axis such as -1, or a list of axes such as [2, 3]")


def literal(value: object) -> tuple[Numbers, ...]:
    """Nested lists of numbers."""
    if isinstance(value, tuple) and value:
        if all(isinstance(item, tuple) for item in value):
            return tuple(literal(item) for item in value)
        if all(map(_is_number, value)):
            return tuple(map(float, value))
    raise WrongType("nested lists of numbers of one shape")


def tensor_values(value: object) -> Numbers:
    """Nested lists of numbers, or one number, for a tensor without axes. Integers remain such."""
    if not _is_number(value):
        try:
            literal(value)
        except WrongType as wrong:
            raise WrongType(f"a number or {wrong}") from None
    return value  # type: ignore[return-value]


def weight_values(value: object) -> tuple[Numbers, ...] | Weight:
    """Nested lists of numbers, or a weight of an earlier layer."""
    if isinstance(value, Value):
        value = value.weight
    if isinstance(value, Weight):
        return value
    try:
        return literal(value)
    except WrongType as wrong:
        raise WrongType(f"{wrong}, or a weight such as @label.weight") from None


def bias_values(value: object) -> bool | tuple[Numbers, ...] | Weight:
    """`true`, `false`, nested lists of numbers, or a weight of an earlier layer."""
    if isinstance(value, Value):
        value = value.weight
    if isinstance(value, (bool, Weight)):
        return value
    try:
        return literal(value)
    except WrongType:
        raise WrongType("true, false or a list of numbers") from None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, float) or is_integer(value)


TYPE_NAMES: dict[Callable[[object], object], str] = {
    integer: "int",
    index: "int",
    number: "float",
    boolean: "bool",
    text: "word",
    dims: "int or dims",
    padding: "int, dims, pairs or same",
    widths: "int, dims or pairs",
    sizes: "dims",
    integers: "list of int",
    axes: "int or list",
    literal: "nested list",
    tensor_sizes: "sizes",
    tensor_values: "number or nested list",
    weight_values: "nested list or weight",
    bias_values: "bool, list or weight",
    tensor: "tensor",
    mask: "float or bool tensor",
    truths: "bool tensor",
}


def type_name(declared: Arg) -> str:
    """The type of an argument as the reference prints it."""
    if declared.choices:
        return " | ".join(declared.choices)
    return TYPE_NAMES[declared.convert]


# ---- values of another type that have only one meaning

_SIZES = re.compile(r"\d{1,9}(x\d{1,9})*")
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?(e-?\d{1,2})?")
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def meant(convert: Callable[[object], object], value: object) -> str | None:
    """What to write for a value of the wrong type, if there is no doubt about what was meant."""
    if convert is padding and value is True:
        return "same"
    if convert is bias_values and value == "none":
        return "false"
    for candidate in _readings(value):
        try:
            convert(candidate)
        except WrongType:
            continue
        if isinstance(candidate, tuple) and isinstance(value, str):
            return value.strip().lower()
        return _show(candidate).replace('"', "")
    if convert is literal and _is_number(value):
        return f"[{_show(value)}]"
    return None


def _readings(value: object) -> Iterator[object]:
    """Other ways to read a value: `3.0`, `"3"` and `[3]` as 3, and 0 as `false`."""
    plain = _plain(value)
    yield plain
    if isinstance(plain, tuple) and len(plain) == 1:
        yield plain[0]
    elif is_integer(value) and value in (0, 1):
        yield value == 1
    elif isinstance(plain, str) and plain in _TRUTHS:
        yield _TRUTHS[plain]


def _plain(value: object) -> object:
    """A value with words in lower case, and numbers without quotes and without the fraction 0."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    if _SIZES.fullmatch(word):
        sizes = tuple(map(int, word.split("x")))
        return sizes if len(sizes) > 1 else sizes[0]
    if _NUMBER.fullmatch(word):
        return float(word)
    return word
