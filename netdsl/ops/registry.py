"""The layer kinds by name: a kind is imported when it is first used."""

from __future__ import annotations

from collections.abc import MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING

from netdsl.ops.index import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.op import Op


class Registry(MutableMapping[str, "type[Op]"]):
    """The kinds of netdsl, and those that installed packages have added."""

    def __init__(self) -> None:
        self._modules = {kind: name for name, kinds in MODULES.items() for kind in kinds}
        self._classes: dict[str, type[Op]] = {}

    def add(self, kind: str, cls: type[Op]) -> None:
        """Add a kind; raises `ValueError` if there is another one of that name."""
        module = self._modules.get(kind)
        is_other = module is not None and cls.__module__ != f"netdsl.ops.{module}"
        if kind in self._classes or is_other:
            raise ValueError(f"layer `{kind}` is defined twice")
        self._classes[kind] = cls

    def __getitem__(self, kind: str) -> type[Op]:
        if kind not in self._classes:
            import_module(f"netdsl.ops.{self._modules[kind]}")  # adds its kinds
        return self._classes[kind]

    def __setitem__(self, kind: str, cls: type[Op]) -> None:
        self._classes[kind] = cls

    def __delitem__(self, kind: str) -> None:
        del self._classes[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._modules or kind in self._classes

    def __iter__(self) -> Iterator[str]:
        yield from self._modules
        yield from (kind for kind in self._classes if kind not in self._modules)

    def __len__(self) -> int:
        return len(set(self._modules) | set(self._classes))


LAYERS = Registry()
