"""Conditions and loops of other languages."""

from __future__ import annotations

from netdsl.habits.base import Habit
from netdsl.habits.brackets import braced, else_if

_BODY = "write the body in braces: `{ ... }`"
_BRACED = "write `$head {`, and `}` below the body"

HABITS = (
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
        r"^\s*(?:\}\s*)?(?P<head>(?:else|for|if|repeat|net|block)\b[^{}]*?)\s*(?P<at>:)\s*$",
        "for i in range(3)‹:›",
        _BRACED,
        "found `:`, but bodies are in braces",
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
        r"(?P<fix>(?P<at>while|until|loop|foreach|do)\b)",
        "‹while› true { relu }",
        "write a loop as `repeat 3 { ... }` or `for x in list { ... }`",
        "found `$at`, but the number of rounds of a loop must be known",
    ),
    Habit(
        r"^\s*(?P<fix>for\s*(?P<at>\()\s*(?:\w+\s+)?(?P<i>\w+)\s*=\s*0\s*;\s*(?P=i)\s*<\s*"
        r"(?P<n>\w+)\s*;"
        r"\s*(?:\+\+(?P=i)|(?P=i)\s*(?:\+\+|\+=\s*1))\s*\))",
        "for ‹(›int i = 0; i < 3; i++) { relu }",
        "write `$fix { ... }`",
        "this is a loop of C",
        "for $i in range($n)",
    ),
    Habit(
        r"^\s*(?P<at>for\s*\([^{}]*;[^{}]*\))",
        "‹for (i = 1; i < 4; i += 2)› { relu }",
        "write `for i in range(1, 4) { ... }`",
        "this is a loop of C",
    ),
    Habit(
        r"\bfor\s+\w+\s+in\s+(?P<at>(?P<a>\w+)\s*\.\.+[=<]?\s*(?P<b>\w+))",
        "for i in ‹0..3› { relu }",
        "write `range($a, $b)`, which counts from $a up to, but not including, $b",
        "found `$at`, but a list of numbers is written with `range`",
    ),
    Habit(
        r"^\s*for\s+\w+\s*(?P<at>=|:=|:|of\b|from\b).*",
        "for i ‹=› 1:3 { relu }",
        "write `for x in list { ... }`, such as `for i in range(3) { ... }`",
        "found `$at`, but `for` needs the word `in`",
    ),
    Habit(
        r"^\s*repeat\s+\w+(?P<fix>\s+(?P<at>times|x|rounds|layers))\b",
        "repeat 3 ‹times› { relu }",
        "leave out `$at`: `repeat 3 { ... }`",
        "found `$at` after the number of rounds",
        "",
    ),
    Habit(
        r"^\s*(?P<at>switch|match|case|default|try|with|except|finally|raise|del|async|await|goto"
        r"|unless)\b.*",
        "‹switch› k { relu }",
        "write a choice as `if k == 1 { ... } else { ... }`",
        "found `$at`, which the language does not have",
    ),
    Habit(
        r"\bif\b[^{}]*?(?P<fix>\s*(?P<at>\bthen\b))(?=\s*\{)",
        "if true ‹then› { relu }",
        "leave out `then`",
        "found `then` before the `{`",
        "",
    ),
    Habit(
        r"^\s*for\s*(?P<at>\()\s*(?P<i>\w+)\s+in\s+.*",
        "for ‹(›i in 0:3) { relu }",
        "write `for $i in range(3) { ... }`, without parentheses around it",
        "found `(` after `for`",
    ),
    Habit(
        r"\bif\b[^{}]*?(?P<at>\bthen\b)",
        "if true ‹then› relu end",
        _BODY,
        "found `then`, but bodies are in braces",
    ),
)
