"""Tensors that are made by functions of PyTorch and NumPy: `zeros(1, 64)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_STARTS = {"zeros": "", "empty": "", "ones": "ones", "randn": "normal"}
_SIZES = r"[\[(\s]*\d[\d\s,x]*[\])\s]*"
_NAMES = "|".join(_STARTS)
_CALL = re.compile(rf"(?P<name>{_NAMES})\((?P<sizes>{_SIZES})\)", re.IGNORECASE)


def learned(text: str) -> str | None:
    """`param(1x64)` for `zeros(1, 64)`; a third axis of size 1 before these is the batch's."""
    call = _CALL.fullmatch(text)
    if call is None:
        return None
    sizes = re.findall(r"\d+", call["sizes"])
    options = []
    start = _STARTS[call["name"].lower()]
    if start:
        options.append(f"init = {start}")
    if len(sizes) > 2 and sizes[0] == "1":
        options.insert(0, "leading = 1")
        del sizes[0]
    return f"param({', '.join(['x'.join(sizes), *options])})"


def learned_advice(text: str) -> str | None:
    """Advice for `zeros(1, 64)` where a layer is expected, or None for another call."""
    written = learned(text)
    if written is None or text.lower().startswith("randn"):
        return None  # random numbers are an input
    start = text.partition("(")[0].replace("empty", "zeros")
    return f"write `{written}`, a learned tensor that begins with {start}"


def new_tensor(matched: Matched) -> Fix:
    """The `param` for a parameter of PyTorch; that for a plain tensor is only advice."""
    written = learned(matched.group("call"))
    if written is None:
        return None
    return written if matched.group("parameter") else Guess(written)


HABITS = (
    Habit(
        r"(?:^|->|\{|\||:)\s*(?P<fix>(?P<at>(?P<parameter>(?:\w+\.)*[Pp]arameter\(\s*)?"
        rf"(?:torch|np|numpy|tf|jnp|mx)\.)(?P<call>(?:{_NAMES})\({_SIZES}\))\s*\)?)"
        r"\s*(?=->|$|\}|\|)",
        "a: ‹nn.Parameter(torch.›zeros(1, 64))",
        "write `$fix`, a learned tensor",
        "found `$at`, but a tensor is made by `param`",
        new_tensor,
        where="body",
    ),
)
