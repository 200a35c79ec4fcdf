"""Conditions of other languages, and their bodies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import braced, braced_line, else_if, parts
from netdsl.habits.entries import part
from netdsl.habits.statements import chosen, is_layer

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_BODY = "write the body in braces: `{ ... }`"
_BRACED = "write `$head {`, and `}` below the body"

_COMPARE = {"is not": "!=", "ne": "!=", "neq": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_LAYER = r"[a-z_]\w*(?:\([^()]*\))?"


def among(matched: Matched) -> Fix:
    """`k == 1 or k == 2` for `k in [1, 2]`."""
    sign, word = ("!=", "and") if matched.group("at").startswith("not") else ("==", "or")
    values = parts(matched.group("values"))
    if not all(values):
        return None
    return f" {word} ".join(f"{matched.group('c')} {sign} {value}" for value in values)


def other_residual(matched: Matched) -> Fix:
    """Nothing certain for `residual if c { F } else { G }`, if that is what the `else` follows."""
    depth = 1
    before = matched.text[: matched.place("brace")[0]]
    for position in range(len(before) - 1, -1, -1):
        depth += (before[position] == "}") - (before[position] == "{")
        if depth == 0:
            head = before[:position].rpartition("\n")[2]
            is_residual = re.search(r"\bresidual\s+if\b[^{}]*$", head)
            return Guess("if") if is_residual else None
    return None


HABITS = (
    Habit(
        r"^\s*(?P<brace>\})\s*(?P<at>else)\b.*$",
        "residual if 2 > 1 {\n        relu\n    } ‹else› { relu }",
        "leave out the `else`: if the condition is false, its layers are applied without adding the"
        " input; for other layers, write `if c { residual { ... } } else { ... }`",
        "`residual if` has no `else`",
        other_residual,
        where="body",
    ),
    Habit(
        rf"\belse(?P<fix>\s*:?\s*(?P<at>(?P<layer>{_LAYER})))\s*$",
        "if true { relu } else ‹tanh›",
        "write the layer in braces: `else { $layer }`",
        "the layers after `else` are not in braces",
        lambda matched: (
            f" {{ {matched.group('layer')} }}"
            if is_layer(matched, matched.group("layer").split("(")[0])
            else None
        ),
        where="body",
    ),
    Habit(
        r"^\s*if\s*(?P<at>\{)",
        "if ‹{› relu }",
        "write a condition: `if k == 1 { ... }`",
        "`if` has no condition",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>when|where|iff|given|provided|only\s+if))\s+[^{}]+\{",
        "‹when› true { relu }",
        "write `if`",
        "found `$at`, but a condition begins with `if`",
        "if",
        where="body",
    ),
    Habit(
        r"\}\s*(?P<fix>(?P<at>otherwise|default|or\s+else))\s*(?=\{)",
        "if true { relu } ‹otherwise› { tanh }",
        "write `else`",
        "found `$at` between two bodies",
        "else",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>unless)\s+(?P<c>[^{}]+?))\s*(?=\{)",
        "‹unless› true { relu }",
        "write `$fix { ... }`",
        "found `unless`, but a condition is negated with `not`",
        "if not ($c)",
    ),
    Habit(
        r"(?:\bif\b|\bexpect\b|=)[^{}]*?[\w)\]](?P<fix>\s+(?P<at>is\s+not|is|eq|equals|equal\s+to"
        r"|ne|neq|lt|le"
        r"|gt|ge)\s+)(?=[\w\"])",
        "if 3 ‹is› 3 { relu }",
        "write `$fix`",
        "found `$at` between two values",
        lambda matched: f" {_COMPARE.get(matched.group('at'), '==')} ",
    ),
    Habit(
        r"\bif\s+(?P<fix>(?P<c>[\w.]+)\s+(?P<at>(?:not\s+)?in)\s+[\[({](?P<values>[^\])}]*)[\])}])",
        "if 3 ‹in› [3, 4] { relu }",
        "compare the value with each of them: `$fix`",
        "found `$at` in a condition",
        among,
    ),
    Habit(
        r"[(,=]\s*(?P<fix>(?P<at>\bif)\s+(?P<c>[^{}]+?)\s*(?:\{|\bthen\b)\s*(?P<a>[^{},]+?)"
        r"\s*\}?\s*"
        r"else\s*\{?\s*(?P<b>[^{},)]+?)\s*\}?)\s*(?=[,)]|$)",
        "conv(‹if› true then 8 else 4, 3)",
        "write `$fix`",
        "a choice between values begins with the first value",
        "$a if $c else $b",
    ),
    Habit(
        r"^\s*(?:\}\s*)?(?:else|for|if|repeat)\b[^{}]*?(?P<fix>\s*(?P<at>:)\s*)(?=\{)",
        "repeat 3‹:› { relu }",
        "leave out the colon before the `{`",
        "found `:` before the `{`",
        " ",
    ),
    Habit(
        rf"^\s*(?P<fix>if\s+(?P<c>[^{{}}:]+?)\s+(?P<at>(?P<a>{_LAYER}))(?:\s+else\s+"
        rf"(?P<b>{_LAYER}))?)\s*$",
        "if true ‹relu› else tanh",
        "write `$fix`",
        "the layers after `if` are not in braces",
        chosen,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<a>{_LAYER})\s+(?P<at>if)\s+(?P<c>[^{{}}]+?)(?:\s+else\s+"
        rf"(?P<b>{_LAYER}))?)\s*$",
        "relu ‹if› true else tanh",
        "write `$fix`",
        "found `if` after a layer",
        chosen,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<c>[^?{{}}=]+?)\s*(?P<at>\?)\s*(?P<a>{_LAYER})\s*:\s*(?P<b>{_LAYER}))"
        rf"\s*$",
        "true ‹?› relu : tanh",
        "write `$fix`",
        "found `?`, but a choice is written with words",
        chosen,
        where="body",
    ),
    Habit(
        r"\belse\s+(?P<at>if)\s*\{",
        "if true { relu } else ‹if› { tanh }",
        "write the condition, or only `else { ... }`",
        "`else if` has no condition",
    ),
    Habit(
        r"\belse(?P<fix>\s+(?P<at>(?!if\b)[^{}]*?)\s*)(?=\{)",
        "if true { relu } else ‹false› { tanh }",
        "leave it out, or write `else if $at { ... }`",
        "found `$at` after `else`, which has no condition",
        " ",
    ),
    Habit(
        r"\}(?P<fix>\s*(?P<at>[;,])\s*)(?=else\b)",
        "if true { relu }‹;› else { tanh }",
        "leave out `$at`",
        "found `$at` before `else`",
        " ",
    ),
    Habit(
        r"^\s*(?:else|(?:for|if|repeat|net|block)\b[^{}:]*\w[)\]]?(?<!\bthen)(?<!\bdo)(?<!\bis)"
        r"(?<!\bbegin))\s*$",
        "repeat 3‹\n›",
        "write `{` at the end of the line, and `}` below its body",
        fix=braced_line,
    ),
    Habit(
        r"^\s*(?P<word>elif|elseif|elsif|else\s+if)\s+(?P<c>[^:{}]+?)\s*(?P<at>:)\s*$",
        "elif true‹:›",
        "write `} else if $c {`, with the bodies in braces",
        "found `:`, but bodies are in braces",
        else_if,
        "write `} else if $c {`, with the bodies in braces",
    ),
    Habit(
        r"(?P<fix>(?P<at>\b(?:elif|elseif|elsif|elsf|elif)\b))",
        "if true { relu } ‹elif› false { tanh }",
        "write `else if`",
        "found `$at`",
        "else if",
    ),
    Habit(
        r"^\s*(?:\}\s*)?(?P<head>(?:else|for|if|repeat|net|block)\b[^{}]*?)\s*(?P<at>:|->|=>|="
        r"|\b(?:do|then|begin|is)\b)\s*$",
        "for i in range(3)‹:›",
        _BRACED,
        "found `$at`, but bodies are in braces",
        braced,
        _BODY,
    ),
    Habit(
        r"^\s*(?:if|for|else|repeat)\b[^{}]*?(?P<at>:)\s*(?P<body>[^{}:\s][^{}:]*)$",
        "if true‹:› relu",
        "write the body in braces: `{ $body }`",
        "found `:`, but bodies are in braces",
        lambda matched: [(*matched.place("at"), " {"), (*(matched.place("body")[1],) * 2, " }")],
    ),
    Habit(
        r"^\s*(?P<at>switch|match|case|default|try|with|except|finally|raise|del|async|await"
        r"|goto)\b.*",
        "‹switch› k { relu }",
        "write a choice as `if k == 1 { ... } else { ... }`",
        "found `$at`, which the language does not have",
        part,
    ),
    Habit(
        r"\bif\b[^{}]*?(?P<at>\bthen\b)",
        "if true ‹then› relu end",
        _BODY,
        "found `then`, but bodies are in braces",
    ),
)
