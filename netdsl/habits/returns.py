"""A body of Python whose `let`s name layers, and which returns the last of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.statements import is_layer

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_HEAD = re.compile(r"^(?P<kind>net|block)\b[^{}]*\{[ \t]*\n(?P<body>[^{}]*)\Z", re.MULTILINE)
_LET = re.compile(r"\s*let\s+(?P<name>\w+)\s*=\s*(?P<layer>(?P<kind>\w+).*?)\s*")
_SUM = re.compile(r"(?P<a>\w+)\s*\+\s*(?P<b>\w+)")
_INPUT = re.compile(r"\s*input\b.*")


def layers_of_lets(matched: Matched) -> Fix:
    """The chain of the layers that the `let`s of a body name, or the last one with its label."""
    head = _HEAD.search(matched.text[: matched.start])
    if head is None:
        return None
    value = matched.group("value").strip()
    lines = [line for line in head["body"].splitlines() if line.strip()]
    lets = [_LET.fullmatch(line) for line in lines if not _INPUT.fullmatch(line)]
    found = [let for let in lets if let is not None and is_layer(matched, let["kind"])]
    if not found or len(found) < len(lets) or "#" in head["body"]:
        layers = {let["name"]: let["layer"] for let in found}
        return Guess(f"{value}: {layers[value]}") if value in layers else None
    written = _written(head["kind"], found, value)
    start = head.start("body") + head["body"].index(found[0][0].strip())
    return None if written is None else [(start, matched.place("fix")[1], written)]


def _written(kind: str, lets: list[re.Match[str]], value: str) -> str | None:
    """The layers of a net or block that returns a value; None if the value is another one."""
    last, layers = lets[-1], [let["layer"] for let in lets]
    sum_ = _SUM.fullmatch(value)
    if sum_ is not None and last["name"] in sum_.groups():
        return f"residual {{ {' -> '.join(layers)} }}"
    if value != last["name"]:
        return None
    if kind == "block":
        return " -> ".join(layers)
    indentation = last[0][: len(last[0]) - len(last[0].lstrip())]
    above = f"{' -> '.join(layers[:-1])}\n{indentation}" if layers[1:] else ""
    return f"{above}output {value}: {last['layer']}"


HABITS = (
    Habit(
        r"^\s*(?P<fix>(?P<at>return)\b\s*(?P<value>.*?))\s*$",
        "let y = relu\n    ‹return› y",
        "a `let` only names a layer, which is not applied: write `$fix`",
        "found `return`, but nothing is returned",
        layers_of_lets,
        where="body",
    ),
)
