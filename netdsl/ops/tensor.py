"""Tensors that do not depend on the numbers of the input: `param`, `const`, `positions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import Correction, OpError
from netdsl.ir.op import CONSTANT, Op, Param
from netdsl.ir.types import TensorType
from netdsl.ops.args import integer, tensor_sizes, tensor_values, text
from netdsl.ops.base import arg, axis_index, fixed, layer
from netdsl.ops.init import INITS, check_fans, numbers_of
from netdsl.ops.rounding import exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.lowering import Emitter, Lowered, Recorder, TypedName
    from netdsl.ops.args import Numbers


class _Tensor(Op):
    """Base of the kinds whose result is the same for every sample.

    The input gives only the batch size. The stored tensor may have axes of size 1 before those of
    the result.
    """

    any_dtype = True
    is_source = True
    rounding = exact
    is_global = True

    def for_each_sample(self, leading: int, rank: int) -> str:
        """The call that repeats the tensor of the module around it for each sample."""
        tensor = "{m}"
        if leading > 1:
            tensor += f".flatten(0, {leading - 1})"
        return f"{tensor}.expand({', '.join(['{0}.shape[0]', *['-1'] * rank])})"

    def onnx_for_each_sample(
        self, g: Emitter, x: TypedName, shape: Sequence[int], leading: int = 0
    ) -> str:
        """The tensor of this layer, which has that shape, repeated for each sample of `x`."""
        batch = g.op("Shape", x, start=0, end=1)
        tensor = g.param("")
        if leading > 1:
            tensor = g.op("Reshape", tensor, g.ints([1, *shape]))
        return g.op("Expand", tensor, g.op("Concat", batch, g.ints(list(shape)), axis=0))


@layer(
    "param",
    family="shape",
    examples=[
        ("3x4", "param(5x4)"),
        ("6", "param(6, init = ones)"),
        ("3x4", "param(2x3, leading = 1, init = normal)"),
        ("2", "param(3, leading = 2)"),
        ("2", "param(value = [[1, 2.5], [3, 4]])"),
        ("3x4", "param([], init = ones)"),
        ("5", "param(value = 2.5)"),
    ],
)
class LearnedTensor(_Tensor):
    """A learned tensor, the same for every sample; the input gives only the batch size.

    It is stored under its own label, as `self.label = nn.Parameter(...)` does in PyTorch.
    """

    shape = arg(tensor_sizes, None, doc="its sizes without the batch; `[]` for one number", min=1)
    init: str = arg(text, "zeros", doc="its values before training", choices=INITS)
    leading: int = arg(
        integer, 0, doc="axes of size 1 that the stored tensor has before its sizes", min=0, max=6
    )
    value = arg(tensor_values, None, doc="its values before training as literal numbers")

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(self._value()[0])

    def _value(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Its sizes, and its literal numbers if it has any; raises `OpError`."""
        sizes = None
        if self.shape is not None:
            sizes = tuple(fixed(self, size, "its sizes") for size in self.shape)
        if self.value is not None:
            return self._literal(sizes)
        if sizes is None:
            help = "write `param(197x768)`, or `param(value = [[...]])`"
            raise OpError("missing-argument", "`param` needs sizes or a `value`", help=help)
        return sizes, ()

    def _literal(self, sizes: tuple[int, ...] | None) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """The shape and the numbers of its `value`; raises `OpError`."""
        assert self.value is not None
        if self.init != "zeros":
            raise OpError(
                "bad-argument",
                f"`param` has both `value` and `init = {self.init}`",
                "init",
                "leave `init` out: `value` gives the numbers themselves",
                Correction({"init": None}),
            )
        shape, numbers = numbers_of(self.kind, "value", self.value)
        if sizes not in (None, shape):
            there, here = ("x".join(map(str, axes)) for axes in (shape, sizes or ()))
            message = f"`value` of `param` has {there} numbers, but its sizes are {here}"
            raise OpError("shape-mismatch", message, "value", "the sizes can be left out")
        return shape, numbers

    def params(self, x: TensorType) -> dict[str, Param]:
        shape, numbers = self._value()
        stored = (*[1] * self.leading, *shape)
        check_fans(self.kind, self.init, stored)
        if numbers:
            return {"": Param(stored, "literal", numbers, role="value")}
        return {"": Param(stored, self.init, role="value")}

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        shape = self.params(x)[""].shape
        return t.parameter(shape, self.for_each_sample(self.leading, len(self.infer(x).shape)))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return self.onnx_for_each_sample(g, x, self._value()[0], self.leading)


@layer(
    "const",
    family="shape",
    examples=[
        ("3x4", "const([[1, 0.5], [0, -2]])"),
        ("5", "const([0, 2, 1], dtype = int64)"),
        ("3x4", "const(0.5)"),
    ],
)
class ConstantTensor(_Tensor):
    """A constant tensor, the same for every sample; the input gives only the batch size.

    It is a buffer of the module around it, and in the state dict under its own label. A checkpoint
    need not have it; if it does, its numbers must be the same.
    """

    value: Numbers = arg(tensor_values, doc="its numbers as nested lists, or one number")
    dtype: str = arg(text, "float32", doc="the type of its elements", choices=("float32", "int64"))

    def infer(self, x: TensorType) -> TensorType:
        shape, numbers = numbers_of(self.kind, "value", self.value)
        if self.dtype == "float32":
            return TensorType(shape)
        fraction = next((n for n in numbers if not isinstance(n, int)), None)
        if fraction is not None:
            message = f"`value` of `const` has the number {fraction:g}, which is not an int64"
            raise OpError("bad-argument", message, "value", "write integers, or leave `dtype` out")
        return TensorType(shape, self.dtype, (int(min(numbers)), int(max(numbers))))

    def buffers(self, x: TensorType) -> dict[str, Param]:
        shape, numbers = numbers_of(self.kind, "value", self.value)
        return {"": Param(shape, CONSTANT, numbers, dtype=self.dtype)}

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        shape, numbers = numbers_of(self.kind, "value", self.value)
        return t.buffer(numbers, shape, self.dtype, self.for_each_sample(0, len(shape)))

    def onnx(self, g: Emitter, x: TypedName) -> str:
        return self.onnx_for_each_sample(g, x, self.buffers(x.type)[""].shape)


@layer(
    "positions",
    family="shape",
    examples=[("7x3", "positions"), ("5 int64", "positions"), ("2x4x3", "positions(axis = -1)")],
)
class Positions(_Tensor):
    """The positions 0, 1, 2, ... along an axis of the input, as integers for an `embedding`."""

    axis = arg(integer, 1, doc="the axis, counted as in PyTorch, where 0 is the batch")

    def infer(self, x: TensorType) -> TensorType:
        size = x.shape[axis_index(self, x, self.axis)]
        return TensorType((size,), "int64", (0, size - 1))

    def torch(self, t: Recorder, x: TensorType) -> Lowered:
        axis = axis_index(self, x, self.axis) + 1
        return t.inline(
            f"torch.arange({{0}}.shape[{axis}], device={{0}}.device).expand({{0}}.shape[0], -1)"
        )

    def onnx(self, g: Emitter, x: TypedName) -> str:
        (size,) = self.infer(x.type).shape
        batch = g.op("Shape", x, start=0, end=1)
        new = g.sizes([size])
        if isinstance(size, int):
            positions = g.ints(range(size))
        else:
            positions = g.op("Range", g.ints(0), g.op("Squeeze", new), g.ints(1))
        return g.op("Expand", positions, g.op("Concat", batch, new, axis=0))
