"""The graph of a model that another tool wrote, before its operators are recognised as layers.

The sizes of all values are numbers: open sizes have got numbers for the time of the import. Axis 0
of every value is the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np

Shape = tuple[int, ...]
SMALL = 4096  # elements of an array that may be part of a text or of a computed size


class StoredTensor(NamedTuple):
    """A tensor of numbers in the model. `read` returns it; `name` is empty if it was computed."""

    name: str
    shape: Shape
    dtype: str
    read: Callable[[], np.ndarray]

    def as_read(self, change: Callable[[np.ndarray], np.ndarray], shape: Shape) -> StoredTensor:
        """The tensor after a change that gives it another shape, such as a transposition."""
        read = self.read
        return StoredTensor(self.name, shape, self.dtype, lambda: change(read()))


@dataclass(slots=True, eq=False)
class ForeignNode:
    """One operator: `kind` is ONNX's name for it, and an empty name stands for a missing input.

    `scope` is the path of the module that it came from, as far as the exporter recorded it.
    With `is_pattern`, it stands for several operators.
    """

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, object] = field(default_factory=dict)
    scope: tuple[str, ...] = ()
    is_pattern: bool = False

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    def input(self, index: int) -> str:
        """An input by its number, or an empty text if it is missing."""
        return "".join(self.inputs[index : index + 1])


class Typed(NamedTuple):
    """The shape and the element type of a value, with the batch as axis 0."""

    shape: Shape
    dtype: str


@dataclass(eq=False)
class Foreign:
    """A model's graph: nodes in an order in which they can be computed.

    `types` has the type of each value that is known, `stored` the tensors by name. `open` are the
    names of the open sizes of each input, by axis.
    """

    name: str
    inputs: list[str]
    outputs: list[str]
    nodes: list[ForeignNode]
    types: dict[str, Typed]
    stored: dict[str, StoredTensor]
    open: dict[str, dict[int, str]] = field(default_factory=dict)

    def replace(self, nodes: Iterable[ForeignNode]) -> None:
        """Take other nodes in place of the present ones."""
        self.nodes = list(nodes)
        for name in ("producers", "users"):
            self.__dict__.pop(name, None)

    @cached_property
    def producers(self) -> dict[str, ForeignNode]:
        """The node that makes each value."""
        return {output: node for node in self.nodes for output in node.outputs if output}

    @cached_property
    def users(self) -> dict[str, list[ForeignNode]]:
        """The nodes that take each value."""
        users: dict[str, list[ForeignNode]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                users.setdefault(name, []).append(node)
        return users

    def made_by(self, value: str | None, *kinds: str) -> ForeignNode | None:
        """The node that makes a value, if it is of one of the kinds."""
        node = self.producers.get(value or "")
        if node is not None and node.kind in kinds:
            return node
        return None

    def above(self, node: ForeignNode | None, index: int, *kinds: str) -> ForeignNode | None:
        """The node that makes an input of a node, if there is one of one of the kinds."""
        if node is None:
            return None
        return self.made_by(node.input(index), *kinds)

    def only_user(self, value: str) -> ForeignNode | None:
        """The one node that takes a value, if nothing else does."""
        users = self.users.get(value, ())
        if len(users) == 1 and value not in self.outputs:
            return users[0]
        return None

    def shape(self, value: str) -> Shape | None:
        """The shape of a value with its batch, or None if it is not known."""
        if value in self.stored:
            return self.stored[value].shape
        typed = self.types.get(value)
        return typed and typed.shape

    def numbers(self, value: str) -> np.ndarray | None:
        """The numbers of a small stored tensor; None for a large one and for other values."""
        stored = self.stored.get(value)
        if stored is None:
            return None
        size = 1
        for length in stored.shape:
            size *= length
        if size > SMALL:
            return None
        return stored.read()
