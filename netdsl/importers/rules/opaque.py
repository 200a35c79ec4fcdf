"""Layers that stand for operators of a model which the language cannot express.

Such a layer knows only what the model says about the operator: the shapes of its results, the
tensors that it stores, and its MACs if they are known. It exists only in texts that are compiled in
memory, to print and draw them. No back end can run it.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

from netdsl.ir.op import Op, Param
from netdsl.ir.types import TensorType
from netdsl.ops.args import WrongType, integer, integers, text
from netdsl.ops.base import arg, declared_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.ir.lowering import Lowered, Recorder

FAMILY = "operator"
MOST_LETTERS = 40  # of the name of an operator
MOST_INPUTS = 1 << 20


def shapes(value: object) -> tuple[tuple[int, ...], ...]:
    """A list of shapes, which may be empty."""
    if isinstance(value, tuple):
        return tuple(integers((shape,) if isinstance(shape, int) else shape) for shape in value)
    raise WrongType("a list of shapes such as [[3, 4], [5]]")


def words(value: object) -> tuple[str, ...]:
    """Words that are separated by a space."""
    return tuple(text(value).split())


class Opaque(Op):
    """An operator of a model.

    Its tensors are called `tensor0`, `tensor1`, and its further results `result1`, `result2`.
    """

    family = FAMILY
    inputs = (1, MOST_INPUTS)
    any_dtype = True
    is_global = True  # nothing is known about its window
    shows_arguments = False

    shape = arg(integers, (), doc="the shape of the result")
    dtype = arg(text, "float32", doc="the element type of the result")
    macs_known = arg(integer, -1, doc="MACs of one sample; -1 if they are not known")
    tensors = arg(shapes, (), doc="the shapes of the stored tensors")
    more = arg(shapes, (), doc="the shapes of further results")
    more_types = arg(words, (), doc="the element types of further results")

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__(values)
        self.__dict__["multiplies"] = self.macs_known > 0 and bool(self.tensors)

    @property
    def is_counted(self) -> bool:
        """Whether its MACs are known."""
        return self.macs_known >= 0

    def infer(self, *xs: TensorType) -> TensorType:
        """What the model says."""
        return TensorType(self.shape, self.dtype)

    def results(self, *xs: TensorType) -> dict[str, TensorType]:
        """What the model says."""
        typed = zip(self.more, self.more_types, strict=True)
        return {f"result{i}": TensorType(*each) for i, each in enumerate(typed, start=1)}

    def params(self, *xs: TensorType) -> dict[str, Param]:
        """The stored tensors."""
        return {f"tensor{i}": Param(shape) for i, shape in enumerate(self.tensors)}

    def macs(self, y: TensorType, *xs: TensorType) -> int:
        """The MACs, or 0 if they are not known."""
        return max(0, self.macs_known)

    def weights(self, *xs: TensorType) -> int:
        """The numbers of its matrices and kernels; a vector is a bias."""
        if not self.multiplies:
            return 0
        return sum(prod(shape) for shape in self.tensors if len(shape) > 1)

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        """A value that stands for the result; the operator itself never runs in PyTorch."""
        names = ", ".join(["{0}"] * (1 + len(t.results)))
        return t.inline(f"({names})" if t.results else names)


Opaque.args = declared_arguments(Opaque)


def kind_name(operator: str) -> str:
    """The kind of the layer that stands for an operator: `com.microsoft.FusedConv` is FusedConv."""
    plain = re.sub(r"\W+", "_", operator.rpartition(".")[2], flags=re.ASCII).strip("_")
    if not plain[:1].isalpha():
        plain = f"Operator{plain}"
    return (plain[0].upper() + plain[1:])[:MOST_LETTERS]


def kind_of(name: str) -> type[Op]:
    """The class of a kind."""
    return type(name, (Opaque,), {"kind": name})
