"""Writes a layer as PyTorch source: the texts of constructors and calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.ir.lowering import Lowered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Node


def lowered(node: Node) -> Lowered:
    """A layer in PyTorch."""
    return node.op.torch(SourceRecorder(tuple(node.results)), *node.types)


class SourceRecorder:
    """The argument of `Op.torch`. `results` are the further results that the net uses.

    Keywords are (value, default) pairs; a value that equals its default is left out.
    """

    def __init__(self, results: tuple[str, ...] = ()) -> None:
        self.results = results

    def module(self, name: str, *args: object, **pairs: tuple[object, object]) -> Lowered:
        """A module of `torch.nn`."""
        return Lowered(f"nn.{name}({_arguments(args, pairs)})", "{m}({0})")

    def custom(self, name: str, *args: object) -> Lowered:
        """A module of `netdsl.backends.torch.modules`."""
        return Lowered(f"{name}({_arguments(args, {})})", "{m}({0})", (name,))

    def parameter(self, shape: tuple[int, ...], call: str) -> Lowered:
        """A learned tensor, which {m} is in the call."""
        sizes = ", ".join(map(str, shape))
        return Lowered(f"nn.Parameter(torch.zeros({sizes}))", call, store="parameter")

    def buffer(
        self, values: Sequence[float], shape: tuple[int, ...], dtype: str, call: str
    ) -> Lowered:
        """A stored tensor with these numbers, which {m} is in the call."""
        text = f"torch.tensor({list(values)!r}, dtype=torch.{dtype})"
        if len(shape) != 1:
            text += f".reshape{shape!r}"
        return Lowered(text, call, store="buffer")

    def inline(self, text: str) -> Lowered:
        """An expression over the inputs, which are {0}, {1}, ..."""
        return Lowered(None, text)

    def helper(self, name: str, *arguments: object) -> Lowered:
        """A call of a function of `netdsl.backends.torch.modules`.

        The arguments are texts, in which {0} and {1} are inputs.
        """
        return Lowered(None, f"{name}({', '.join(map(str, arguments))})", (name,))


def _arguments(args: tuple[object, ...], pairs: dict[str, tuple[object, object]]) -> str:
    texts = [repr(arg) for arg in args]
    texts += [
        f"{name}={value!r}"
        for name, (value, default) in pairs.items()
        if value != default or type(value) is not type(default)
    ]
    return ", ".join(texts)
