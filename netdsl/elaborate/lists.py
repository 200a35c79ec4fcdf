"""Elements and parts of lists, and the variables of loops and comprehensions over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, Proposal
from netdsl.errors import NetdslError
from netdsl.ir.graph import Value
from netdsl.ops.args import is_integer, show
from netdsl.syntax import ast
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.source import Span

COUNTERS = ("i", "j", "index", "idx")  # names that a variable has if it counts rounds


def element(expr: ast.Index, value: object, index: object) -> object:
    """The value of `value[index]`; raises `NetdslError`."""
    if not isinstance(value, tuple) or not is_integer(index):
        if isinstance(expr.value, ast.Reference) and is_integer(index):
            path = f"{expr.value.span.text}.{index}"
            message = f"cannot take element {index} of a tensor"
            fix: tuple[Edit, ...] = ()
            help_ = f"write `{path}` for a layer of a group, or `slice` for a part of a tensor"
            if isinstance(value, Value) and value.result("h") is not None:
                path = f"{expr.value.span.text}.h"
                help_ = f"the final state is `{path}`"
                if index == 1 and value.result("c") is None:  # PyTorch's output and state
                    fix = (Edit(expr.span, path),)
            raise NetdslError("wrong-type", message, expr.span, help=help_, fix=fix)
        raise NetdslError(
            "wrong-type",
            f"cannot take element {show(index)} of {show(value)}",
            expr.span,
            help="only a list has elements, and an index is an integer",
        )
    if not value:
        message = f"index {index} is out of range: the list is empty"
        raise NetdslError("index-out-of-range", message, expr.index.span)
    if not -len(value) <= index < len(value):
        raise NetdslError(
            "index-out-of-range",
            f"index {index} is out of range: the list has {counted(len(value), 'element')}",
            expr.index.span,
            help=f"elements are numbered from 0 to {len(value) - 1}",
        )
    return value[index]


def part(expr: ast.ListPart, value: object, start: object, end: object) -> tuple[object, ...]:
    """The value of `value[start:end]`, where either end may be None; raises `NetdslError`."""
    for number in (start, end):
        if not isinstance(value, tuple) or not (number is None or is_integer(number)):
            raise NetdslError(
                "wrong-type",
                _unsliced(value, start, end),
                expr.span,
                help="only a list has slices, and their ends are integers; `slice` cuts a tensor",
            )
    assert isinstance(value, tuple)
    length = len(value)
    first, last = _position(start, 0, length), _position(end, length, length)
    if not 0 <= first <= last <= length:
        message = f"the slice {_ends(start, end)} is out of range: the list has"
        message = f"{message} {counted(length, 'element')}"
        if 0 <= last < first <= length:
            message = f"the slice {_ends(start, end)} ends before it starts"
        raise NetdslError(
            "index-out-of-range",
            message,
            expr.span,
            help=f"write 0 <= start <= end <= {length}; negative numbers count from the end",
        )
    return value[first:last]


def _unsliced(value: object, start: object, end: object) -> str:
    """Why `value[start:end]` is no part of a list."""
    if not isinstance(value, tuple):
        return f"cannot slice {show(value)}: it is not a list"
    return f"cannot take the slice {_ends(start, end)}: its ends are not integers"


def _position(end: object, default: int, length: int) -> int:
    """An end of a part, counted from the beginning of the list."""
    if not is_integer(end):
        return default
    return end + length if end < 0 else end


def _ends(start: object, end: object) -> str:
    written = ["" if number is None else show(number) for number in (start, end)]
    return f"[{':'.join(written)}]"


# ---- loops


def elements(
    targets: tuple[str, ...], values: object, source: ast.Expr, loop: Span
) -> tuple[object, ...]:
    """The elements that a loop or comprehension goes through; raises `NetdslError`.

    `source` is the expression of the list, and `loop` the place of the whole.
    """
    if not isinstance(values, tuple):
        raise _no_list(targets, values, source.span)
    for i, target in enumerate(targets):
        if target in targets[:i]:
            message = f"`for` has two variables named `{target}`"
            raise NetdslError("duplicate-name", message, loop, help="choose another name")
    return values


def _no_list(targets: tuple[str, ...], values: object, span: Span) -> NetdslError:
    """The error of a loop over something other than a list; a number of rounds needs `range`."""
    message = f"`for` needs a list, found {show(values)}"
    help_ = "`for i in range(3)` counts from 0 to 2; `repeat 3 { ... }` needs no variable"
    fix: tuple[Edit, ...] = ()
    if isinstance(values, int) and values > 1:
        help_ = (
            f"`for {targets[0]} in range({span.text})` counts from 0 to {values - 1};"
            f" `repeat {span.text} {{ ... }}` needs no variable"
        )
    elif isinstance(values, int) and not span.text.isdigit():
        help_ = (
            f"`for {targets[0]} in range({span.text})` counts from 0;"
            f" `repeat {span.text} {{ ... }}` needs no variable"
        )
    if isinstance(values, int) and len(targets) == 1:
        fix = (Edit(span, f"range({span.text})"),)
    return NetdslError("wrong-type", message, span, help=Proposal(help_, "known"), fix=fix)


def _unlike(values: ast.Expr, count: int) -> Span | None:
    """The place of the first element of a list that is itself a list of another length."""
    items = values.items if isinstance(values, ast.Sequence) else ()
    lists = (item for item in items if isinstance(item, ast.Sequence))
    return next((item.span for item in lists if len(item.items) != count), None)


def unpacked(targets: tuple[str, ...], value: object, values: ast.Expr) -> dict[str, object]:
    """The variables of a round that has this element of the list; raises `NetdslError`."""
    count, span = len(targets), values.span
    if count == 1:
        return {targets[0]: value}
    if not isinstance(value, tuple) or len(value) != count:
        message = f"`for` has {count} variables, but an element of the list is {show(value)}"
        error = NetdslError("wrong-type", message, span)
        if count == 2 and not isinstance(value, tuple):
            error.diagnostic.help = f"`enumerate({span.text})` gives positions and elements"
            if targets[0] in COUNTERS:
                error.diagnostic.fix = (Edit(span, f"enumerate({span.text})"),)
        elif isinstance(value, tuple):
            error.diagnostic.span = _unlike(values, count) or span
            error.diagnostic.help = f"each element needs {count} values: {', '.join(targets)}"
            if len(value) == 2 and isinstance(value[1], tuple) and len(value[1]) == count - 1:
                error.diagnostic.help = (
                    f"pairs inside pairs do not unpack: write `for ({targets[0]}, pair) in ...`,"
                    f" and `pair[0]` for `{targets[1]}`"
                )
        raise error
    return dict(zip(targets, value, strict=True))
