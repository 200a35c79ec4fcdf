"""The error of a `residual` whose body has a different shape than its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError, UnlikeShapesError

if TYPE_CHECKING:
    from netdsl.ir.types import Sym, TensorType


def unlike(body: TensorType, source: TensorType, error: OpError) -> OpError:
    """The error of the `add` that replaces `residual { F }`, reworded for `residual`."""
    if not isinstance(error, UnlikeShapesError):
        meaning = "`residual` is an `add` of its body and its input"
        return OpError(error.code, error.message, error.arg, error.help or meaning)
    message = f"`residual` adds its body ({body}) to its input ({source})"
    return UnlikeShapesError(message, error.reason, _projection(body, source) or error.help)


def _projection(body: TensorType, source: TensorType) -> str | None:
    """Advice for a second arm that brings the input to the body's shape."""
    if len(body.shape) != len(source.shape):
        return "give the body's result as many axes as the input, with `reshape`"
    channels = body.shape[0]
    if not isinstance(channels, int):
        return None
    if len(body.shape) == 1:
        return f"project the input in a second arm: `residual {{ | ... | dense({channels}) }}`"
    strides = {_stride(a, b) for a, b in zip(source.spatial, body.spatial, strict=True)}
    stride = strides.pop() if len(strides) == 1 else None
    if stride is not None:
        option = f", stride = {stride}" if stride > 1 else ""
        conv = f"conv({channels}, 1{option})"
        return f"project the input in a second arm: `residual {{ | ... | {conv} }}`"
    if len(body.shape) == 2 and channels == source.shape[0]:
        return (
            f"make the vectors equally long: end the body with `dense({source.shape[1]})`, or add a"
            f" second arm `| dense({body.shape[1]})`"
        )
    return "keep the input's size in the body, with stride 1 and `pad = k // 2`"


def _stride(before: int | Sym, after: int | Sym) -> int | None:
    """The stride with which a 1 x 1 convolution turns one size into the other, if there is one."""
    if not isinstance(before, int) or not isinstance(after, int):
        return 1 if before == after else None
    return next((s for s in range(1, 17) if (before - 1) // s + 1 == after), None)
