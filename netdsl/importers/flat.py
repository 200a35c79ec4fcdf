"""A net as a list of netdsl layers, before it is folded into a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import ForeignNode, Shape, StoredTensor


@dataclass(slots=True, eq=False)
class FlatLayer:
    """One layer: its kind, its arguments, and the names of the values that it takes and makes.

    The values of `args` are numbers, tuples of numbers, booleans, and words. `tensors` are the
    values that are arguments, such as a mask, by the argument. `weights` are the tensors of the
    model that the layer learned, by the names that its op gives them. `path` is the name of the
    layer in the original, part by part, or empty. `node` is the operator that the layer replaces.
    """

    kind: str
    output: str
    inputs: list[str]
    node: ForeignNode
    args: dict[str, object] = field(default_factory=dict)
    tensors: dict[str, str] = field(default_factory=dict)
    weights: dict[str, StoredTensor] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()

    @property
    def is_part(self) -> bool:
        """Whether it is only a part of its operator, so that its result is no value of the model.

        Other layers take that result, or it takes that of another.
        """
        return any(value.startswith(self.node.output) for value in self.inputs)

    @property
    def taken(self) -> list[str]:
        """All values that it takes."""
        return [*self.inputs, *self.tensors.values()]


@dataclass(frozen=True, slots=True)
class Tied:
    """An argument: the weight of an earlier layer, which has it under the name `key`."""

    owner: FlatLayer
    key: str

    def text(self, path: str) -> str:
        """A reference to the weight; `path` is that of the layer."""
        if self.key:
            return f"@{path}.{self.key}"
        return f"@{path}"


@dataclass(slots=True, eq=False)
class FlatInput:
    """An input of the net: its name in the text, its value, its sizes, and its element type."""

    name: str
    value: str
    sizes: tuple[int | str, ...]
    dtype: str


@dataclass(slots=True, eq=False)
class Flat:
    """A net: inputs, layers in the order of computation, and outputs as (name, value).

    `notes` are about the nodes that were left out, by the value that the node takes.
    """

    name: str
    inputs: list[FlatInput]
    layers: list[FlatLayer]
    outputs: list[tuple[str, str]]
    shapes: dict[str, Shape] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def producers(self) -> dict[str, FlatLayer]:
        """The layer that makes each value."""
        made = {layer.output: layer for layer in self.layers}
        made |= {value: layer for layer in self.layers for value in layer.results.values()}
        return made

    def uses(self) -> dict[str, list[FlatLayer]]:
        """The layers that take each value, each as often as it takes it."""
        users: dict[str, list[FlatLayer]] = {}
        for layer in self.layers:
            for value in layer.taken:
                users.setdefault(value, []).append(layer)
        return users
