"""Normalisation of each sample by itself: `layernorm`, `rmsnorm`, `groupnorm`, `instancenorm`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ir.rounding import Bound, grown, subnormal, unless_beyond
from netdsl.ir.types import TensorType
from netdsl.ops.args import boolean, dims, integer, number, show
from netdsl.ops.base import arg, axis_index, fixed, layer
from netdsl.ops.division import check_groups
from netdsl.ops.norm import Affine, need_several, onnx_batch_norm, running_statistics
from netdsl.ops.norm_rounding import by_averages, normalised, units_of_root
from netdsl.ops.norm_training import update_by_samples

if TYPE_CHECKING:
    from netdsl.ir.lowering import (
        Emitter,
        Evaluation,
        Lowered,
        Recorder,
        TrainingEmitter,
        TypedName,
    )
    from netdsl.ir.op import Param
    from netdsl.ir.rounding import Tensor
    from netdsl.ops.args import Dims


class _OwnStatistics(Affine):
    """Base of the kinds that normalise by the mean and the variance of the sample itself."""

    eps: float

    def rows(self, x: Tensor) -> Tensor:
        """The input reshaped so that the mean and the variance are those of the last axis."""
        raise NotImplementedError(self.kind)

    def unrows(self, rows: Tensor, like: Tensor) -> Tensor:
        """Rows in the shape of the input `like`."""
        return rows.view(like.shape)

    def spread(self, e: Evaluation, weight: Tensor) -> Tensor:
        """A weight, shaped to meet the input."""
        return e.per_channel(weight)

    def rounding(self, e: Evaluation) -> Bound:
        """`s abs(w) (abs(x) + mean abs(x) + abs(x - m) (1 + mean x^2 / v)) / sqrt(v) + abs(c)`.

        Here `m` is the mean and `v` the variance plus eps, which may be the mean of squares less
        the square of the mean.

        Underflow: `(3 + abs(x - m) d) abs(w) / sqrt(v) + abs(w) + abs(x) + mean abs(x) + 3`, with
        `d = 3 / v`. If `v` may change by more than a quarter, nothing is compared.
        """
        rows = self.rows(e.x)
        weight, shift = rows.new_ones(()), rows.new_zeros(())
        if self.affine:
            weight = self.rows(self.spread(e, e.module.weight.abs()).expand(e.x.shape))
        if self.affine and e.module.bias is not None:
            shift = self.rows(self.spread(e, e.module.bias.abs()).expand(e.x.shape))
        bound = normalised(rows, weight, shift, self.eps)
        return Bound(*(self.unrows(t, e.x) for t in (bound.rounding, bound.underflow)))


class _OverAxes(Affine):
    """Base of the kinds that normalise over one axis, or over several together."""

    axis: Dims
    each = "element"

    def positions(self, x: TensorType) -> list[int]:
        """The positions of the axes in `x.shape`, in ascending order; raises `OpError`."""
        given = (self.axis,) if isinstance(self.axis, int) else self.axis
        positions = sorted(axis_index(self, x, axis) for axis in given)
        if len(set(positions)) < len(positions):
            message = f"`axis` of `{self.kind}` names an axis twice: {show(given)}"
            raise OpError("bad-axis", message, "axis")
        return positions

    def scale_shape(self, x: TensorType) -> tuple[int, ...]:
        """The sizes of the axes, which the scale has too; raises `OpError` if one is open."""
        name = "the size of the last axis"
        if self.axis != -1:
            name = "the sizes of the axes"
        return tuple(fixed(self, x.shape[i], name) for i in self.positions(x))

    def as_last(self, x: TensorType) -> tuple[list[int], list[int]]:
        """The axes of the batch of inputs `x`, and where they are once they are the last ones."""
        axes = [i + 1 for i in self.positions(x)]
        return axes, list(range(-len(axes), 0))

    def spread(self, e: Evaluation, weight: Tensor) -> Tensor:
        """A weight, shaped to meet the input."""
        axes, _ = self.as_last(e.types[0])
        sizes = iter(weight.shape)
        return weight.view([next(sizes) if i in axes else 1 for i in range(e.x.dim())])

    def torch_over_last(self, module: Lowered, x: TensorType) -> Lowered:
        """A module that normalises over the last axes, applied to the axes of this layer."""
        axes, last = self.as_last(x)
        if axes[0] == len(x.shape) + 1 - len(axes):
            return module
        there, back = (axes[0], -1) if len(axes) == 1 else (tuple(axes), tuple(last))
        return module.with_call(f"{{m}}({{0}}.movedim({there}, {back})).movedim({back}, {there})")


@layer(
    "layernorm",
    family="normalisation",
    examples=[
        ("5x8", "layernorm"),
        ("8", "layernorm(eps = 0.001)"),
        ("3x4x6", "layernorm(affine = false)"),
        ("6x4x5", "layernorm(axis = 1, eps = 1e-6)"),
        ("2x3x4", "layernorm(axis = [1, 3], bias = false)"),
        ("2x3x4", "layernorm(axis = [-2, -1], affine = false)"),
        ("2x3", "layernorm(weight = [1, 0.5, -1], bias = [0, 0.1, 2])"),
        ("2x2x3", "layernorm(axis = [1, 3], weight = [[1, 2, 3], [4, 5, 6]])"),
    ],
)
class LayerNorm(_OverAxes, _OwnStatistics):
    """Layer normalisation (Ba et al. 2016) over the last axis, or over other axes together.

    The result is weight (x - mean) / sqrt(var + eps) + bias. With `axis = 1` it normalises the
    channels of each position of a map, as ConvNeXt does.
    """

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each element")
    axis: Dims = arg(
        dims, -1, doc="the axis, or a list of axes, counted as in PyTorch: 0 is the batch"
    )
    bias = Affine.bias
    weight = Affine.weight

    def rows(self, x: Tensor) -> Tensor:
        axes, last = self._axes_of(x)
        return x.movedim(axes, last).flatten(-len(axes))

    def unrows(self, rows: Tensor, like: Tensor) -> Tensor:
        axes, last = self._axes_of(like)
        return rows.unflatten(-1, [like.shape[i] for i in axes]).movedim(last, axes)

    def _axes_of(self, x: Tensor) -> tuple[list[int], list[int]]:
        return self.as_last(TensorType(tuple(x.shape[1:])))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        sizes = self.scale_shape(x)
        module = t.module(
            "LayerNorm",
            sizes[0] if len(sizes) == 1 else sizes,
            eps=(self.eps, 1e-5),
            elementwise_affine=(self.affine, True),
            bias=(bool(self.bias), True),
        )
        return self.torch_over_last(module, x)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        sizes = self.scale_shape(x.type)
        scale = [g.param(name) for name in self.params(x.type)]
        if not scale and len(sizes) == 1:
            scale = [g.floats([1.0] * sizes[0])]
        elif not scale:
            scale = [g.op("Expand", g.floats([1.0]), g.ints(sizes))]
        axes, _ = self.as_last(x.type)
        order = [i for i in range(len(x.type.shape) + 1) if i not in axes] + axes
        y: str = x
        if order != sorted(order):
            y = g.op("Transpose", y, perm=order)
        y = g.op("LayerNormalization", y, *scale, axis=-len(axes), epsilon=self.eps)
        if order != sorted(order):
            y = g.op("Transpose", y, perm=[order.index(i) for i in range(len(order))])
        return y


@layer(
    "rmsnorm",
    family="normalisation",
    examples=[
        ("5x8", "rmsnorm"),
        ("8", "rmsnorm(eps = 0.001)"),
        ("6x4x5", "rmsnorm(axis = 1)"),
        ("2x3x4", "rmsnorm(axis = [1, 3], affine = false)"),
        ("3x4x4", "rmsnorm(axis = 1, weight = [1, 0.5, -1])"),
    ],
)
class RMSNorm(_OverAxes):
    """Root mean square normalisation (Zhang and Sennrich 2019) over the last axis, or over others.

    The result is weight x / sqrt(mean(x^2) + eps).
    """

    eps: float = arg(number, 1e-6, doc="added to the mean square", min=0)
    axis: Dims = arg(
        dims, -1, doc="the axis, or a list of axes, counted as in PyTorch: 0 is the batch"
    )
    affine: bool = arg(boolean, True, doc="learn a scale for each element")
    weight = Affine.weight
    bias = False

    def rounding(self, e: Evaluation) -> Bound:
        """`(1 + s) abs(y)`.

        Underflow: `(1 + abs(x) d) abs(w) max(1, 1 / sqrt(v)) + abs(w) + 1`, with `v` the mean
        square plus eps and `d = 3 / v^1.5`. If `v` may change by more than a quarter, nothing is
        compared.
        """
        x, weight = e.x, e.x.new_ones(())
        if self.affine:
            weight = self.spread(e, e.module.weight.abs())
        axes, _ = self.as_last(e.types[0])
        terms = prod(x.shape[i] for i in axes)
        square = x.square().mean(axes, keepdim=True)
        v = square + (e.module.eps or 0.0)
        scale = v.rsqrt()
        scaled = x.abs() * scale
        rounding = unless_beyond((1 + grown(terms)) * e.y.abs(), square * terms, scaled)
        changed = scaled * units_of_root(v, v.new_full(v.shape, 3))
        underflow = (1 + changed) * scale.clamp(min=1) * weight
        return Bound(rounding, underflow + weight + subnormal(weight) * scaled + 1)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        sizes = self.scale_shape(x)
        module = t.module(
            "RMSNorm",
            sizes[0] if len(sizes) == 1 else sizes,
            eps=(self.eps, None),
            elementwise_affine=(self.affine, True),
        )
        return self.torch_over_last(module, x)

    def onnx(self, g: Emitter, x: TypedName) -> str:
        axes, _ = self.as_last(x.type)
        square = g.op("ReduceMean", g.op("Mul", x, x), g.ints(axes), keepdims=1)
        y = g.op("Div", x, g.op("Sqrt", g.op("Add", square, g.floats(self.eps))))
        if not self.affine:
            return y
        weight, sizes = g.param("weight"), iter(self.scale_shape(x.type))
        if axes != [len(x.type.shape)]:
            after = range(axes[0], len(x.type.shape) + 1)
            weight = g.op(
                "Reshape", weight, g.ints([next(sizes) if i in axes else 1 for i in after])
            )
        return g.op("Mul", y, weight)


_OVER_THE_BATCH = "`bn` normalises each channel over the batch"


@layer(
    "groupnorm",
    family="normalisation",
    examples=[
        ("6x4x4", "groupnorm(2)"),
        ("4x7", "groupnorm(4, affine = false)"),
        ("8x3x3", "groupnorm(groups = 1, eps = 0.01)"),
        ("4x3x3", "groupnorm(2, weight = [1, 0.5, 2, -1], bias = false)"),
        ("2x5", "groupnorm(1, bias = [0.5, -1])"),
    ],
)
class GroupNorm(_OwnStatistics):
    """Group normalisation (Wu and He 2018).

    Each group of channels of each sample gets mean 0 and variance 1. Then each channel is scaled
    and shifted.
    """

    groups: int = arg(integer, doc="number of groups of channels", min=1)
    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, True, doc="learn a scale and a shift for each channel")
    weight = Affine.weight
    bias = Affine.bias

    def infer(self, x: TensorType) -> TensorType:
        super().infer(x)
        if len(x.shape) < 2:
            raise OpError(
                "wrong-rank",
                f"`{self.kind}` needs channels and at least one more axis, but its input is {x}",
            )
        check_groups(self, self.scale_size(x), self.groups)
        fewer = "use fewer groups; " if self.groups > 1 else ""
        need_several(self, x.size // self.groups, f"{fewer}{_OVER_THE_BATCH}")
        return x

    def rows(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.groups, -1)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module(
            "GroupNorm",
            self.groups,
            x.channels,
            eps=(self.eps, 1e-5),
            affine=(self.affine, True),
            bias=(bool(self.bias), True),
        )

    def onnx(self, g: Emitter, x: TypedName) -> str:
        rows = g.op("Reshape", x, g.ints([0, self.groups, -1]))
        constants = [g.floats([1.0] * self.groups), g.floats([0.0] * self.groups)]
        rows = g.op("InstanceNormalization", rows, *constants, epsilon=self.eps)
        y = g.op("Reshape", rows, g.op("Shape", x))
        if not self.affine:
            return y
        per_channel = g.ints([self.scale_size(x.type), *(1 for _ in x.type.spatial)])
        y = g.op("Mul", y, g.op("Reshape", g.param("weight"), per_channel))
        if not self.bias:
            return y
        return g.op("Add", y, g.op("Reshape", g.param("bias"), per_channel))


@layer(
    "instancenorm",
    family="normalisation",
    examples=[
        ("3x4x4", "instancenorm"),
        ("4x7", "instancenorm(affine = true, eps = 0.01)"),
        ("2x3x4x5", "instancenorm"),
        ("3x4x5", "instancenorm(affine = true, track_running_stats = true)"),
        ("2x6", "instancenorm(track_running_stats = true, momentum = 0.01)"),
        ("3x4x4", "instancenorm(affine = true, weight = [1, 2, 0.5], bias = [0, 1, -1])"),
        ("3x6", "instancenorm(affine = true, track_running_stats = true, bias = false)"),
    ],
)
class InstanceNorm(_OwnStatistics):
    """Instance normalisation (Ulyanov et al. 2016).

    Each channel of each sample gets mean 0 and variance 1. With `track_running_stats`, the mean and
    the variance at inference are running averages over the samples of training.
    """

    eps: float = arg(number, 1e-5, doc="added to the variance", min=0)
    affine: bool = arg(boolean, False, doc="learn a scale and a shift for each channel")
    track_running_stats: bool = arg(
        boolean, False, doc="keep running averages of the mean and the variance for inference"
    )
    momentum: float = arg(
        number, 0.1, doc="share of the new batch in the running averages", min=0, max=1
    )
    weight = Affine.weight
    bias = Affine.bias

    def infer(self, x: TensorType) -> TensorType:
        if not 2 <= len(x.shape) <= 4:
            raise OpError(
                "wrong-rank",
                f"`instancenorm` needs channels and 1 to 3 spatial axes, but its input is {x}",
            )
        if self.momentum != 0.1 and not self.track_running_stats:
            raise OpError(
                "bad-argument",
                "`momentum` is for running averages, which `instancenorm` does not keep here",
                "momentum",
                "leave it out, or write `track_running_stats = true`",
            )
        need_several(self, prod(x.spatial), _OVER_THE_BATCH)
        return super().infer(x)

    def buffers(self, x: TensorType) -> dict[str, Param]:
        return running_statistics(self.scale_size(x)) if self.track_running_stats else {}

    def rows(self, x: Tensor) -> Tensor:
        return x.flatten(2)

    def rounding(self, e: Evaluation) -> Bound:
        """That of `groupnorm`; with running averages, that of `bn`.

        Underflow: that of the same layer.
        """
        if self.track_running_stats:
            return by_averages(e, e.bound(e.x.abs(), 1))
        return super().rounding(e)

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        return t.module(
            f"InstanceNorm{len(x.spatial)}d",
            x.channels,
            eps=(self.eps, 1e-5),
            momentum=(self.momentum, 0.1),
            affine=(self.affine, False),
            track_running_stats=(self.track_running_stats, False),
            bias=(bool(self.bias), True),
        )

    def onnx(self, g: Emitter, x: TypedName) -> str:
        scale_and_shift = self.onnx_scale_and_shift(g, x)
        if self.track_running_stats:
            return onnx_batch_norm(g, x, scale_and_shift, self.eps)
        return g.op("InstanceNormalization", x, *scale_and_shift, epsilon=self.eps)

    def onnx_training(self, g: TrainingEmitter, x: TypedName) -> str:
        if self.track_running_stats:
            update_by_samples(self, g, x)
        return g.op("InstanceNormalization", x, *self.onnx_scale_and_shift(g, x), epsilon=self.eps)
