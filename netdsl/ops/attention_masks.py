"""The inputs of attention, and its masks: their shapes, and how they change the scores."""

from __future__ import annotations

from itertools import permutations
from math import inf
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from netdsl.diagnostics import Proposal
from netdsl.errors import OpError
from netdsl.ir.rounding import Known
from netdsl.ir.types import TensorType
from netdsl.ops.args import show

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, TypedName
    from netdsl.ir.op import Op
    from netdsl.ir.rounding import Tensor

T = TypeVar("T")


class Roles(NamedTuple, Generic[T]):
    """The inputs of an attention layer, or what belongs to each of them."""

    query: T
    key: T
    value: T
    mask: T | None
    padding: T | None


def check_masks(op: Op, types: Roles[TensorType]) -> None:
    """Raise `OpError` unless the masks can be repeated to the shapes that they are for."""
    *windows, queries, _ = types.query.shape
    keys = types.key.shape[-2]
    scores = TensorType((*windows, op.given["heads"], queries, keys))
    if types.mask is not None and not _fits(op, types.mask, scores, least=2):
        words = "windows x heads x queries x keys"
        if not windows:
            words = "heads x queries x keys"
        all_heads = TensorType((*windows, *(1 for _ in windows[:1]), queries, keys))
        help_ = f"it can also be {all_heads}, for all heads"
        order = _order(types.mask, scores) or _order(types.mask, TensorType((queries, keys)))
        if order is not None:
            help_ = f"bring its axes into this order: `permute({show(order)})`"
        if len(types.mask.shape) == 1:
            help_ = Proposal("`padding` hides keys from all queries", "argument", ["padding"])
        raise OpError(
            "shape-mismatch",
            f"`mask` of `attention` must be {words}, {scores}, found {types.mask}",
            "mask",
            help_,
        )
    all_keys = TensorType((*windows, keys))
    if types.padding is not None and not _fits(op, types.padding, all_keys, least=1):
        raise OpError(
            "shape-mismatch",
            f"`padding` of `attention` must have a value for each key, {all_keys},"
            f" found {types.padding}",
            "padding",
            "`mask` hides keys from some of the queries",
        )


def _order(mask: TensorType, wanted: TensorType) -> tuple[int, ...] | None:
    """The axes of a mask, counted from 1, in the order that gives a shape, or None."""
    if len(mask.shape) != len(wanted.shape):
        return None
    axes = range(1, len(mask.shape) + 1)
    orders = permutations(axes)
    return next((o for o in orders if tuple(mask.shape[i - 1] for i in o) == wanted.shape), None)


def _fits(op: Op, mask: TensorType, whole: TensorType, least: int) -> bool:
    """Whether a mask has at least that many axes, and can be repeated to the whole shape."""
    if not least <= len(mask.shape) <= len(whole.shape):
        return False
    pairs = zip(reversed(mask.shape), reversed(whole.shape), strict=False)
    return all(a == 1 or op.needs_equal(a, b) for a, b in pairs)


# ---- in double precision


def masked(scores: Known, mask: Tensor | None, padding: Tensor | None) -> Known:
    """The scores with masks, whose first axis is the batch."""
    rank = scores.value.dim()
    if mask is not None:
        mask = mask.reshape(mask.shape[0], *(1,) * (rank - mask.dim()), *mask.shape[1:])
        if mask.is_floating_point():
            scores = scores + Known.exactly(mask)
        else:
            scores = hidden(scores, mask)
    if padding is not None:
        windows = (*(1,) * (rank - 2 - padding.dim()), *padding.shape[1:-1])
        scores = hidden(scores, padding.reshape(len(padding), *windows, 1, 1, padding.shape[-1]))
    return scores


def hidden(scores: Known, places: Tensor) -> Known:
    """The scores, but minus infinity at some places.

    A score that overflows stays beyond all bounds: PyTorch adds minus infinity to it.
    """
    return Known(
        scores.value.masked_fill(places, -inf),
        scores.rounding.masked_fill(places & scores.rounding.isfinite(), 0),
        scores.underflow.masked_fill(places, 0),
    )


# ---- in ONNX


def onnx_masked(
    g: Emitter, scores: str, mask: TypedName | None, padding: TypedName | None, *, windows: int
) -> str:
    """The scores, N x windows x heads x queries x keys, with masks."""
    if mask is not None:
        missing = windows + 3 - len(mask.type.shape)
        spread = _unsqueezed(g, mask, list(range(1, missing + 1)))
        if mask.type.dtype == "bool":
            scores = g.op("Where", spread, g.floats(-inf), scores)
        else:
            scores = g.op("Add", scores, spread)
    if padding is not None:
        missing = windows + 1 - len(padding.type.shape)
        axes = [*range(1, missing + 1), windows + 1, windows + 2]
        scores = g.op("Where", _unsqueezed(g, padding, axes), g.floats(-inf), scores)
    return scores


def _unsqueezed(g: Emitter, x: str, axes: list[int]) -> str:
    return g.op("Unsqueeze", x, g.ints(axes)) if axes else x
