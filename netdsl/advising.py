"""Lets objects of the Python API advise on attributes that they do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from netdsl.diagnostics import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

_C = TypeVar("_C", bound=type)
_OF_TUPLES = ("count", "index")  # methods that every tuple has


def advises(**words: str) -> Callable[[_C], _C]:
    """A decorator for a class whose `AttributeError` names the attributes that it has.

    `words` are what users write for attributes with another name, several with spaces between them:
    `shape="size output"`.
    """
    meant = {word: name for name, texts in words.items() for word in texts.split()}

    def add(decorated: _C) -> _C:
        def missing(self: object, name: str) -> object:
            fact = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name[:1] == "_":  # programs ask for such names, and expect a quick answer
                raise AttributeError(fact)
            has = [n for n in dir(self) if n[0] != "_" and n not in _OF_TUPLES]
            advice = did_you_mean(name, has) or f"it has {', '.join(has)}"
            if name in meant:
                advice = f"write `{meant[name]}`"
            raise AttributeError(f"{fact}; {advice}")

        any_class: Any = decorated
        any_class.__getattr__ = missing
        return decorated

    return add
