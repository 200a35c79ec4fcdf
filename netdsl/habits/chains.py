"""Slips in chains of layers and in arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import moved_arrow, parts, unclosed
from netdsl.habits.layers import find
from netdsl.habits.statements import (
    arrow,
    grouped,
    grouped_line,
    is_layer,
    labelled,
    line_start,
    listed_layers,
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


def sliced(matched: Matched) -> Fix:
    """`(1, -1)` for `(1:-1)`, `(1)` for `(1:)` and `(end = -1)` for `(:-1)`."""
    start, end = matched.group("start"), matched.group("end")
    if not start:
        return f"(end = {end})" if end else None
    return f"({start}, {end})" if end else f"({start})"


def called(matched: Matched) -> Fix:
    """`conv(8, 3) -> relu` for `conv 8, 3` and `Conv2D 8 3x3 relu`."""
    kind = matched.group("name")
    row = find(kind)
    if kind not in LAYERS and row is not None:
        kind = row.ours
    words = re.findall(r"[^\s,]+", matched.group("arguments"))
    numbers = [word for word in words if not word[0].isalpha()]
    layers = words[len(numbers) :]
    is_clear = kind in LAYERS and len(numbers) <= len(LAYERS[kind].args)
    if not is_clear or not all(layer in LAYERS for layer in layers):
        return None
    if len(numbers) == 2 and "x" in numbers[0] and kind in ("conv", "deconv"):
        numbers.reverse()
    numbers = [re.sub(r"^(\d+)x\1$", r"\1", number) for number in numbers]
    return " -> ".join([f"{kind}({', '.join(numbers)})", *layers])


def chained(matched: Matched) -> Fix:
    """An arrow before the second of two layers."""
    name = matched.group("second")
    if not is_layer(matched, name):
        return None
    return [(*matched.place("fix"), " -> ")]


def without_word(matched: Matched) -> Fix:
    """The layer without the word before or after it."""
    return "" if is_layer(matched, matched.group("layer")) else None


def block_argument(matched: Matched) -> Fix:
    """A block for the chain that is an argument of a block, which is only advice."""
    name = matched.group("block")
    if name in LAYERS or not is_layer(matched, name):
        return None
    chain = parts(matched.group("chain"))[0]
    names = ("unit", "pair", "both", "chain")
    free = (name for name in names if not re.search(rf"\b{name}\b", matched.text))
    return Guess(f"block {next(free, 'layers')}() {{ {chain} }}")


HABITS = (
    Habit(
        r"\b(?P<block>[a-z]\w*)\s*\((?:[^()]*[,=]\s*)?(?P<chain>[a-z]\w*(?:\([^()]*\))?\s*"
        r"(?P<at>->)[^()]*(?:\([^()]*\)[^()]*)*)\)",
        "block b(F) { F }\nnet N {\n    input x: 8\n    b(relu ‹->› tanh)\n}",
        "give the chain a name, `$fix`, and pass this name",
        "a chain cannot be an argument",
        block_argument,
    ),
    Habit(
        r"->\s*(?P<name>[A-Za-z_]\w*)(?P<fix>\s*(?P<at>=)\s*)(?=(?P<layer>[A-Za-z_]\w*))",
        "relu -> x ‹=› tanh",
        "name a layer with a colon: `$name: $layer`",
        "found `=` after `$name`",
        lambda matched: ": " if is_layer(matched, matched.group("layer")) else None,
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
        r"(?:^\s*(?:output\s+)?\w+\s*:|->)\s*(?P<fix>(?P<at>[\[(])[^@]*[\])])\s*(?=->|$)",
        "a: ‹[›relu, tanh]",
        "a group is in braces, with `->` between its layers: write `$fix`",
        "found `$at` before a layer",
        grouped_line,
        where="body",
    ),
    Habit(
        r"^\s*(?P<label>\w+)\s*:\s*(?P<at>\[).*",
        "a: ‹[›\n        relu,\n        tanh\n    ]",
        "a group is in braces, with `->` or a new line between its layers: `$label: { ... }`",
        "found `$at` before layers",
        grouped,
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
        r"^\s*(?P<fix>(?P<at>frozen|freeze)\s+(?P<layer>[a-z_]\w*(?:\([^()]*\))?))\s*(?=->|$)",
        "‹frozen› conv(8, 3)",
        "write it after the layer that it freezes: `$fix`",
        "found `$at` before a layer",
        "$layer -> frozen",
        where="body",
    ),
    Habit(
        r"^\s*(?P<name>[A-Za-z_]\w*)(?P<fix>(?P<at>\s+))(?=(?P<layer>[a-z_]\w*)\s*[(\d])",
        "first‹ ›conv(8, 3)",
        "write a colon after the name of a layer: `$name: $layer(...)`",
        "a colon is missing after `$name`",
        labelled,
        where="body",
    ),
    Habit(
        r"[(,]\s*(?P<n>\w+)(?P<fix>\s+(?P<at>filters?|channels?|units?|neurons?|maps?|features?"
        r"|classes|outputs?|kernels?|px))\b",
        "conv(8 ‹filters›, 3)",
        "leave out `$at`: `$n`",
        "a number cannot have a unit such as `$at`",
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
        r"(?:^|->|:)\s*(?P<fix>(?P<name>[a-z]\w*)\s*(?P<at>[\[<{])\s*"
        r"(?P<arguments>[\w\s,.-]+)[\]>}])\s*$",
        "conv‹[›8, 3]",
        "write arguments in parentheses: `$fix`",
        "found `$at` after a layer",
        called,
    ),
    Habit(
        r"\bslice(?P<fix>\(\s*(?P<start>-?\w+)?\s*(?P<at>:)\s*(?P<end>-?\w+)?\s*\))",
        "slice(1‹:›-1)",
        "write `slice$fix`",
        "start and end are not separated by a comma",
        sliced,
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
        "this number contains commas",
        lambda matched: matched.group("at").replace(",", "_"),
    ),
    Habit(
        r"(?<![\w)\].])(?P<fix>(?P<at>\.)(?P<n>\d+))",
        "dropout(‹.›5)",
        "a number needs digits on both sides of its decimal point: `0.$n`",
        "this number begins with a decimal point",
        "0.$n",
    ),
    Habit(
        r"(?<!\w)(?P<fix>(?P<n>\d+)(?P<at>\.))(?!\w)",
        "dropout(1‹.›)",
        "a number needs digits on both sides of its decimal point: `$n.0`",
        "this number ends with a decimal point",
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
        r"(?P<fix>\s*(?P<at>->))\s*$",
        "relu ->‹\n›",
        "a line cannot end with `->`: begin the next line with it, or leave it out before `output`",
        "",
        moved_arrow,
        "a line cannot end with `->`: begin the next line with it, or leave it out before `output`",
    ),
    Habit(
        START
        + r"(?P<fix>(?P<name>[A-Za-z_]\w*)\s+(?P<arguments>(?P<at>-?\.?\d[\d.]*)[\w\s,.]*?))\s*"
        r"(?=->|$)",
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
        rf"(?:{START}|(?<=\s))(?!return\b)\w+(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?(?P<fix>\s+)"
        r"(?=(?P<at>(?P<second>[a-z_]\w*))(?!\w|\s*=))",
        "conv(4, 3) ‹relu›",
        "write `->` between two layers",
        "`->` is missing before `$second`",
        chained,
    ),
    Habit(
        r"\((?:[^()]*,)?\s*(?P<at>in)\s*[,)]",
        "conv(‹in›, 8)",
        "the input as a tensor is `@in`; `in` only has sizes, such as `in.channels`",
        "`in` itself is not a value",
    ),
    Habit(
        r"\([^()]*(?P<at>->)",
        "conv(8, 3 ‹->› relu",
        "write `)` before the `->`",
        "this `(` is not closed before the `->`",
        unclosed,
        "a `(` before this is not closed",
    ),
)
