"""Layers and functions of other tools that have no counterpart here, and what to write."""

from __future__ import annotations

_NONE = "no layer does this"
_BROADCAST = (
    f"{_NONE}: an axis of size 1 is repeated in sums and products, so `(@y + 0 * @x)` has the"
    " values of `@y` and the sizes of `@x`"
)
_INDICES = f"{_NONE}: output the scores, and choose among them where the net is used"
# By their names without case and underscores.
MISSING = {
    **dict.fromkeys(("expand", "expandas", "broadcast", "broadcastto", "broadcasttensors"),
                    _BROADCAST),
    "tile": f"{_BROADCAST}; `concat([@y, @y], axis = 2)` joins a value with itself",
    "repeatinterleave": f"{_NONE}: `upsample(2)` repeats every element along the spatial axes",
    **dict.fromkeys(("flip", "fliplr", "flipud", "reverse"),
                    f"{_NONE}; `bidirectional = true` makes an `lstm`"
                    " read both ways"),
    **dict.fromkeys(("argmax", "argmin"),
                    f"{_INDICES}; `reduce_max(1)` is the largest value along axis 1"),
    **dict.fromkeys(("topk", "sort", "argsort", "nms", "unique", "nonzero"), _INDICES),
    "where": f"{_NONE}: with a mask `@m` of 0 and 1, write `(@m * @a + (1 - @m) * @b)`",
    **dict.fromkeys(("maskedfill", "maskfill"),
                    f"{_NONE}: with a mask `@m` of 0 and 1, write `(@ - 1e9 * @m)`"),
    "cumsum": f"{_NONE}: for the sums of a fixed number of steps, write `matmul` with a `const`,"
    " a triangular matrix of ones",
    "cumprod": f"{_NONE}: for positive values, take `log`, add up with `matmul` and a `const`, a"
    " triangular matrix of ones, and take `exp`",
    "scatter": f"{_NONE}: `matmul` with a `const` of 0 and 1 puts elements at fixed positions",
    **dict.fromkeys(("gather", "indexselect", "take", "takealongaxis", "gathernd"),
                    f"{_NONE}: `select` and `slice` take elements at fixed positions, and"
                    " `embedding` the rows of a table"),
}  # fmt: skip
