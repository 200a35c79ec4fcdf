"""Slips in chains of layers, in joins and in arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Habit
from netdsl.habits.brackets import arms, body, moved_arrow, unclosed
from netdsl.habits.statements import (
    arrow,
    is_layer,
    joined_values,
    labelled,
    line_start,
    listed_layers,
    summed,
)
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

START = (  # before a layer
    r"(?:^|->|:|(?<=,\s)|(?<=\|\s)|[|{]\s)\s*"
    r"(?!(?:repeat|if|for|let|expect|input|output|import|return|in)\b)"
)
CHAIN = (
    r"(?:^|->|:|(?<=,\s)|(?<=\|\s)|[|{]\s)\s*(?:output\s+)?"
    r"(?!(?:repeat|if|for|let|expect|input|import|return|in)\b)"
)
_OPERAND = r"@?[A-Za-z_][\w.]*(?:\([^()]*\))?"
JOINS = r"(?P<join>concat|add|mul|sub|max|residual)"


def called(matched: Matched) -> Fix:
    """`conv(8, 3)` for `conv 8, 3`."""
    kind = matched.group("name")
    if kind not in LAYERS:
        return None
    arguments = ", ".join(re.findall(r"[^\s,]+", matched.group("arguments")))
    return f"{kind}({arguments})"


def chained(matched: Matched) -> Fix:
    """An arrow before the second of two layers."""
    name = matched.group("second")
    if not is_layer(matched, name):
        return None
    return [(*matched.place("fix"), " -> ")]


def repeated(matched: Matched) -> Fix:
    """`repeat 3 { conv(8, 3) }` for `3 * conv(8, 3)`."""
    layer = matched.group("layer")
    if re.split(r"\W", layer)[0] not in LAYERS:
        return None
    return f"repeat {matched.group('n')} {{ {layer} }}"


def without_word(matched: Matched) -> Fix:
    """The layer without the word before or after it."""
    return "" if is_layer(matched, matched.group("layer")) else None


HABITS = (
    Habit(
        r"->\s*(?P<name>[A-Za-z_]\w*)(?P<fix>\s*(?P<at>=)\s*)(?=(?P<layer>[A-Za-z_]\w*))",
        "relu -> x ‹=› tanh",
        "name a layer with a colon: `$name: $layer`",
        "found `=` after `$name`",
        lambda matched: ": " if is_layer(matched, matched.group("layer")) else None,
        where="body",
    ),
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
        rf"^\s*(?P<fix>{JOINS}\s+(?P<values>(?P<at>@\w+)(?:[\s,]+@\w+)+))\s*$",
        "concat ‹@image› @image",
        "write references in parentheses: `$fix`",
        "found references after `$join`",
        joined_values,
        "write references in parentheses: `$join(@a, @b)`",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>[.+*/\\&]+|->)\s*)(?=(?P<layer>[a-z_]\w*))",
        "‹.› relu",
        "write `->` before a layer that continues the line above, or nothing before a new line",
        "found `$at` at the beginning of a line",
        line_start,
        where="body",
    ),
    Habit(
        r"->(?P<fix>\s*(?P<at>->)\s*)",
        "relu -> ‹->› tanh",
        "leave out one `->`",
        "found a second `->`",
        " ",
        where="body",
    ),
    Habit(
        r"(?:^|->)\s*\w+(?:\([^()]*\))?(?P<fix>\s*(?P<at>>|→|~)\s*)(?=(?P<layer>[a-z_]\w*))",
        "relu ‹>› tanh",
        "chain layers with `->`",
        "found `$at` between layers",
        arrow,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<list>(?P<at>[\[(]).*[\])]))\s*,?\s*$",
        "‹[›conv(8, 3), relu]",
        "layers need no list: write `$fix`",
        "found `$at` before a layer",
        listed_layers,
        where="body",
    ),
    Habit(
        r"(?:\)|\w)(?P<fix>\s+(?P<at>then|and|followed\s+by|to|into|&)\s+)(?=(?P<layer>[a-z_]\w*))",
        "conv(8, 3) ‹then› relu",
        "chain layers with `->`",
        "found `$at` between layers",
        lambda matched: " -> " if is_layer(matched, matched.group("layer")) else None,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>new|call|apply|use|do|run|layer|add|then|and)\s+)(?="
        r"(?P<layer>[A-Za-z_]\w*))",
        "‹use› conv(8, 3)",
        "write only the layer, without `$at`",
        "found `$at` before a layer",
        without_word,
        where="body",
    ),
    Habit(
        r"^\s*(?P<name>[A-Za-z_]\w*)(?P<fix>(?P<at>\s+))(?=(?P<layer>[a-z_]\w*)\s*\()",
        "first‹ ›conv(8, 3)",
        "write a colon after the name of a layer: `$name: $layer(...)`",
        "a colon is missing after `$name`",
        labelled,
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
        r"^\s*(?P<fix>repeat\s+(?P<layer>[A-Za-z_]\w*(?:\([^()]*\))?)\s+(?P<at>"
        r"(?P<n>\d+))(?:\s+times)?)\s*$",
        "repeat relu ‹3› times",
        "write `$fix`",
        "the number of rounds follows `repeat`",
        repeated,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>(?P<n>\d+)\s*[x×*]|loop\s+(?P<m>\w+)|times\s+(?P<k>\w+)))\s*\{",
        "‹3x› { relu }",
        "write `repeat $n$m$k { ... }`",
        "found `$at` before braces",
        "repeat $n$m$k",
        where="body",
    ),
    Habit(
        r"[(,]\s*(?P<n>\w+)(?P<fix>\s+(?P<at>filters?|channels?|units?|neurons?|maps?|features?"
        r"|classes|outputs?|kernels?|px))\b",
        "conv(8 ‹filters›, 3)",
        "leave out `$at`: `$n`",
        "a number has no unit such as `$at`",
        "",
    ),
    Habit(
        r"(?P<fix>(?P<at>(?P<n>\d+(?:\.\d+)?)\s*%))(?=\s*(?:[,)]|$))",
        "dropout(‹50%›)",
        "write a fraction: `$fix`",
        "found a percentage",
        lambda matched: f"{float(matched.group('n')) / 100:g}",
    ),
    Habit(
        rf"(?:^|->|:)\s*(?P<fix>{JOINS}\s*(?P<at>(?P<open>\())).*->.*",
        "residual‹(›conv(8, 3) -> relu)",
        "write `$fix`",
        "layers cannot be arguments: `$join` has them in braces",
        lambda matched: body(matched) if matched.group("join") == "residual" else arms(matched),
        "write the arms in braces: `add { | conv(8, 3) | relu }`",
    ),
    Habit(
        rf"(?:^|->|:)\s*(?P<fix>{JOINS}\s*(?P<at>(?P<open>[\[{{]))).*",
        "concat ‹[›relu, tanh]",
        "write `$fix`",
        "the arms of `$join` are in braces, each after a `|`",
        arms,
    ),
    Habit(
        rf"(?:^|->|:)\s*(?P<fix>{JOINS}\s+(?P<at>@(?P<name>[\w.]+)))\s*$",
        "add ‹@a›",
        "write references in parentheses: `$join(@$name)`",
        "found a reference after `$join`",
        "$join(@$name)",
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<fix>(?P<name>[a-z]\w*)\s*(?P<at>[\[<{])\s*"
        r"(?P<arguments>[\w\s,.]+)[\]>}])\s*$",
        "conv‹[›8, 3]",
        "write arguments in parentheses: `$fix`",
        "found `$at` after a layer",
        called,
    ),
    Habit(
        r"(?P<fix>(?P<a>\b[\w.]+)\s*(?P<s><=?|>=?)\s*(?P<b>[\w.]+)\s*(?P<at>(?P<t><=?|>=?))\s*"
        r"(?P<c>[\w.]+))",
        "if 1 < in.channels ‹<› 4 { relu }",
        "comparisons cannot be chained: write `$fix`",
        "found a second comparison",
        "$a $s $b and $b $t $c",
    ),
    Habit(
        r"(?<![-=])[<>]=?[^<>=]*[^<>=-](?P<at>[<>]=?)",
        "if 1 + 1 < 2 + 2 ‹<› 4 { relu }",
        "comparisons cannot be chained: write `a < b and b < c`",
        "found a second comparison",
    ),
    Habit(
        r"\b(?P<at>\d{1,3}(?:,\d{3})+)\b",
        "expect params == ‹61,706›",
        "separate digits with underscores: `$fix`",
        "a number contains commas",
        lambda matched: matched.group("at").replace(",", "_"),
    ),
    Habit(
        r"[(,](?:\s*[\w.\])]+|[^(),]*[\w)\]])(?P<fix>\s+)(?P<at>[\w.]+)\s*[),=]",
        "conv(4 ‹3›)",
        "a comma is missing between two arguments",
        fix=", ",
    ),
    Habit(
        r"(?<![\w)\].])(?P<fix>(?P<at>\.)(?P<n>\d+))",
        "dropout(‹.›5)",
        "a number needs digits on both sides of its decimal point: `0.$n`",
        "a number begins with its point",
        "0.$n",
    ),
    Habit(
        r"(?<!\w)(?P<fix>(?P<n>\d+)(?P<at>\.))(?!\w)",
        "dropout(1‹.›)",
        "a number needs digits on both sides of its decimal point: `$n.0`",
        "a number ends with its point",
        "$n.0",
    ),
    Habit(
        r",\s*(?P<fix>(?P<at>,))",
        "conv(8,‹,› 3)",
        "leave out one comma, or give the value between them",
        "a value is missing between two commas",
        "",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<name>\w+\.[\w.]+))\s*->",
        "a‹.›b -> relu",
        "refer to the value at a label with `@`: `@$name`",
        fix="@$name",
    ),
    Habit(
        r"^\s*(?P<at>\|)(?!>)",
        "‹|› relu",
        "begin every arm with `|`, and write nothing before the first one",
    ),
    Habit(
        r"(?P<fix>\s*(?P<at>->))\s*$",
        "relu ->‹\n›",
        "a line cannot end with `->`; begin the next line with it instead",
        "",
        moved_arrow,
        "a line cannot end with `->`; begin the next line with it instead",
    ),
    Habit(
        rf"(?:->\s*|^\s*|:\s*|\{{\s*)(?P<fix>(?P<sum>{_OPERAND}\s*"
        rf"(?P<at>(?P<sign>[-+*]))\s*{_OPERAND}"
        rf"(?:\s*(?P=sign)\s*{_OPERAND})*))\s*(?=->|$|\}})",
        "conv(8, 3) ‹+› relu",
        "write `$fix`",
        "found `$sign` between values, but values are joined by `add`, `mul` and `sub`",
        summed,
        "add values with a join, `add { | conv(8, 3) | relu }`, or labels with `@a -> add(@b)`",
    ),
    Habit(
        START + r"@?[A-Za-z_][\w.]*(?:\s*\([^()]*\))?\s*(?P<at>\+)",
        "conv(8, 3) ‹+› relu + 3",
        "add values with a join: `add { | conv(8, 3) | relu }`",
        "found `+` between layers",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<n>\w+)\s*(?P<at>[*x×])\s*(?P<layer>[a-z]\w*(?:\([^()]*\))?))\s*$",
        "3 ‹*› conv(8, 3)",
        "repeat layers with `$fix`",
        "found `$at` before a layer",
        repeated,
    ),
    Habit(
        r"^\s*(?P<fix>(?P<layer>[a-z]\w*(?:\([^()]*\))?)\s*(?P<at>[*x×])\s*(?P<n>\d+))\s*$",
        "conv(8, 3) ‹x› 3",
        "repeat layers with `$fix`",
        "found `$at` after a layer",
        repeated,
    ),
    Habit(
        START
        + r"(?P<fix>(?P<name>[A-Za-z_]\w*)\s+(?P<arguments>(?P<at>-?\.?\d[\d.]*)[\w\s,.]*))\s*$",
        "conv ‹8›, 3",
        "write arguments in parentheses: `$fix`",
        "the arguments of `$name` are not in parentheses",
        called,
        "write arguments in parentheses: `conv(64, 3)`",
    ),
    Habit(
        START + r"[A-Za-z_]\w*(?P<at>\s*\[)",
        "conv‹[›8, 3",
        "write arguments in parentheses: `conv(64, 3)`",
    ),
    Habit(
        CHAIN + r"\w+(?:\([^()]*\))?(?P<fix>\s*(?P<at>[.,|:]))\s*$",
        "relu‹,›",
        "leave it out: a layer ends with its line",
        "found `$at` after a layer",
        "",
    ),
    Habit(
        CHAIN + r"\w+(?:\([^()]*\)(?P<fix>\s*(?P<at>[.,|:])\s*)"
        r"|(?P<gap>\s+(?P<dot>[.,])\s+|(?P<comma>,)\s*))(?=[a-z@])",
        "conv(8, 3)‹,› relu",
        "chain layers with `->`",
        "found `$at$dot$comma` after a layer",
        lambda matched: [(*matched.place("fix", "gap"), " -> ")],
    ),
    Habit(
        START + r"\w+(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?(?P<fix>\s+)(?P<at>(?P<second>[a-z_]\w*))",
        "conv(4, 3) ‹relu›",
        "write `->` between two layers",
        "`->` is missing before `$second`",
        chained,
    ),
    Habit(
        r"\brepeat\s+\w+\s+(?P<fix>(?P<at>(?!(?:in|with|as|times)\b)[a-z]\w*)(?P<rest>.*))$",
        "repeat 3 ‹relu›",
        "write the repeated part in braces: `repeat 3 { $at$rest }`",
        "the repeated part is not in braces",
        "{ $at$rest }",
    ),
    Habit(
        r"\((?:[^()]*,)?\s*(?P<at>in)\s*[,)]",
        "add(‹in›)",
        "it only has sizes, such as `in.channels`; `residual { ... }` adds the input itself",
        "`in` itself is not a value",
    ),
    Habit(
        r"\([^()]*(?P<at>->)",
        "conv(8, 3 ‹->› relu",
        "write `)` before the `->`",
        "a `(` is not closed before `->`",
        unclosed,
        "a `(` before this is not closed",
    ),
    Habit(
        r"[(,]\s*(?P<name>\w+)(?P<at>\s*:)\s*(?P<value>[\w\"(\[-][^,)]*)",
        "conv(8, 3, stride‹:› 2)",
        "write an argument with `=`: `$name = $value`",
        "found `:` after the name of an argument",
        lambda matched: [(*matched.place("at"), " =")],
    ),
)
