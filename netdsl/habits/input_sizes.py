"""The sizes of inputs with blanks, a batch or arithmetic between them: `None x 3 x H//2`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit, Matched
from netdsl.habits.sizes import listed_sizes, meant_sizes
from netdsl.habits.symbols import TIMES

if TYPE_CHECKING:
    from netdsl.habits.base import Fix

_BETWEEN = r"\s+[xX]\s+"


def _without_batch(matched: Matched) -> Fix:
    """`32x32x3` for `None x 32 x 32 x 3`."""
    return meant_sizes(matched.group("sizes").replace("×", "x"))


def _channels_first(matched: Matched) -> Fix:
    """`3x32x32` for `None x 32 x 32 x 3`, as Keras has it; None for other sizes."""
    sizes = (meant_sizes(matched.group("sizes").replace("×", "x")) or "").split("x")
    if len(sizes) != 3 or sizes[0] != sizes[1] or sizes[2] not in ("1", "3", "4"):
        return None
    return Guess(f"{sizes[2]}x{sizes[0]}x{sizes[1]}")


def _named_sizes(matched: Matched) -> Fix:
    """`[code, H, W]` for `code x H x W`, where `code` is declared above."""
    text = matched.group("sizes")
    if meant_sizes(text) is not None:
        return None
    name = matched.group("name")
    listed = f"[{', '.join(re.split(_BETWEEN, text))}]"
    above = matched.text[: matched.start]
    if re.search(rf"(?:[(,]|\blet)\s*{name}\b", above):
        return listed
    return Guess(listed, note=f", where `{name}` is a parameter of the net")


HABITS = (
    *(
        Habit(
            rf"(?P<sizes>(?i:\bnone|\bbatch(?:_?size)?)\s*[{TIMES}xX*]\s+\w+"
            rf"(?:\s*[{TIMES}xX*]\s+\w+)*)",
            example,
            advice,
            "sizes cannot contain a batch or spaces",
            fix,
            where="body",
        )
        for example, advice, fix in (
            (
                "input b: ‹None x 32 x 32 x 3›",
                "leave the batch out, and write the channels first: `$fix`",
                _channels_first,
            ),
            ("input b: ‹None x 3 x 32 x 32›", "leave the batch out: `$fix`", _without_batch),
        )
    ),
    Habit(
        r"^\s*input\b[^:=]*:\s*(?P<fix>(?P<sizes>(?P<name>[a-z_]\w*)(?:\s+[xX]\s+\w+)+))",
        "input b: ‹code x H x W›",
        "write `$fix`",
        "sizes cannot contain spaces",
        _named_sizes,
        where="body",
    ),
    Habit(
        r"^\s*input\b[^:=]*:\s*(?P<fix>(?P<at>\w+x\(.*))$",
        "input b: ‹8x(H//2)x(W//2)›",
        "write sizes with arithmetic as a list: `$fix`",
        "sizes with `x` cannot have parentheses",
        lambda matched: listed_sizes(matched.group("fix")),
        where="body",
    ),
)
