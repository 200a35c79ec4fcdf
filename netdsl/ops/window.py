"""What kinds with a sliding window share: window, stride, padding and dilation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import OpError
from netdsl.ir.op import Op, Window
from netdsl.ir.types import Sym
from netdsl.ops.base import spatial_rank, spread
from netdsl.ops.padding import Border, pair_text, same_pair, same_total, spread_pairs
from netdsl.ops.window_text import number_text, padding_text, window_text

if TYPE_CHECKING:
    from netdsl.ir.types import TensorType
    from netdsl.ops.args import Dims, Padding, Pairs


class Geometry(NamedTuple):
    """The window along each spatial axis; `pad` has (begin, end) pairs."""

    k: tuple[int, ...]
    stride: tuple[int, ...]
    pad: Pairs
    dilation: tuple[int, ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """From the first to the last element of the window, with the gaps of the dilation."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.k, self.dilation, strict=True))


class Windowed(Op):
    """A kind with a window along 1 to 3 axes; without `stride`, windows do not overlap."""

    k: Dims
    stride: Dims | None
    pad: Padding
    dilation: Dims

    def geometry(self, x: TensorType) -> Geometry:
        """Each argument spread over the spatial axes; raises `OpError` if one does not fit.

        For `pad = same`, see `same_pair`.
        """
        n = spatial_rank(self, x)
        k = spread(self.k, n, self.kind, "k")
        stride = k if self.stride is None else spread(self.stride, n, self.kind, "stride")
        dilation = spread(self.dilation, n, self.kind, "dilation")
        if self.pad != "same":
            return Geometry(k, stride, spread_pairs(self.pad, n, self.kind), dilation)
        geometry = Geometry(k, stride, (), dilation)
        return geometry._replace(pad=self.same_pairs(x, geometry))

    def same_pairs(self, x: TensorType, geometry: Geometry) -> Pairs:
        """The padding of `pad = same`."""
        return tuple(map(same_pair, x.spatial, geometry.extent, geometry.stride))

    def pads_at_run_time(self, x: TensorType) -> bool:
        """Whether the padding depends on an open size."""
        if self.pad != "same":
            return False
        geometry = self.geometry(x)
        totals = map(same_total, x.spatial, geometry.extent, geometry.stride)
        return any(isinstance(total, Sym) for total in totals)

    def auto_pads(self, x: TensorType) -> bool:
        """Whether ONNX's `auto_pad` gives the padding that depends on an open size.

        onnxruntime refuses it with a dilation, and is wrong about a window smaller than its stride.
        """
        geometry = self.geometry(x)
        return self.pads_at_run_time(x) and all(
            dilation == 1 and k >= stride
            for k, stride, dilation in zip(
                geometry.k, geometry.stride, geometry.dilation, strict=True
            )
        )

    def border(
        self, x: TensorType, pairs: Pairs, mode: str = "", value: float | None = None
    ) -> Border:
        """The border for a lowering that pads the input first."""
        same = None
        if self.pads_at_run_time(x):
            geometry = self.geometry(x)
            same = (geometry.extent, geometry.stride)
        return Border(pairs, same, mode, value)

    def windows(self, x: TensorType) -> tuple[Window, ...]:
        geometry = self.geometry(x)
        begins = [begin for begin, _ in geometry.pad]
        return tuple(map(Window, geometry.extent, geometry.stride, begins))

    def window_text(self, x: TensorType) -> str:
        geometry = self.geometry(x)
        return window_text(
            geometry.k,
            geometry.stride,
            number_text("d", geometry.dilation, 1),
            # For `depthwise`, whose number of groups is fixed, it is not an argument.
            number_text("g", [self.given.get("groups", 1)], 1),
            self.padding_text(x),
        )

    def padding_text(self, x: TensorType) -> str:
        """The padding, if it neither is 0 nor keeps the size."""
        geometry = self.geometry(x)
        if self.pad == "same" and any(stride != 1 for stride in geometry.stride):
            return "same"
        return padding_text(geometry.pad, geometry.k, geometry.dilation)


def too_large(
    noun: str, size: int, k: int, pad: tuple[int, int], dilation: int, otherwise: str
) -> OpError:
    """The error of a window that is larger than the padded input.

    `noun` is what the kind calls its window, `otherwise` further advice.
    """
    extent, padded = dilation * (k - 1) + 1, size + sum(pad)
    window = f"{k}"
    if dilation != 1:
        window = f"{k} (spread over {extent} by dilation {dilation})"
    plus = f" with its padding of {pair_text(pad)}" if any(pad) else ""
    return OpError(
        "window-too-large",
        f"a {noun} of {window} is larger than the input's {size}{plus}",
        "k",
        f"use a {noun} of at most {(padded - 1) // dilation + 1}, or {otherwise}",
    )
