"""What the ops write PyTorch with: constructor and call texts instead of modules."""

from __future__ import annotations

from typing import Any

from netdsl.ir.lowering import Lowered


class SourceRecorder:
    """Handed to `Op.torch`.

    Keywords are (value, default) pairs: those at their default are left out.
    """

    def module(self, name: str, *args: object, **pairs: tuple[Any, Any]) -> Lowered:
        """A module of `torch.nn`."""
        return Lowered(f"nn.{name}({_arguments(args, pairs)})", "{m}({0})")

    def custom(self, name: str, *args: object) -> Lowered:
        """A module of `modules`."""
        return Lowered(f"{name}({_arguments(args, {})})", "{m}({0})", name)

    def inline(self, text: str) -> Lowered:
        """An expression over the inputs."""
        return Lowered(None, text)

    def helper(self, name: str, *arguments: object) -> Lowered:
        """A function of `modules`: its argument texts, with {0} and {1} for inputs."""
        return Lowered(None, f"{name}({', '.join(map(str, arguments))})", name)


def _arguments(args: tuple[object, ...], pairs: dict[str, tuple[Any, Any]]) -> str:
    texts = [repr(a) for a in args]
    texts += [
        f"{k}={v!r}"
        for k, (v, default) in pairs.items()
        if v != default or type(v) is not type(default)
    ]
    return ", ".join(texts)
