"""The types that the generator tracks, computed independently of the compiler."""

from __future__ import annotations

from math import prod
from typing import NamedTuple


class Skip(Exception):
    """The generator cannot finish what it began and tries something else."""


class Type(NamedTuple):
    """The shape without the batch, with the numbers that open sizes have in the test.

    `open` marks the sizes that the text leaves open.
    """

    shape: tuple[int, ...]
    open: tuple[bool, ...]
    dtype: str = "float32"

    @staticmethod
    def of(*shape: int, dtype: str = "float32") -> Type:
        """A type without open sizes."""
        return Type(shape, (False,) * len(shape), dtype)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def channels(self) -> int:
        """The size of the first axis."""
        return self.shape[0]

    @property
    def spatial(self) -> tuple[int, ...]:
        """The sizes of all axes but the first."""
        return self.shape[1:]

    @property
    def size(self) -> int:
        """The number of elements of one sample."""
        return prod(self.shape)

    @property
    def closed(self) -> bool:
        """Whether no size is open."""
        return not any(self.open)

    @property
    def floats(self) -> bool:
        """Whether layers can do arithmetic on it."""
        return self.dtype == "float32"

    def with_(self, channels: int | None = None, spatial: tuple[int, ...] | None = None) -> Type:
        """The same type with other sizes; the same sizes are open."""
        return Type(
            (
                self.channels if channels is None else channels,
                *(self.spatial if spatial is None else spatial),
            ),
            self.open,
            self.dtype,
        )

    def at(self, axis: int, size: int, *, open_: bool | None = None) -> Type:
        """The same type with another size of one axis."""
        flags = list(self.open)
        flags[axis] = flags[axis] if open_ is None else open_
        return Type((*self.shape[:axis], size, *self.shape[axis + 1 :]), tuple(flags), self.dtype)
