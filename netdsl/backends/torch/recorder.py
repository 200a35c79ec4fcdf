"""Writes a layer as PyTorch source: the texts of constructors and calls."""

from __future__ import annotations

from netdsl.ir.lowering import Lowered


class SourceRecorder:
    """The argument of `Op.torch`.

    Keywords are (value, default) pairs; a value that equals its default is left out.
    """

    def module(self, name: str, *args: object, **pairs: tuple[object, object]) -> Lowered:
        """A module of `torch.nn`."""
        return Lowered(f"nn.{name}({_arguments(args, pairs)})", "{m}({0})")

    def custom(self, name: str, *args: object) -> Lowered:
        """A module of `netdsl.backends.torch.modules`."""
        return Lowered(f"{name}({_arguments(args, {})})", "{m}({0})", (name,))

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
