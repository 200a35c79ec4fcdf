"""What people write around layers: prefixes of files, `frozen(...)`, braces, heads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Habit
from netdsl.habits.brackets import closing
from netdsl.library import net_of_library
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched


def without_module(matched: Matched) -> Fix:
    """`ResNet18` for `resnet.ResNet18`, if the text imports `resnet` or can do so."""
    file = re.escape(matched.group("module"))
    is_imported = re.search(
        rf"^\s*import\s+\"?(?:[\w./-]*/)?{file}(?:\.net)?\"?\s*$", matched.text, re.MULTILINE
    )
    if is_imported:
        return ""
    if net_of_library(matched.group("name")) == (matched.group("module"), matched.group("name")):
        return [(0, 0, f"import {matched.group('module')}\n\n"), (*matched.place("fix"), "")]
    return None


def without_package(matched: Matched) -> Fix:
    """`relu` for `torch.relu`."""
    return "" if matched.group("name") in LAYERS else None


def frozen_braces(matched: Matched) -> Fix:
    """`{ ... } -> frozen` for `frozen({ ... })`."""
    start, opening = matched.place("at")
    end = closing(matched.text, opening - 1)
    if end is None:
        return None
    inside = matched.text[opening:end].strip()
    is_group = re.match(r"(?:\w+\s*:\s*)?\{", inside) and inside.endswith("}")
    first, last = ("", "") if is_group else ("{ ", " }")
    return [(start, opening, first), (end, end + 1, f"{last} -> frozen")]


def arguments_of_member(matched: Matched) -> Fix:
    """`= Plain(width = 8)` for `= Plain { width = 8 }`."""
    start = matched.place("at")[0]
    end = closing(matched.text, start)
    inside = "" if end is None else matched.text[start + 1 : end]
    entries = [entry.strip().rstrip(",;") for entry in re.split(r"[\n,;]", inside)]
    entries = [entry for entry in entries if entry]
    if end is None or not entries or not all(re.match(r"\w+\s*=(?!=)", e) for e in entries):
        return None
    return [(matched.place("gap")[0], end + 1, f"({', '.join(entries)})")]


HABITS = (
    Habit(
        r"(?:^|->|[:|={(,])\s*(?P<fix>(?P<module>torch|tf|keras|nn|F|np|numpy|jax)\s*(?P<at>\.)\s*)"
        r"(?P<name>[A-Za-z_]\w*)\s*(?:->|$)",
        "torch‹.›relu",
        "leave out what is before the name: layers need no import",
        "found `.` after a name",
        without_package,
        where="body",
    ),
    Habit(
        r"(?:^|->|[:|={(,])\s*(?P<fix>(?P<module>[A-Za-z_]\w*)\s*(?P<at>\.)\s*)"
        r"(?P<name>[A-Za-z_]\w*)",
        "a: lenet5‹.›LeNet5",
        "import the file, and write `$name`: what it defines has its own name",
        "found `.` after the name of a file",
        without_module,
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<at>frozen\s*\()\s*(?P<name>\w+\s*:)?\s*(?P<rest>.*)$",
        "‹frozen(›conv(8, 3) -> relu)",
        "write `{ ... } -> frozen`, with a label before the braces if they have one",
        "`frozen` follows the layers that it freezes",
        frozen_braces,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>net\s+(?P<b>\w+)\s*\(\s*(?P<a>[A-Z]\w*)\s*\)\s*\{\s*"
        r"(?P<given>\w+\s*(?P<at>=)[^{}=]*?)\s*\})\s*$",
        "net B(A) { n ‹=› 3 }",
        "a net with the arguments of another one is `net $b = $a($given)`",
        "found `=`, but a net has its layers in braces",
        "net $b = $a($given)",
        where="top",
    ),
    Habit(
        r"^\s*net\s+\w+\s*=\s*(?P<name>[A-Za-z_]\w*)(?P<gap>\s*)(?P<at>\{).*",
        "net B = A ‹{› width = 8 }",
        "write them in parentheses: `$name$fix`",
        "found `{` after the name of a net, whose arguments are in parentheses",
        arguments_of_member,
        where="top",
    ),
    Habit(
        r"^\s*aux(?P<fix>\s*(?P<at>\()\s*(?:weight\s*=\s*)?(?P<n>\d[\d.e-]*)\s*\))",
        "aux‹(›0.4) { relu }",
        "give it a name, and name its weight: `aux head(weight = $n) { ... }`",
        "this `aux` has no name",
        " head(weight = $n)",
        where="body",
    ),
)
