"""The example of an input, `input image: 1x5x5 = [[...]]`: numbers of the input's shape.

An example changes no shape and no figure: only `verify`, `run` and `trace` use it.
"""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING

from netdsl.elaborate.evaluate import UNKNOWN, evaluate
from netdsl.errors import NetdslError
from netdsl.ir.graph import InputExample
from netdsl.ir.types import Sym, shape_text, subs
from netdsl.ops.args import show
from netdsl.words import numbers_in

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.evaluate import Env
    from netdsl.ir.graph import Value
    from netdsl.ir.types import TensorType
    from netdsl.source import Span
    from netdsl.syntax import ast

MOST_LENGTHS = 3  # in a message
_LARGEST = {"float32": 3.4028234663852886e38, "float16": 65504.0}
_RANGES = {"uint8": (0, 255), "int32": (-(2**31), 2**31 - 1), "bool": (0, 1)}

Nested = object  # a number, or a tuple of `Nested`


class Examples:
    """Adds the examples of a net's inputs to its graph."""

    def __init__(self, net: NetBuilder) -> None:
        self.net = net
        self._sizes: dict[str, int] = {}  # of the open sizes, in the examples so far

    def take(self, statement: ast.Input, value: Value, env: Env) -> None:
        """Add the example of an input, if it has one; raises `NetdslError`.

        If the user gives sizes in place of those of the text, an example of other sizes is left
        out.
        """
        if statement.example is None:
            return
        span = statement.example.span
        found = evaluate(statement.example, env)
        if found is UNKNOWN:
            return
        shape, flat = _numbers(found, value, span)
        full, sizes = self._fitted(shape, value.type)
        if full is None:
            if self.net.is_resized:
                return
            raise _misfit(shape, value, sizes, span)
        _check_type(flat, value, span)
        self._sizes |= sizes
        self.net.graph.examples[value.name] = InputExample(full, flat)

    def _fitted(
        self, shape: tuple[int, ...], type: TensorType
    ) -> tuple[tuple[int, ...] | None, dict[str, int]]:
        """The whole shape of an example, and its open sizes; no shape if it does not fit."""
        declared = type.shape
        missing = len(declared) - len(shape)
        if missing > 0 and all(size == 1 for size in declared[:missing]):
            shape = (1,) * missing + shape
        sizes = dict(self._sizes)
        if len(shape) != len(declared):
            return None, sizes
        for size, number in zip(declared, shape, strict=True):
            if isinstance(size, Sym) and {str(size)} == size.symbols():
                sizes.setdefault(str(size), number)
        wanted = tuple(subs(size, sizes) for size in declared)
        if wanted == shape:
            return shape, sizes
        return None, sizes


def _numbers(
    found: object, value: Value, span: Span
) -> tuple[tuple[int, ...], tuple[float | int, ...]]:
    """The shape of nested lists and their numbers; raises `NetdslError`."""
    shape: list[int] = []
    level: list[object] = [found]
    while level and all(isinstance(item, tuple) for item in level):
        lengths = {len(item) for item in level if isinstance(item, tuple)}
        if len(lengths) > 1:
            found_lengths = " and ".join(map(str, sorted(lengths)[:MOST_LENGTHS]))
            raise NetdslError(
                "shape-mismatch",
                f"the example of `{value.name}` has rows of {found_lengths} numbers, but needs"
                f" {shape_text(value.type.shape)}",
                span,
                help="make all rows the same length",
            )
        shape += lengths
        level = [part for item in level if isinstance(item, tuple) for part in item]
    wrong = next((item for item in level if not _is_number(item, value)), None)
    is_scalar = not shape and not value.type.shape
    if not (shape or is_scalar) or not level or wrong is not None:
        shown = show(wrong or found)
        if shape and not level:
            shown = "an empty list"
        raise NetdslError(
            "wrong-type",
            f"the example of `{value.name}` must be nested lists of numbers, found {shown}",
            span,
            help=_form(value),
        )
    return tuple(shape), tuple(item for item in level if isinstance(item, int | float))


def _form(value: Value) -> str:
    """What the example of an input looks like."""
    if not value.type.shape:
        return "write one number, without brackets"
    return f"write {shape_text(value.type.shape)} numbers, in a list for each axis"


def _is_number(item: object, value: Value) -> bool:
    """Whether an item is a number, or true or false for an input of these."""
    if isinstance(item, bool):
        return value.type.dtype == "bool"
    return isinstance(item, int | float)


def _misfit(shape: tuple[int, ...], value: Value, sizes: dict[str, int], span: Span) -> NetdslError:
    """The error of an example that does not have the shape of its input."""
    wanted = value.type.shape
    symbols = {name for size in wanted if isinstance(size, Sym) for name in size.symbols()}
    known = ", ".join(f"{name} = {n}" for name, n in sizes.items() if name in symbols)
    where = bool(known) * f" with {known}"
    help_ = "nest the lists as the sizes of the input; leading sizes of 1 can be left out"
    message = f"the example of `{value.name}` has {numbers_in(shape_text(shape))}, but needs"
    message = f"{message} {shape_text(wanted)}{where}"
    if not wanted:
        message = f"the example of `{value.name}` is a list of {numbers_in(shape_text(shape))}, but"
        message = f"{message} `{value.name}` is a single number"
        help_ = _form(value)
    elif len(shape) == len(wanted) + 1 and shape[0] == 1:
        help_ = "leave out the outermost brackets: an example has no batch"
    return NetdslError("shape-mismatch", message, span, help=help_)


def _check_type(flat: tuple[float | int, ...], value: Value, span: Span) -> None:
    """Raise `NetdslError` for a number that the element type of the input does not have."""
    dtype = value.type.dtype
    if dtype.startswith("float"):
        largest = _LARGEST.get(dtype)
        large = [n for n in flat if isinf(n) or (largest is not None and abs(n) > largest)]
        if large:
            message = f"the example of `{value.name}` contains {large[0]:g}, beyond"
            limit = f"{largest:g}, the largest {dtype}" if largest else "the largest number"
            raise NetdslError("number-too-large", f"{message} {limit}", span)
        return
    bounds = _RANGES.get(dtype)
    low, high = bounds or (-(2**63), 2**63 - 1)
    for number in flat:
        if isinstance(number, float) or not low <= number <= high:
            raise NetdslError(
                "wrong-dtype",
                f"the example of `{value.name}` contains {show(number)}, but the input is {dtype}",
                span,
                help="write whole numbers" + (f" from {low:,} to {high:,}" if bounds else ""),
            )
