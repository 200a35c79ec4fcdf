"""Advice for a stride below 1, with which a map was to grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.ir.op import Op

# Kernels of `deconv` that multiply the size by a factor, and share their weights evenly.
_KERNELS = {"2": "4, stride = 2, pad = 1", "4": "8, stride = 4, pad = 2"}


def enlarging(cls: type[Op], scale: float) -> str:
    """Advice for a stride of 1 / `scale`: the layers that make a map larger."""
    factor = f"{scale:g}" if scale == int(scale) else "2"
    if cls.kind == "deconv":
        return f"the stride of `deconv` enlarges the map: write `stride = {factor}`"
    help_ = f"a stride never enlarges a map: add `upsample({factor})` before the layer"
    if cls.family != "convolution":
        return help_
    kernel = _KERNELS.get(factor, f"{factor}, stride = {factor}")
    return f"{help_}, or write `deconv(out, {kernel})` in its place"
