"""Layers that cut regions out of feature maps: `roi_pool`, `roi_align`.

Each sample has R boxes of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.op import NUMBERS, Op, Sort, boxes
from netdsl.ir.rounding import unless_beyond
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, dims, integer, number
from netdsl.ops.base import INT64, arg, layer, spread
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter, Evaluation, Lowered, Recorder, TypedName
    from netdsl.ir.rounding import Bound


class _Regions(Op):
    """What both kinds share: C x H x W and boxes R x 4 become R x C x size x size.

    A box is x1, y1, x2, y2 in pixels of the image.
    """

    size = arg(dims, doc="bins along each side of a box", min=1)
    scale = arg(number, doc="size of the feature map divided by that of the image, such as 1 / 16")
    inputs = (2, 2)
    is_global = True

    def infer(self, x: TensorType, regions: TensorType) -> TensorType:
        if len(x.shape) != 3:
            raise OpError("wrong-rank", f"`{self.kind}` needs C x H x W, but its input is {x}")
        if len(regions.shape) != 2 or not self.needs_equal(regions.shape[1], 4):
            raise OpError(
                "shape-mismatch",
                f"the boxes of `{self.kind}` are {regions}; they must be R x 4: x1, y1, x2, y2",
                help="boxes are usually an input of their own: `input boxes: Rx4`",
            )
        if self.scale <= 0:
            raise OpError(
                "bad-argument",
                f"`scale` of `{self.kind}` must be above 0, found {self.scale:g}",
                "scale",
            )
        return TensorType((regions.shape[0], x.channels, *self.bins()), x.dtype)

    def bins(self) -> tuple[int, ...]:
        """Rows and columns of bins."""
        return spread(self.size, 2, self.kind, "size")

    def sorts(self) -> tuple[Sort, ...]:
        return (NUMBERS, boxes(self.scale))


def _rows(g: Emitter, regions: str) -> tuple[str, str]:
    """The boxes of all samples in one list, N R x 4, and the sample of each, N R x 1."""
    counts = g.op("Shape", regions, end=2)
    ones = g.op("Expand", g.floats(1.0), g.op("Concat", counts, g.ints([1]), axis=0))
    samples = g.op("CumSum", ones, g.op("Squeeze", g.ints([0])), exclusive=1)
    rows = g.op("Reshape", regions, g.ints([-1, 4]))
    return rows, g.op("Reshape", samples, g.ints([-1, 1]))


def _split(g: Emitter, pooled: str, regions: str) -> str:
    """N R x C x size x size to N x R x C x size x size."""
    counts = g.op("Shape", regions, end=2)
    return g.op("Reshape", pooled, g.op("Concat", counts, g.op("Shape", pooled, start=1), axis=0))


@layer(
    "roi_pool",
    family="regions",
    examples=[
        ("2x8x8, 3x4", "roi_pool(2, 3)"),
        ("3x9x7, 2x4", "roi_pool(size = 3x2, scale = 2.5)"),
        ("2x5x5, 4x4", "roi_pool(7, 0.5)"),
    ],
)
class RoIPool(_Regions):
    """RoI max pooling (Girshick 2015): the largest value of each bin, and 0 where a bin is empty.

    The corners are rounded, halves away from 0. Bin i of n has the rows from floor(i h / n) to
    ceil((i + 1) h / n) of the h = y2 - y1 + 1. h / n is rounded to single precision as in Caffe:
    of 57 rows, the last of 7 bins reaches one row further.
    """

    rounding = exact  # the bins are chosen in single precision, by definition

    def torch(self, t: Recorder, x: TensorType, regions: TensorType) -> Lowered:
        return t.helper("roi_max_pool", "{0}", "{1}", self.bins(), self.scale)

    def onnx(self, g: Emitter, x: TypedName, regions: TypedName) -> str:
        rows, samples = _rows(g, regions)
        pooled = g.op(
            "MaxRoiPool",
            x,
            g.op("Concat", samples, rows, axis=1),
            pooled_shape=self.bins(),
            spatial_scale=self.scale,
        )
        return _split(g, pooled, regions)


@layer(
    "roi_align",
    family="regions",
    examples=[
        ("2x8x8, 3x4", "roi_align(2, 3)"),
        ("3x9x7, 2x4", "roi_align(size = 3x2, scale = 2.5, samples = 3)"),
        ("2x8x8, 3x4", "roi_align(2, 3, aligned = true)"),
    ],
)
class RoIAlign(_Regions):
    """RoI align (He et al. 2017): the mean of samples x samples points in each bin.

    The points are interpolated between pixels; nothing is rounded.
    """

    samples = arg(integer, 2, doc="points along each side of a bin", min=1)
    aligned = arg(
        boolean,
        False,
        doc="move the boxes by half a pixel: whole numbers are the centres of pixels, not corners",
    )

    def rounding(self, e: Evaluation) -> Bound:
        """`abs(y)` plus the largest input of the channel times the largest coordinate.

        Underflow: `12 samples^2`.
        """
        largest_box = e.xs[1].abs().max() if e.xs[1].numel() else e.x.new_zeros(())
        reach = 1 + largest_box * self.scale
        largest = e.x.abs().amax((2, 3))[:, None, :, None, None]
        samples = 4.0 * self.samples**2
        rounding = e.y.abs() + largest * reach
        return e.bound(unless_beyond(rounding, largest * samples, reach), 3 * samples)

    def torch(self, t: Recorder, x: TensorType, regions: TensorType) -> Lowered:
        return t.helper(
            "roi_align", "{0}", "{1}", self.bins(), self.scale, self.samples, self.aligned
        )

    def onnx(self, g: Emitter, x: TypedName, regions: TypedName) -> str:
        rows, samples = _rows(g, regions)
        height, width = self.bins()
        sample_of_row = g.op("Cast", g.op("Squeeze", samples, g.ints([1])), to=INT64)
        mode = "half_pixel" if self.aligned else "output_half_pixel"
        pooled = g.op(
            "RoiAlign",
            x,
            rows,
            sample_of_row,
            output_height=height,
            output_width=width,
            sampling_ratio=self.samples,
            spatial_scale=self.scale,
            coordinate_transformation_mode=mode,
        )
        return _split(g, pooled, regions)
