"""Optimizers of PyTorch in a `train` section, and rates of layers in a dictionary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Habit
from netdsl.habits.brackets import parts
from netdsl.habits.recipes import VALUES
from netdsl.habits.training import squeezed

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_RATE = re.compile(r"[\"']?(?P<name>[A-Za-z_][\w.]*)[\"']?\s*[:=]\s*(?P<rate>\d[\w.+-]*)")


def of_parameters(matched: Matched) -> Fix:
    """`adam(` for `torch.optim.Adam(net.parameters(), `; arguments follow or not."""
    name = squeezed(matched.group("name"))
    ours, arguments = VALUES["optimizer"].get(name, name), matched.group("arguments").strip()
    if not arguments:
        return ours
    return f"{ours}({arguments})"


def rates(matched: Matched) -> Fix:
    """`[(conv1, 0.01), (rest, 0.1)]` for a dictionary with the rates of layers."""
    entries = [_RATE.fullmatch(part) for part in parts(matched.group("inside")) if part]
    pairs = [f"({entry['name']}, {entry['rate']})" for entry in entries if entry is not None]
    if not pairs or len(pairs) < len(entries):
        return None
    return f"[{', '.join(pairs)}]"


HABITS = (
    Habit(
        r"=\s*(?P<fix>(?P<at>(?:[A-Za-z_]\w*\s*\.\s*)*(?P<name>[A-Za-z_]\w*)\s*\(\s*"
        r"(?:params\s*=\s*)?[A-Za-z_][\w.]*\.\s*(?:parameters|trainable_params)\(\s*\))\s*,?\s*"
        r"(?P<arguments>[^()]*(?:\([^()]*\)[^()]*)*)\))\s*$",
        "optimizer = ‹torch.optim.Adam(net.parameters()›, lr = 1e-3)",
        "write `$fix`: the weights are those of the net",
        "found the weights as an argument of an optimizer",
        of_parameters,
        where="train",
    ),
    Habit(
        r"\blr\s*=\s*(?P<fix>(?P<at>\{)(?P<inside>[^{}]*)\})",
        "optimizer = sgd(lr = ‹{›conv: 0.01, rest: 0.1})",
        "rates of layers are a list of pairs: write `lr = $fix`; `rest` is all other weights",
        "found `{` where a value is expected",
        rates,
        where="train",
    ),
)
