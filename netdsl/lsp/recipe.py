"""What can be written in a `train` section: its entries, what each can be, and their arguments."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING

from netdsl.config import text_of
from netdsl.data.catalog import DATASETS
from netdsl.lsp.place import given_names
from netdsl.train.config import DEFAULT_CALLS, KINDS, TrainConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.lsp.place import Bracket, Place

Item = tuple[str, str, str, str]  # label, kind, detail, and what is written


def entries_of_recipe(place: Place, text: str, offset: int) -> Iterator[Item]:
    """The entries of a `train` section, or what the entry around a place can be."""
    name, equals, _ = place.line.partition("=")
    name = name.strip()
    if place.call is not None:
        yield from _settings(place.call, text, offset)
    elif not equals:
        for field in TrainConfig.__dataclass_fields__.values():
            usual = DEFAULT_CALLS.get(field.name, field.default)
            yield field.name, "argument", _default(usual), f"{field.name} = "
    elif name == "data":
        yield from ((item, "value", "a data set", item) for item in DATASETS)
    elif name in KINDS:
        noun, registry = KINDS[name]
        yield from ((item, "value", f"a kind of {noun}", item) for item in registry)


def _settings(call: Bracket, text: str, offset: int) -> Iterator[Item]:
    """The arguments of a data set, an optimizer, or another part of a recipe."""
    given, _ = given_names(text, call, offset)
    for registry in (DATASETS, *(registry for _, registry in KINDS.values())):
        if call.word in registry:
            for parameter in signature(registry[call.word]).parameters.values():
                if parameter.name not in given:
                    detail = "required"
                    if parameter.default is not parameter.empty:
                        detail = _default(parameter.default)
                    yield parameter.name, "argument", detail, f"{parameter.name} = "
            return


def _default(value: object) -> str:
    if value is None:
        return "default: none"
    if isinstance(value, (bool, int, float, str, tuple)) and value != ():
        return f"default: {text_of(value)}"
    return ""
