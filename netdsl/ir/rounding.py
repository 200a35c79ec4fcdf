"""Running error analysis: numbers with a bound on the errors of float32 arithmetic.

A float32 operation can change its result in three ways, which have separate bounds:

- Rounding changes the result by at most 2^-24 of its size. Bounds of rounding count these units.
- Underflow: below 2^-126 numbers lose digits, and many processors and libraries set them to zero.
  The change is absolute, at most 2^-126. Bounds of underflow count units of 2^-126.
- Overflow: beyond the largest float32 a result is infinite, and numbers computed from it show
  nothing about the program. Their bound of rounding is infinite, and they are not compared.

Higham: Accuracy and Stability of Numerical Algorithms, 2nd edition, sections 2.2 and 3.3.

Only methods of tensors are used, so this module imports no PyTorch.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Tensor = Any  # a tensor of PyTorch
LIMIT = 16.0  # the units of rounding that `verify` allows
UNIT = 2.0**-24  # the most that rounding changes, as a share of the number
TINY = 2.0**-126  # the most that underflow changes: the smallest normal float32
LARGEST = 2.0**128 - 2.0**104  # the largest float32
NEAR = LARGEST / 2  # an intermediate value beyond it may overflow, because it is rounded too


class Bound(NamedTuple):
    """The largest error of float32: in units of rounding, and in units of underflow."""

    rounding: Tensor
    underflow: Tensor
    value: Tensor | None = None  # the exact value, if it is not the one that the module computes
    results: Mapping[str, Bound] = {}  # the bounds of the layer's further results


def grown(terms: float) -> float:
    """The factor by which the error of a sum grows with the number of its terms.

    It grows like the root of that number (Higham and Mary 2019); the limit of `verify` covers the
    first 64 terms.
    """
    return max(1.0, sqrt(terms) / 8)


def unless_beyond(bound: Tensor, *magnitudes: Tensor) -> Tensor:
    """The bound, but infinite where one of the intermediate magnitudes may overflow."""
    for magnitude in magnitudes:
        bound = bound.where(magnitude <= NEAR, inf)
    return bound


def lifted(x: Tensor) -> Tensor:
    """Absolute values; numbers below 2^-126 count as 2^-102, because 2^-24 of that is 2^-126.

    A bound of rounding made from them covers the loss when such an input is read as zero.
    """
    size = x.abs()
    return size.masked_fill((size > 0) & (size < TINY), TINY / UNIT)


def subnormal(x: Tensor) -> Tensor:
    """1 where a number may be read as zero because it is below 2^-126."""
    return ((x != 0) & (x.abs() < TINY)).to(x.dtype)


class Known:
    """A number in double precision, with its bounds of rounding and of underflow."""

    __slots__ = ("rounding", "underflow", "value")

    def __init__(self, value: Tensor, rounding: Tensor, underflow: Tensor) -> None:
        self.value = value
        self.rounding = rounding
        self.underflow = underflow

    @classmethod
    def exactly(cls, value: Tensor) -> Known:
        """An input: its only error is that it may be read as zero where it is below 2^-126."""
        return cls(value, value.new_zeros(value.shape), subnormal(value))

    @classmethod
    def rounded(cls, value: Tensor, rounding: Tensor, underflow: Tensor) -> Known:
        """The result of an operation, whose own rounding, underflow and overflow are added."""
        return cls(value, unless_beyond(rounding + value.abs(), value.abs()), underflow + 1)

    def map(self, move: Callable[[Tensor], Tensor]) -> Known:
        """The same numbers rearranged by `move`."""
        return Known(move(self.value), move(self.rounding), move(self.underflow))

    def times(self, factor: float) -> Known:
        """The product with a constant."""
        size = abs(factor)
        return Known.rounded(self.value * factor, self.rounding * size, self.underflow * size)

    def linear(self, weight: Tensor, bias: Tensor | None = None) -> Known:
        """W x + b, for x along the last axis: `weight` is outputs x inputs."""
        product = self @ Known.exactly(weight.T)
        if bias is None:
            return product
        return product.shifted(bias)

    def shifted(self, bias: Tensor) -> Known:
        """The sum with a learned bias; the rounding of the sum is part of that of the product."""
        value, added = self.value + bias, self.rounding + bias.abs()
        return Known(value, unless_beyond(added, value.abs()), self.underflow + 2)

    def __add__(self, other: Known) -> Known:
        rounding, underflow = self.rounding + other.rounding, self.underflow + other.underflow
        return Known.rounded(self.value + other.value, rounding, underflow)

    def __sub__(self, other: Known) -> Known:
        return self + Known(-other.value, other.rounding, other.underflow)

    def __mul__(self, other: Known) -> Known:
        rounding = self.rounding * other.value.abs() + other.rounding * self.value.abs()
        # Where both factors may be far off, as after a step of a saturated gate, the product of
        # their errors counts too. An infinite bound times 0 is no number, and adds nothing.
        both = self.rounding * other.rounding * (LIMIT * UNIT)
        rounding = rounding + both.nan_to_num(nan=0.0, posinf=inf)
        underflow = self.underflow * other.value.abs() + other.underflow * self.value.abs()
        return Known.rounded(self.value * other.value, rounding, underflow)

    def __matmul__(self, other: Known) -> Known:
        size, size_other = self.value.abs(), other.value.abs()
        terms = size.shape[-1]
        products = size @ size_other
        carried = self.rounding @ size_other + size @ other.rounding
        rounding = unless_beyond(products * grown(terms) + carried, products)
        underflow = self.underflow @ size_other + size @ other.underflow + 2 * terms
        return Known(self.value @ other.value, rounding, underflow)

    def less_from_one(self) -> Known:
        """1 - x."""
        return Known(1 - self.value, self.rounding + 1, self.underflow)

    def sigmoid(self) -> Known:
        """1 / (1 + exp(-x)); the error of libraries is relative to 1, not to the value."""
        slope = self._nearest_to_zero().sigmoid()
        return self._through(self.value.sigmoid(), slope * (1 - slope), 1.0)

    def tanh(self) -> Known:
        """Tanh x; the error of libraries is relative to 1, not to the value."""
        return self._through(self.value.tanh(), 1 - self._nearest_to_zero().tanh().square(), 2.0)

    def _nearest_to_zero(self) -> Tensor:
        """The smallest argument within the bounds: a saturating function is steepest there."""
        reach = self.rounding * (LIMIT * UNIT) + self.underflow * TINY
        return (self.value.abs() - reach).clamp(min=0)

    def _through(self, y: Tensor, slope: Tensor, extent: float) -> Known:
        """A bounded function with that largest slope; no error exceeds its range, `extent`."""
        carried = (slope * self.rounding).clamp(max=extent / (LIMIT * UNIT))
        rounding = carried.where(self.rounding.isfinite(), inf)
        return Known(y, rounding + 1, slope * self.underflow + 1)

    def relu(self) -> Known:
        """max(x, 0). Near 0 the result has the full error of the argument."""
        return Known(self.value.relu(), self.rounding, self.underflow)

    def split(self, parts: int) -> list[Known]:
        """Equal parts of the last axis."""
        tensors = (self.value, self.rounding, self.underflow)
        chunks = (tensor.chunk(parts, -1) for tensor in tensors)
        return [Known(*part) for part in zip(*chunks, strict=True)]

    def at(self, step: int) -> Known:
        """One step of a sequence: takes N x T x D to N x D."""
        return self.map(lambda tensor: tensor[:, step])

    @property
    def bound(self) -> Bound:
        """The largest error that the number may have."""
        return Bound(self.rounding, self.underflow)
