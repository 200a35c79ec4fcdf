"""The words for a layer in a picture: its kind, and the arguments that its author would mention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.ir.op import WINDOWED
from netdsl.ir.types import shape_text
from netdsl.ops.args import dims, padding, show, sizes, tensor_sizes, widths

if TYPE_CHECKING:
    from netdsl.ir.op import Arg, Op

_UNSEEN = (  # optional arguments that are left out
    "bias",
    "weight",
    "init",
    "connections",
    "pad",
    "eps",
    "momentum",
    "affine",
    "count_pad",
    "ceil",
    "alpha",
    "beta",
)


def describe(op: Op, axes: int) -> str:
    """The kind and its notable arguments: `conv 3x3, 64, stride 2`.

    `axes` is the number of spatial axes: a window given by one number has that size along each. An
    operator is described with its number, if it has one: `* 0.5`, `2 -`.
    """
    if not op.kind.isidentifier():
        left, right = ("" if side is None else f"{side:g}" for side in op.given.values())
        return f"{left} {op.kind} {right}".strip()
    if not op.shows_arguments:
        return op.kind
    shown = [
        argument
        for argument in op.args
        if argument.required or not (argument.name in _UNSEEN or argument.dtypes)
    ]
    texts: list[str] = []
    window: object = None
    if op.family in WINDOWED:
        shown = [argument for argument in shown if argument.name != "k"]
        window = getattr(op, "k", None)
    if window is not None:
        texts.append(_window_text(window, axes))
    bare = _without_name(op, shown)
    pad = _unusual_pad(op, axes)
    for argument in shown:
        value = getattr(op, argument.name)
        if argument in bare:
            texts.append(_value_text(argument, value))
        elif argument.required or _is_notable(argument, value, window):
            texts.append(f"{argument.name} {_value_text(argument, value)}")
    texts += [f"pad {text}" for text in pad]
    return f"{op.kind} {', '.join(texts)}".strip()


def _unusual_pad(op: Op, axes: int) -> list[str]:
    """The padding, unless it is 0 or keeps the size of an input."""
    window, pad = getattr(op, "k", None), getattr(op, "pad", 0)
    if op.family not in WINDOWED or window is None or pad in (0, "same"):
        return []
    sizes_ = _each(window, axes)
    pads, dilations = _each(pad, axes), _each(getattr(op, "dilation", 1), axes)
    if all(type(n) is int for n in (*pads, *sizes_, *dilations)):
        usual = tuple(d * (k - 1) // 2 for k, d in zip(sizes_, dilations, strict=False))
        if pads == usual or not any(pads):
            return []
    argument = next(a for a in op.args if a.name == "pad")
    return [_value_text(argument, pad)]


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,) * max(1, axes)


def _window_text(window: object, axes: int) -> str:
    if isinstance(window, tuple):
        return "x".join(map(str, window))
    return "x".join([str(window)] * max(1, axes))


def _without_name(op: Op, shown: list[Arg]) -> list[Arg]:
    """The arguments shown without names: a single one that is needed, or all of a regularisation.

    The sizes of a `param` are needed too, although its numbers can give them.
    """
    required = [a for a in shown if a.required or a.name == "shape"]
    if len(required) == 1:
        return required
    if op.family == "regularisation":
        return shown
    return []


def _is_notable(argument: Arg, value: object, window: object) -> bool:
    """Whether an optional argument differs from its default.

    In pooling, `stride` has no default: it is then the size of the window.
    """
    default = argument.default
    if argument.name == "stride" and default is None:
        default = window
    return value is not None and value != default


def _value_text(argument: Arg, value: object) -> str:
    """A value as it is written in a text; one number if all axes have the same."""
    if isinstance(value, str):
        return value
    if isinstance(value, tuple) and argument.convert in (sizes, tensor_sizes):
        return shape_text(value)
    if (
        isinstance(value, tuple)
        and argument.convert in (dims, padding, widths)
        and isinstance(value[0], int)
    ):
        if len(set(value)) == 1:
            value = value[:1]
        return "x".join(map(str, value))
    return show(value)
