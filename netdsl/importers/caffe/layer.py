"""A layer of a `.prototxt`: its parameters, its weights, and errors about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.importers.caffe.prototxt import Scalar
from netdsl.importers.described import refused, sizes_text, wrong
from netdsl.importers.onnx.built import random_numbers

if TYPE_CHECKING:
    from netdsl.importers.caffe.prototxt import ProtoMessage
    from netdsl.importers.onnx.built import ModelBuilder


class CaffeLayer(NamedTuple):
    """A layer of a `.prototxt`. `path` is its name, part by part.

    `shared` are the weights so far that have a name, for layers that share them.
    """

    kind: str
    name: str
    message: ProtoMessage
    path: str
    builder: ModelBuilder
    shared: dict[str, tuple[str, tuple[int, ...]]]

    def param(self, name: str) -> ProtoMessage:
        """The message with the parameters of the layer, which may be empty."""
        return self.message.message(name)

    def tensor(self, index: int, key: str, shape: tuple[int, ...], role: str) -> str:
        """A weight, as a name in the model: the same for layers that share it by a name."""
        given = self.message.fields.get("param", [])  # texts in the older version of the format
        names = [p.text if isinstance(p, Scalar) else p.text("name") for p in given]
        shared = names[index] if index < len(names) else ""
        if shared in self.shared and shared:
            name, known = self.shared[shared]
            if known != shape:
                message = (
                    f"`{shared}` has the shape {sizes_text(known)}, and here {sizes_text(shape)}"
                )
                raise wrong(message, self.message.at("param"))
            return name
        path = f"{self.path}.{key}"
        made = self.builder.tensor(path, shape, random_numbers(path, shape, role), path)
        if shared:
            self.shared[shared] = made, shape
        return made

    def refuse(
        self,
        fact: str,
        where: ProtoMessage | None = None,
        key: str = "",
        help: str | None = None,
    ) -> Exception:
        """The error of a layer that the language cannot express."""
        place = (where or self.message).at(key or "type")
        return refused(f"the layer `{self.name}` ({self.kind})", fact, place, help)

    def wrong(
        self, fact: str, where: ProtoMessage | None = None, key: str = "", index: int = 0
    ) -> Exception:
        """The error of a layer that breaks a rule of Caffe, at a value of a field."""
        return wrong(f"`{self.name}`: {fact}", (where or self.message).at(key or "type", index))
