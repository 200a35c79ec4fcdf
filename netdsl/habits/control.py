"""Conditions and loops of other languages."""

from __future__ import annotations

from netdsl.habits.base import Habit
from netdsl.habits.brackets import braced, braced_line, else_if
from netdsl.habits.statements import bracketed, chosen

_BODY = "write the body in braces: `{ ... }`"
_BRACED = "write `$head {`, and `}` below the body"

_LAYER = r"[a-z_]\w*(?:\([^()]*\))?"

HABITS = (
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
        r"^\s*(?P<fix>let\s+(?P<name>\w+)\s*=\s*(?P<at>if)\s+(?P<c>[^{}]+?)\s*\{\s*(?P<a>[^{}]+?)"
        r"\s*\}"
        r"\s*else\s*\{\s*(?P<b>[^{}]+?)\s*\})\s*$",
        "let n = ‹if› true { 3 } else { 4 }",
        "write `$fix`",
        "a choice between values has no braces",
        "let $name = $a if $c else $b",
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
        r"^\s*(?P<fix>repeat\s+(?:(?P<i>[A-Za-z_]\w*)\s+(?P<at>in|of|from)\s+(?P<n>\d+)"
        r"|(?P<m>\w+)\s+(?P<dot>with|using|over)\s+(?P<k>\w+)))\s*(?=\{)",
        "repeat i ‹in› 3 { relu }",
        "write `$fix { ... }`",
        "the number of rounds follows `repeat`, and then its variable",
        "repeat $n$m as $i$k",
    ),
    Habit(
        r"^\s*for(?P<fix>\s+(?P<at>each|all|every|var|let|int|auto)\b)",
        "for ‹each› w in [8, 16] { relu }",
        "leave out `$at`: `for x in list { ... }`",
        "found `$at` after `for`",
        "",
    ),
    Habit(
        r"^\s*for\s+\w+(?P<fix>\s+(?P<at>of|from|over)\s+)(?=[\[\w])",
        "for w ‹of› [8, 16] { relu }",
        "write `in`",
        "found `$at`, but `for` needs the word `in`",
        " in ",
    ),
    Habit(
        r"^\s*for\s+\w+\s+in\s+(?P<fix>(?P<list>\d+(?P<at>\s*,)\s*\d+(?:\s*,\s*\d+)*))\s*(?=\{)",
        "for w in 8‹,› 16 { relu }",
        "write the list in brackets: `$fix`",
        "found `,`, but a list is in brackets",
        bracketed,
    ),
    Habit(
        r"(?P<at>\b(?P<a>\w+)\s*\.\.+[=<]?\s*(?P<b>\w+))",
        "for i in range(‹1..3›) { relu }",
        "write `range($a, $b)`, which counts from $a up to, but not including, $b",
        "found `$at`, but a list of numbers is written with `range`",
    ),
    Habit(
        r"^\s*(?:for|if|repeat|net|block)\b[^{}:]*\w[)\]]?\s*$",
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
