"""The sizes of tensors in expressions, such as `in.channels`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, did_you_mean, respelled
from netdsl.elaborate.evaluate import UNKNOWN
from netdsl.errors import NetdslError
from netdsl.ir.graph import Value
from netdsl.source import Span

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.ir.types import Sym, TensorType
    from netdsl.syntax import ast

SEQUENCE, VOLUME = 2, 4  # axes of T x D, and of channels x depth x height x width
_AXES = {"channels": 0, "height": -2, "width": -1, "length": -1}


def advise_shape(diagnostic: Diagnostic, place: Span, label: str, name: str) -> None:
    """Advise and fix `label.channels`: the sizes of the value at a label are in its `shape`."""
    if name not in (*_AXES, "shape", "size"):
        return
    text = f"shape(@{label})"
    if label == "in":
        text = f"in.{name}"
    elif name == "size":
        text = f"prod({text})"
    elif name != "shape":
        text += f"[{_AXES[name]}]"
    diagnostic.help = f"write `{text}`"
    diagnostic.fix = (Edit(place, text),)


def attribute(expr: ast.Attribute, value: object) -> object:
    """The value of `value.name` for a tensor; raises `NetdslError`."""
    if value is UNKNOWN or (isinstance(value, Value) and value.type is None):
        return UNKNOWN
    if not isinstance(value, Value):
        raise NetdslError(
            "wrong-type",
            f"`{expr.span.text}` needs a tensor",
            expr.span,
            help="tensors are `in`, the input of the block, and the values at labels, `@label`",
        )
    if expr.name == "shape":
        return value.type.shape
    if expr.name == "size":
        return value.type.size
    if expr.name in _AXES:
        return _axis_size(expr, value.type)
    raise _unknown(expr, value.type)


def _unknown(expr: ast.Attribute, type_: TensorType) -> NetdslError:
    """The error of an attribute that tensors do not have."""
    error = NetdslError("unknown-attribute", f"a tensor has no `{expr.name}`", expr.span)
    known, end = [*_AXES, "shape", "size"], expr.span.end
    if expr.name != "depth":  # which is not a misspelt `width`
        place = Span(expr.span.file, end - len(expr.name), end)
        error.diagnostic.help = did_you_mean(expr.name, known)
        error.diagnostic.fix = respelled(place, expr.name, known)
    elif len(type_.shape) == VOLUME:
        written = expr.span.text[: -len(expr.name)] + "shape[-3]"
        error.diagnostic.help = f"the depth of a volume is `{written}`"
        error.diagnostic.fix = (Edit(expr.span, written),)
    if error.help is None:
        error.diagnostic.help = "it has shape, size, channels, height, width, length"
    return error


def _axis_size(expr: ast.Attribute, type_: TensorType) -> int | Sym:
    """One size of a tensor, such as its height; raises `NetdslError`."""
    axis = _AXES[expr.name]
    if len(type_.shape) < 1 - axis:
        help_ = "`in.shape` gives all its sizes, `in.size` the number of elements"
        if len(type_.shape) == SEQUENCE:
            help_ = (
                f"it is a sequence: `in.shape[0]` is {type_.shape[0]}, its steps, and `in.shape[1]`"
                f" is {type_.shape[1]}"
            )
        message = f"a tensor of shape {type_} has no {expr.name}"
        raise NetdslError("wrong-rank", message, expr.span, help=help_)
    return type_.shape[axis]
