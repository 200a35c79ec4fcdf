"""What the ops write PyTorch with: constructor and call texts instead of modules."""

from __future__ import annotations

from typing import Any, NamedTuple


class Lowered(NamedTuple):
    """A layer in PyTorch: the constructor of its module, if it has one, and the call, with {m} for the module and {0}, {1} for inputs."""

    module: str | None
    call: str
    uses: str | None = None  # the name in `modules` that the text refers to

    @property
    def plain(self) -> bool:
        """Whether the layer is just its module called on one input: it can stand in an `nn.Sequential`."""
        return self.module is not None and self.call == "{m}({0})"

    def padded(self, pairs: tuple[tuple[int, int], ...]) -> Lowered:
        """The same with zeros put around its input, which `nn` cannot do unevenly."""
        flat = tuple(v for pair in reversed(pairs) for v in pair)
        return self._replace(call=f"{{m}}(F.pad({{0}}, {flat}))")

    def with_keyword(self, name: str, *, value: object) -> Lowered:
        """The same with one more constructor argument."""
        assert self.module is not None
        return self._replace(module=f"{self.module[:-1]}, {name}={value!r})")


class Recorder:
    """Handed to `Op.torch`. Keywords are (value, default) pairs: those at their default are left out."""

    def module(self, name: str, *args: object, **pairs: tuple[Any, Any]) -> Lowered:
        """A module of `torch.nn`."""
        return Lowered(f"nn.{name}({_arguments(args, pairs)})", "{m}({0})")

    def custom(self, name: str, *args: object) -> Lowered:
        """A module of `modules`."""
        return Lowered(f"{name}({_arguments(args, {})})", "{m}({0})", name)

    def inline(self, text: str) -> Lowered:
        """An expression over the inputs."""
        return Lowered(None, text)

    def expression(self, module: str, call: str = "{m}({0})") -> Lowered:
        """Any constructor and call, for layers from other packages: {m} stands for the module."""
        return Lowered(module, call)

    def helper(self, name: str, *arguments: object) -> Lowered:
        """A function of `modules`: its argument texts, with {0} and {1} for inputs."""
        return Lowered(None, f"{name}({', '.join(map(str, arguments))})", name)


def _arguments(args: tuple[object, ...], pairs: dict[str, tuple[Any, Any]]) -> str:
    texts = [repr(a) for a in args]
    texts += [f"{k}={v!r}" for k, (v, default) in pairs.items() if v != default or type(v) is not type(default)]
    return ", ".join(texts)
