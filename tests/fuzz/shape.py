"""Types as the generator tracks them: plain numbers, computed here a second time, beside what the
compiler infers.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple


class Skip(Exception):
    """What was begun cannot be made here; the generator tries something else."""


class Type(NamedTuple):
    """Sizes without the batch at the sizes that the program is tried with; `open` says which of
    them the text leaves open.
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
        """How many axes."""
        return len(self.shape)

    @property
    def channels(self) -> int:
        """The size of the first axis."""
        return self.shape[0]

    @property
    def spatial(self) -> tuple[int, ...]:
        """The sizes after the first."""
        return self.shape[1:]

    @property
    def size(self) -> int:
        """Elements of one sample."""
        return prod(self.shape)

    @property
    def closed(self) -> bool:
        """Whether the text gives every size."""
        return not any(self.open)

    @property
    def floats(self) -> bool:
        """Whether layers can compute with it."""
        return self.dtype == "float32"

    def with_(self, channels: int | None = None, spatial: tuple[int, ...] | None = None) -> Type:
        """The same with other sizes; which are open stays."""
        return Type(
            (
                self.channels if channels is None else channels,
                *(self.spatial if spatial is None else spatial),
            ),
            self.open,
            self.dtype,
        )

    def at(self, axis: int, size: int, *, open_: bool | None = None) -> Type:
        """The same with one other size."""
        flags = list(self.open)
        flags[axis] = flags[axis] if open_ is None else open_
        return Type((*self.shape[:axis], size, *self.shape[axis + 1 :]), tuple(flags), self.dtype)
