"""What the kinds of pooling with windows of a given size share."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, dims, padding
from netdsl.ops.base import arg, brief
from netdsl.ops.padding import is_even, onnx_pads
from netdsl.ops.window import Geometry, Windowed, too_large

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import Sym
    from netdsl.ops.args import Dims, Pairs
    from netdsl.ops.padding import Border


END = 2**63 - 1  # of an axis, as ONNX writes it
SPREAD = "distance between the elements of the window"


class Pooling(Windowed):
    """What the pooling kinds share.

    out = (in + 2 pad - dilation (k - 1) - 1) / stride + 1, rounded down or up; with `pad = same`,
    out = in / stride, rounded up.
    """

    k = arg(dims, doc="window size", min=1)
    stride = arg(dims, None, doc="step of the window; `k` by default", min=1)
    pad = arg(
        padding,
        0,
        doc="padding around the input: a number up to half the window, pairs up to its size - 1, or"
        " `same`",
        min=0,
    )
    ceil = arg(
        boolean, False, doc="round the output size up: the last window may extend past the end"
    )
    dilation: Dims

    def is_dilated(self, x: TensorType) -> bool:
        """Whether there are gaps between the elements of the window."""
        return any(dilation != 1 for dilation in self.geometry(x).dilation)

    def geometry(self, x: TensorType) -> Geometry:
        geometry = super().geometry(x)
        for extent, pair in zip(geometry.extent, geometry.pad, strict=True):
            if is_even(self.pad) and 2 * max(pair) > extent:
                raise OpError(
                    "bad-padding",
                    f"a padding of {max(pair)} is more than half the window of {extent}",
                    "pad",
                    f"pad at most {extent // 2}",
                )
            if max(pair) >= extent:
                raise OpError(
                    "bad-padding",
                    f"with a padding of {max(pair)}, a window of {extent} may contain only padding",
                    "pad",
                    f"pad at most {extent - 1}",
                )
        return geometry

    def infer(self, x: TensorType) -> TensorType:
        axes = zip(x.spatial, *self.geometry(x), strict=True)
        return TensorType((x.channels, *(self._output_size(*axis) for axis in axes)), x.dtype)

    def _output_size(
        self, size: int | Sym, k: int, stride: int, pad: tuple[int, int], dilation: int
    ) -> int | Sym:
        """The number of positions of the window on an axis; raises `OpError` if it does not fit."""
        begin, end = pad
        extent = dilation * (k - 1) + 1
        if self.pad == "same":
            return (size + stride - 1) // stride
        # PyTorch drops a last window that would start past the input. Which of the two sizes is
        # smaller depends only on the window, so open sizes need no minimum.
        if self.ceil:
            out = (size + begin + min(end - extent + stride, 0) + stride - 1) // stride
        else:
            out = (size + begin + end - extent) // stride + 1
        if isinstance(out, int) and isinstance(size, int) and out < 1:
            raise too_large("window", size, k, pad, dilation, "`gap`")
        return out

    def check_gaps(self, x: TensorType) -> None:
        """Raise `OpError` if a window may contain only padding, because of its gaps."""
        geometry = self.geometry(x)
        for size, window, (begin, _), dilation in zip(
            x.spatial, geometry.k, geometry.pad, geometry.dilation, strict=True
        ):
            is_padded = begin > 0 or (window > 1 and self.pads_at_run_time(x))
            if dilation > 1 and is_padded and not self.needs_at_least(size, dilation):
                raise OpError(
                    "bad-padding",
                    f"with dilation {dilation}, a window may contain only padding, because an axis"
                    f" of the input has size {size}",
                    "dilation",
                    f"use a dilation of at most {size}, or no padding",
                )

    # ---- lowering

    def whole_pairs(self, x: TensorType) -> Pairs:
        """The padding that gives the right size when sizes are rounded down.

        With `ceil`, extra padding at the end gives the size that rounding up would give, for every
        size of the input. ONNX's own `ceil_mode` would keep a last window that starts in the
        padding, but PyTorch drops that window.
        """
        geometry = self.geometry(x)
        if not self.ceil or self.pad == "same":
            return geometry.pad
        axes = zip(geometry.pad, geometry.extent, geometry.stride, strict=True)
        return tuple((begin, min(end + stride, k) - 1) for (begin, end), k, stride in axes)

    def pads_first(self, x: TensorType) -> bool:
        """Whether the PyTorch lowering pads the input first.

        Modules of `nn` pad both ends equally, by at most half the window.
        """
        geometry = self.geometry(x)
        return self.pads_at_run_time(x) or any(
            begin != end or 2 * begin > k
            for (begin, end), k in zip(geometry.pad, geometry.k, strict=True)
        )

    def torch_module(self, t: Recorder, name: str, x: TensorType) -> Lowered:
        """The `nn` pooling module of the input's rank."""
        k, stride, pairs, dilation = self.geometry(x)
        is_first = self.pads_first(x)
        pad = 0 if is_first else brief(tuple(begin for begin, _ in pairs))
        return t.module(
            f"{name}{len(k)}d",
            brief(k),
            stride=(brief(stride), brief(k)),
            padding=(pad, 0),
            dilation=(brief(dilation), 1),
            ceil_mode=(self.ceil and not is_first, False),
        )

    def torch_gathered(self, t: Recorder, x: TensorType, call: str) -> Lowered:
        """A call on the elements of every window, {0}, along the axes {axes}.

        Only maxima have a module of `nn` with a dilation. The input must be padded.
        """
        geometry = self.geometry(x)
        windows = "{0}"
        for axis, (extent, stride) in enumerate(zip(geometry.extent, geometry.stride, strict=True)):
            windows += f".unfold({2 + axis}, {extent}, {stride})"
        steps = ", ".join(f"::{dilation}" for dilation in geometry.dilation)
        axes = tuple(range(-len(geometry.k), 0))
        return t.inline(
            call.replace("{0}", f"{windows}[..., {steps}]").replace("{axes}", str(axes))
        )

    def onnx_sum(self, g: Emitter, x: TypedName, border: Border) -> str:
        """Add the sum of each window of a padded input, also with a dilation.

        A slice has an element of every window; the nodes are those of every opset and provider.
        """
        geometry = self.geometry(x.type)
        padded = border.onnx(g, x)
        axes = g.ints(list(range(2, 2 + len(geometry.k))))
        gaps = zip(geometry.k, geometry.dilation, strict=True)
        parts = []
        for starts in product(*(range(0, k * dilation, dilation) for k, dilation in gaps)):
            left = [extent - 1 - i for extent, i in zip(geometry.extent, starts, strict=True)]
            ends = [-n if n else END for n in left]
            steps = g.ints(geometry.stride)
            parts.append(g.op("Slice", padded, g.ints(starts), g.ints(ends), axes, steps))
        return g.op("Sum", *parts)

    def onnx_pool(
        self, g: Emitter, operator: str, x: TypedName, value: float = 0.0, **attributes: object
    ) -> str:
        """Add a pooling operator of ONNX, and a border of this value if it cannot pad by itself."""
        pairs = self.whole_pairs(x.type)
        window = self.onnx_window(x.type, pairs)
        padded: str = x
        # onnxruntime refuses a padding of as many elements as the window has.
        too_wide = any(
            max(pair) >= k for pair, k in zip(pairs, self.geometry(x.type).k, strict=True)
        )
        if self.auto_pads(x.type):
            del window["pads"]
            attributes["auto_pad"] = "SAME_UPPER"
        elif too_wide or self.pads_at_run_time(x.type):
            padded = self.border(x.type, pairs, value=value).onnx(g, x)
            del window["pads"]
        return g.op(operator, padded, **window, **attributes)

    def onnx_window(self, x: TensorType, pairs: Pairs) -> dict[str, Sequence[int]]:
        """The attributes of ONNX's pooling operators for a window with this padding."""
        geometry = self.geometry(x)
        window = {
            "kernel_shape": geometry.k,
            "strides": geometry.stride,
            "pads": onnx_pads(pairs),
        }
        if self.is_dilated(x):
            window["dilations"] = geometry.dilation
        return window
