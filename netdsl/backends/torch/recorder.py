"""Writes a layer as PyTorch source: the texts of constructors and calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.ir.lowering import Lowered
from netdsl.ir.sizes import Arithmetic, AxisSize, expressed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Node
    from netdsl.ir.sizes import Expression, Shapes
    from netdsl.ir.types import Sym


def lowered(node: Node) -> Lowered:
    """A layer in PyTorch; in its call, {0}, {1}, ... are the values of `node.taken`."""
    shapes = [value.type.shape for value in node.taken]
    return node.op.torch(SourceRecorder(shapes, tuple(node.results)), *node.types)


class SourceRecorder:
    """The argument of `Op.torch`.

    `shapes` are those of the values {0}, {1}, ... without the batch, and `results` the further
    results that the net uses. Keywords are (value, default) pairs; a value that equals its default
    is left out.
    """

    def __init__(self, shapes: Shapes, results: tuple[str, ...]) -> None:
        self._shapes = shapes
        self.results = results

    def module(self, name: str, *args: object, **pairs: tuple[object, object]) -> Lowered:
        """A module of `torch.nn`."""
        return Lowered(f"nn.{name}({_arguments(args, pairs)})", "{m}({0})")

    def custom(self, name: str, *args: object) -> Lowered:
        """A module of `netdsl.backends.torch.modules`."""
        return Lowered(f"{name}({_arguments(args, {})})", "{m}({0})", (name,))

    def parameter(self, shape: tuple[int, ...], call: str) -> Lowered:
        """A learned tensor, which {m} is in the call."""
        sizes = ", ".join(map(str, shape)) or "()"
        return Lowered(f"nn.Parameter(torch.zeros({sizes}))", call, store="parameter")

    def buffer(
        self, values: Sequence[float], shape: tuple[int, ...], dtype: str, call: str
    ) -> Lowered:
        """A stored tensor with these numbers, which {m} is in the call."""
        numbers = list(values) if shape else values[0]
        text = f"torch.tensor({numbers!r}, dtype=torch.{dtype})"
        if len(shape) > 1:
            text += f".reshape{shape!r}"
        return Lowered(text, call, store="buffer")

    def inline(self, text: str) -> Lowered:
        """An expression over the inputs, which are {0}, {1}, ..."""
        return Lowered(None, text)

    def size(self, value: int | Sym) -> str:
        """The expression of a size; an open one is computed from sizes of {0}, {1}, ..."""
        found = expressed(value, self._shapes)
        assert found is not None, f"`needs_computed` was not called for {value}"
        return _written(found)

    def sizes(self, values: Sequence[int | Sym]) -> str:
        """The expression of a tuple of sizes."""
        texts = [self.size(value) for value in values]
        return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"

    def helper(self, name: str, *arguments: object) -> Lowered:
        """A call of a function of `netdsl.backends.torch.modules`.

        The arguments are texts, in which {0} and {1} are inputs.
        """
        return Lowered(None, f"{name}({', '.join(map(str, arguments))})", (name,))


def _written(size: Expression) -> str:
    """The Python text of a size; no parentheses are left out inside it."""
    if isinstance(size, AxisSize):
        return f"{{{size.tensor}}}.shape[{size.axis}]"
    if isinstance(size, Arithmetic):
        return f"{_factor(size.left)} {size.operator} {_factor(size.right)}"
    return str(size)


def _factor(size: Expression) -> str:
    text = _written(size)
    return f"({text})" if isinstance(size, Arithmetic) else text


def _arguments(args: tuple[object, ...], pairs: dict[str, tuple[object, object]]) -> str:
    texts = [repr(arg) for arg in args]
    texts += [
        f"{name}={value!r}"
        for name, (value, default) in pairs.items()
        if value != default or type(value) is not type(default)
    ]
    return ", ".join(texts)
