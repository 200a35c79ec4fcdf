"""Which kinds of layers are worked by hand, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.trace.batch_norm import batch_norm
from netdsl.trace.elementwise import activation, added
from netdsl.trace.sequences import attention, lstm
from netdsl.trace.vectors import dense, softmax
from netdsl.trace.windows import conv, pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.ir.op import Op
    from netdsl.trace.worked import Place, TracedLayer, Worked

    Work = Callable[[TracedLayer, Place], Worked]

_ACTIVATIONS = (
    *("relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "mish"),
    *("sigmoid", "tanh", "scaled_tanh", "softplus", "hard_sigmoid", "hard_swish"),
)
WORK: dict[str, Work] = {
    "conv": conv,
    "depthwise": conv,
    **dict.fromkeys(("maxpool", "avgpool", "sumpool", "l2pool", "gap", "gmp"), pool),
    "dense": dense,
    "bn": batch_norm,
    "softmax": softmax,
    "lstm": lstm,
    "attention": attention,
    "add": added,
    **dict.fromkeys(_ACTIVATIONS, activation),
}


def obstacle(op: Op) -> str | None:
    """Why a layer of a kind in `WORK` cannot be worked by hand, or None if it can."""
    given = op.given
    if op.kind == "lstm" and (given["layers"] > 1 or given["bidirectional"]):
        return "only an `lstm` of one layer and one direction is worked out"
    if op.kind == "softmax" and given["axis"] == 0:
        return "a `softmax` over the batch needs several samples"
    if op.kind == "attention" and (given["windowed"] or given["mask"] or given["padding"]):
        return "only `attention` without windows, masks and padding is worked out"
    return None
