"""What a `train` section can name, with the arguments, printed from the definitions."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING

from netdsl.commands.common import terminal_width
from netdsl.config import text_of
from netdsl.data.arguments import described
from netdsl.data.catalog import DATASETS
from netdsl.train.config import KINDS
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Registry = Mapping[str, Callable[..., object]]

ALL = "training"  # the topic of everything
INDENT = "    "
KEPT = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"  # between a name and its value
END = "`netdsl help NAME` explains the arguments of one, such as `netdsl help sgd`."
NONE = "`none` stands for an argument that is left out."


def registries() -> dict[str, tuple[str, Registry]]:
    """The entries that name something, each with the noun for it and the names that it takes."""
    return {"data": ("dataset", DATASETS), **KINDS}


def kind_of(name: str) -> str | None:
    """What a name is in a `train` section: an optimizer, a loss and so on; None if nothing."""
    return next((noun for noun, registry in registries().values() if name in registry), None)


def topic_of(topic: str) -> list[str] | None:
    """The lines about a name of a `train` section, an entry or all of them; None for another."""
    lines: list[str] = []
    for key, (noun, registry) in registries().items():
        if topic in (ALL, key, noun, counted(0, noun).partition(" ")[2]):
            lines += _about_entry(key)
        elif topic in registry:
            lines += _about(key, topic, registry[topic])
    return [*lines, NONE, END] if lines else None


def _about_entry(key: str) -> Iterator[str]:
    """The names that an entry takes, each with its call and a sentence."""
    yield f"{key} = ..."
    for name, target in registries()[key][1].items():
        yield from _wrapped(_call(name, target), INDENT, INDENT * 2)
        yield from _wrapped(_paragraphs(target)[0], INDENT * 2, INDENT * 2)
    yield ""


def _about(key: str, name: str, target: Callable[..., object]) -> list[str]:
    """The page of a name of an entry: its call, what it is, and the values of its arguments."""
    lines = [*_wrapped(f"{key} = {_call(name, target)}", "", INDENT), ""]
    for paragraph in _paragraphs(target):
        lines += [*_wrapped(paragraph, "", ""), ""]
    for parameter in inspect.signature(target).parameters.values():
        text = f"{parameter.name}: {described(parameter.annotation)}{_default(parameter)}"
        lines += _wrapped(text, INDENT, INDENT * 2)
    return [*lines, ""]


def _call(name: str, target: Callable[..., object]) -> str:
    """A call with its arguments, and their values where they can be left out."""
    parameters = inspect.signature(target).parameters.values()
    needed = [p for p in parameters if p.default is inspect.Parameter.empty]
    texts = [f"{p.name} = ..." if p.kind is p.KEYWORD_ONLY else p.name for p in needed]
    texts += [f"{p.name} = {_value(p.default)}" for p in parameters if p not in needed]
    return f"{name}({', '.join(texts)})" if texts else name


def _default(parameter: inspect.Parameter) -> str:
    """The end of the line about a parameter that can be left out."""
    if parameter.default is inspect.Parameter.empty:
        return ""
    return f"; {_value(parameter.default)} by default"


def _value(value: object) -> str:
    """A value as a section has it."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return "none" if value is None else text_of(value)


def _paragraphs(target: Callable[..., object]) -> list[str]:
    return (inspect.getdoc(target) or "").split("\n\n")


def _wrapped(text: str, first: str, other: str) -> list[str]:
    """A paragraph in lines that fit into the terminal."""
    width = min(terminal_width(), 100)
    joined = " ".join(text.split()).replace(" = ", KEPT)
    lines = textwrap.wrap(joined, width, initial_indent=first, subsequent_indent=other)
    return [line.replace(KEPT, " = ") for line in lines]
