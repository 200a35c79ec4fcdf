"""Other ways to join values, and slips in joins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import arms, body, closing, indented_arms, opening_brace
from netdsl.habits.chains import START
from netdsl.habits.statements import is_layer, joined_values, labels_above, summed

if TYPE_CHECKING:
    from netdsl.habits.base import Change, Fix, Matched

JOINS = r"(?P<join>concat|add|mul|sub|max|residual)"
_OPERAND = r"@?[A-Za-z_][\w.]*(?:\([^()]*\))?"
_CALL = r"[A-Za-z_]\w*(?:\([^()]*\))?"
_JOIN_AT_END = re.compile(rf"\b{JOINS}\s*$")
_LINE = re.compile(r"^[ \t]*(?P<code>[^\s#][^#\n]*?)(?P<comma>,)?[ \t]*(?:#.*)?$", re.MULTILINE)


def around(matched: Matched) -> Fix:
    """`residual { F }` for `x + F(x)`."""
    if matched.group("x") in labels_above(matched):
        return None
    layer = matched.group("layer")
    written = f"residual {{ {layer} }}"
    if not is_layer(matched, re.split(r"\W", layer)[0]):
        return Guess(written)
    return written


def added_label(matched: Matched) -> Fix:
    """`-> add(@a)` for a line `+ a`."""
    name = matched.group("name")
    return f"-> add(@{name})" if name.split(".")[0] in labels_above(matched) else None


def two_values(matched: Matched) -> Fix:
    """Nothing certain for `a & b`: the values of two labels can be joined in several ways."""
    names = [matched.group("a"), matched.group("b")]
    if not {*names} <= labels_above(matched):
        return None
    return Guess(f"@{names[0]} -> concat(@{names[1]})")


def listed_arms(matched: Matched) -> Fix:
    """A bar before each arm in place of a comma after it, in the braces of a join."""
    text = matched.text
    opening = opening_brace(text, matched.start)
    end = None if opening is None else closing(text, opening)
    if opening is None or end is None or not _JOIN_AT_END.search(text, 0, opening):
        return None
    if "|" in text[opening:end]:
        return None
    changes: list[Change] = []
    begins = True
    for line in _LINE.finditer(text, opening + 1, end):
        closes = line["code"].startswith("}")  # the end of an arm of several lines
        if opening_brace(text, line.start("code") + closes) != opening:
            continue
        if begins and not closes:
            changes.append((line.start("code"), line.start("code"), "| "))
        begins = line["comma"] is not None
        if begins:
            changes.append((*line.span("comma"), ""))
    return changes


# Rows that come before those of names and lists.
FIRST = (
    Habit(
        rf"^\s*(?P<arm>{_CALL}(?:\s*->\s*{_CALL})*)(?P<at>,)\s*$",
        "concat {\n        relu‹,›\n        tanh\n    }",
        "begin each arm with `|`, without a comma after it: `| $arm`",
        "found `,` after an arm of a join",
        listed_arms,
        where="body",
    ),
    Habit(
        r"\b(?:concat|add|mul|sub|max)\s*\(\s*(?P<fix>(?P<at>\*)\s*)(?=[\[a-z])",
        "concat(‹*›[@image, @image])",
        "leave out `*`: a join takes a list",
        "found `*` before a list",
        "",
        where="body",
    ),
    Habit(
        rf"(?:^|->|:)\s*{JOINS}(?P<fix>\s*(?P<at>:|\bdo\b|=|->)\s*)$",
        "concat‹:›\n        relu\n        tanh",
        "write the layers in braces: `add { | relu | tanh }`, `residual { relu }`",
        "found `$at` after `$join`",
        indented_arms,
        "write the layers in braces: `add { | relu | tanh }`, `residual { relu }`",
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?:\w+\s*=\s*)?(?P<x>[a-z]\w*)\s*(?P<at>\+)\s*(?P<layer>{_CALL})"
        r"\((?P=x)\))\s*$",
        "x ‹+› conv(3, 1)(x)",
        "write `$fix`, which adds its input to the result of its layers",
        "found `+` between values, but values are joined by layers",
        around,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?:\w+\s*=\s*)?(?P<layer>{_CALL})\((?P<x>[a-z]\w*)\)\s*(?P<at>\+)\s*"
        r"(?P=x))\s*$",
        "conv(3, 1)(x) ‹+› x",
        "write `$fix`, which adds its input to the result of its layers",
        "found `+ $x` after a layer, but values are joined by layers",
        around,
        where="body",
    ),
    Habit(
        r"\bresidual\s*\{.*\}(?P<fix>\s*(?P<at>\+\s*@?\w+))\s*$",
        "residual { relu } ‹+ identity›",
        "leave it out: `residual` adds its input",
        "found `$at` after `residual`",
        "",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>\+)\s*@?(?P<name>[A-Za-z_][\w.]*))\s*$",
        "a: relu\n    ‹+› a",
        "write `$fix`",
        "found `+`, but values are joined by `add`",
        added_label,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>@?(?P<a>[A-Za-z_]\w*)\s*(?P<at>&|\||\band\b)\s*@?(?P<b>[A-Za-z_]\w*))\s*$",
        "a: relu\n    b: tanh\n    a ‹&› b",
        "join values by `concat`, `add` or another layer: `$fix`",
        "found `$at` between values",
        two_values,
        where="body",
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<fix>(?P<join>residual)\s*(?P<at>(?P<open>[\[{]))).*",
        "residual ‹[›relu, tanh]",
        "write `$fix`",
        "the layers of this `residual` are not in braces",
        arms,
    ),
    Habit(
        rf"(?:^|->|:)\s*(?P<fix>{JOINS}\s*(?P<at>(?P<open>[\[{{]))).*",
        "concat ‹[›relu, tanh]",
        "write `$fix`",
        "the arms of this `$join` are not in braces",
        arms,
    ),
)

HABITS = (
    Habit(
        rf"^\s*(?P<fix>(?P<at>[\[(]?)(?P<values>@?\w+(?:\s*,\s*@?\w+)+)[\])]?\s*->\s*{JOINS}(?:\("
        rf"\s*\))?)\s*$",
        "‹[›@image, @image] -> add()",
        "write `$fix`",
        "found several values before `->`",
        joined_values,
        "write `@a -> $join(@b)`",
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>{JOINS}\s+(?P<values>(?P<at>@?\w+)(?:[\s,]+@?\w+)+))\s*$",
        "concat ‹@image› @image",
        "write references in parentheses: `$fix`",
        "found references after `$join`",
        joined_values,
        "write references in parentheses: `$join(@a, @b)`",
        where="body",
    ),
    Habit(
        r"->\s*(?P<fix>(?P<at>\+)\s*@?(?P<b>[A-Za-z_][\w.]*))\s*(?=->|$|\})",
        "a: relu -> ‹+› a",
        "write `add(@$b)`",
        "found `+`, but values are joined by `add`",
        "add(@$b)",
        where="body",
    ),
    Habit(
        r"(?P<fix>\s*(?P<at>[,;])\s*)(?=\|)",
        "concat { | relu‹,› | tanh }",
        "leave out `$at`: each arm begins with `|`",
        "found `$at` between arms",
        " ",
        where="body",
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<at>parallel|branch|branches|split|fork|merge|arms|inception|tower)"
        r"\s*\{.*",
        "‹split› { relu | tanh }",
        "join branches with `concat { | relu | tanh }`, or with `add`, `mul`, `max`",
        "`$at` does not join branches",
        where="body",
    ),
    Habit(
        rf"(?:^|->|:)\s*(?P<fix>{JOINS}\s*(?P<at>(?P<open>\())).*->.*",
        "residual‹(›conv(8, 3) -> relu)",
        "write `$fix`",
        "layers cannot be arguments: `$join` has them in braces",
        lambda matched: body(matched) if matched.group("join") == "residual" else arms(matched),
        "write the arms in braces: `$join { | conv(8, 3) | relu }`",
    ),
    Habit(
        rf"(?:^|->|:)\s*(?P<fix>{JOINS}\s+(?P<at>@(?P<name>[\w.]+)))\s*$",
        "add ‹@a›",
        "write references in parentheses: `$join(@$name)`",
        "found a reference after `$join`",
        "$join(@$name)",
    ),
    Habit(
        r"^\s*(?P<at>\|)(?!>)",
        "‹|› relu",
        "begin every arm with `|`, and write nothing before the first one",
    ),
    Habit(
        rf"(?:->\s*|^\s*|:\s*|\{{\s*)(?P<fix>(?P<sum>{_OPERAND}\s*"
        rf"(?P<at>(?P<sign>[-+*]))\s*{_OPERAND}"
        rf"(?:\s*(?P=sign)\s*{_OPERAND})*))\s*(?=->|$|\}})",
        "conv(8, 3) ‹+› relu",
        "write `$fix`",
        "found `$sign` between values, but layers are joined by `add`, `mul` and `sub`",
        summed,
        "add values with a join, `add { | conv(8, 3) | relu }`, or labels with `@a -> add(@b)`",
    ),
    Habit(
        START + r"@?[A-Za-z_][\w.]*(?:\s*\([^()]*\))?\s*(?P<at>\+)",
        "conv(8, 3) ‹+› relu + 3",
        "add values with a join: `add { | conv(8, 3) | relu }`",
        "found `+` between layers",
    ),
)
