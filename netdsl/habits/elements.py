"""Elements of lists and pieces of values, groups of labels, and loops in lists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import parts
from netdsl.habits.loops import loop_around
from netdsl.habits.statements import is_layer, named_end

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_PART = r"(?:(?!\bfor\b)(?:[^\[\]]|\[[^\[\]]*\]))"  # a character, or a list, before a `for`
_BEGINNING = r"(?:^|->|[|{]|(?<![?\w])\w+(?:\{\w+\})?:)\s*"
_PATH = r"(?:[A-Za-z_]|\{\w+\})(?:\w|\{\w+\})*(?:\.(?:\w|\{\w+\})+)+"


def element(matched: Matched) -> Fix:
    """`(maps[0])` for `maps[0]` and `@maps[0]` at the beginning of a chain, if it is a list."""
    name, text = matched.group("name"), matched.group("fix").removeprefix("@")
    line = matched.match.string
    above = matched.text[: matched.start]
    if not re.search(rf"(?:\b(?:let|with|for)|[(,])\s*\(?{name}\b(?!\s*:)", above):
        return None
    before = line[: matched.place("fix")[0] - matched.start]
    if re.search(rf"{_BEGINNING}$", before):
        return f"({text})"
    if matched.group("fix").startswith("@"):
        return text
    return None


def group_of(matched: Matched) -> Fix:
    """`encoder: { fc1: dense(8) }` for `encoder.fc1: dense(8)`."""
    names, rest = matched.group("path").split("."), matched.group("rest").strip()
    quoted = [f'"{name}"' if name[0] in "{0123456789" else name for name in names]
    is_numbered = "{" not in names[0] and any("{" in name for name in names)
    is_open = rest.count("{") != rest.count("}") or rest.count("(") != rest.count(")")
    if is_open or (is_numbered and rest.startswith("{")):
        rest = "{ ... }"
    written, note = f"{quoted[-1]}: {rest}", ""
    for name in reversed(quoted[1:-1]):
        written = f"{name}: {{ {written} }}"
    head = loop_around(matched.text, matched.start)
    if is_numbered:
        note = f", or with other names of the weights `{matched.group('path').replace('.', '')}:`"
    if is_numbered and head is not None:
        written = f"{' '.join(head.split())} {{ {written} }}"
    return Guess(f"{quoted[0]}: {{ {written} }}", note=note)


def pieces(matched: Matched) -> Fix:
    """`a: @x -> split(2, 0)` and `b: @x -> split(2, 1)` for `a, b = split(2)`."""
    names = parts(matched.group("names").strip("()[] "))
    given = [part for part in parts(matched.group("given")) if part]
    if matched.group("of"):
        given = [f"@{matched.group('of').lstrip('@').rstrip('.')}", *given]
    start, note = "@x", ", where `x` is the label of the value that is split"
    if given and given[0].startswith("@"):
        if given[0] != "@":
            start, note = given[0], ""
        given = given[1:]
    count = str(len(names))
    if given and re.fullmatch(r"\d+", given[0]):
        given = given[1:]
    axis = next((part for part in given if re.match(r"(?:axis|dim)\s*=", part)), "")
    option = re.sub(r"^\w+\s*=\s*", ", axis = ", axis)
    chain = matched.group("chain")
    if chain:
        start, note = "@p", ""
    lines = [f"{n}: {start} -> split({count}, {i}{option})" for i, n in enumerate(names)]
    if chain:
        lines = [named_end("p", chain) or f"p: {chain}", *lines]
    return Guess("` and `".join(lines), note=note)


def branches(matched: Matched) -> Fix:
    """`a: @x -> dense(8)` and `b: @x -> dense(8)` for `a, b = dense(8), dense(8)`."""
    names = parts(matched.group("names").strip("()[] "))
    layers = parts(matched.group("layers"))
    is_each_layer = all(is_layer(matched, layer.split("(")[0]) for layer in layers)
    if len(names) != len(layers) or not is_each_layer:
        return None
    above = matched.text[: matched.start].rstrip().rpartition("\n")[2]
    label = re.match(r"\s*(?:input\s+)?(?P<name>\w+)\s*:[^{}|]*$", above)
    if label is None or "->" in above:
        lines = [f"@x -> {n}: {layer}" for n, layer in zip(names, layers, strict=True)]
        return Guess("` and `".join(lines), note=", where `x` is the label of the value before it")
    blank = matched.match.string[: matched.match.start("fix")]
    lines = [f"@{label['name']} -> {n}: {layer}" for n, layer in zip(names, layers, strict=True)]
    return f"\n{blank}".join(lines)


def two_loops(matched: Matched) -> Fix:
    """A loop that adds up lists, for a list with two loops."""
    inner = f"[{matched.group('item')} for {matched.group('second')}]"
    loop = f"for {matched.group('first')} with all = [] {{ next all = all + {inner} }}"
    return Guess(loop)


HABITS = (
    Habit(
        r"(?P<fix>@?(?P<name>[A-Za-z_]\w*)(?P<at>\[)[^\[\]:,]+\](?:\[[^\[\]:,]+\])*)",
        "let maps = [@image]\n    maps‹[›0] -> relu",
        "write `$fix`: an element of a list is a formula, which has parentheses in a chain",
        "found `[` after `$name`, which is a list",
        element,
        where="body",
    ),
    Habit(
        rf"(?:^|->|[|{{])\s*(?P<fix>(?P<at>(?P<path>{_PATH}))\s*:(?!=)\s*(?P<rest>\S.*))$",
        "‹encoder.fc1›: relu",
        "a label with members is a group: write `$fix`",
        "`$path` is not a label",
        group_of,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?:let\s+)?(?P<at>[(\[{]?)(?P<names>\w+(?:\s*,\s*\w+)+)[)\]}]?\s*=\s*"
        r"(?:(?P<chain>[A-Za-z]\w*\b[^=]*?)\s*->\s*)?"
        r"(?:torch\s*\.\s*|tf\s*\.\s*|(?P<of>@?[A-Za-z_]\w*\.))?"
        r"(?:split|chunk|unbind)\((?P<given>[^()]*)\))\s*$",
        "let ‹(›a, b) = split(2)",
        "a layer has one result, and `split` takes one piece: write `$fix`",
        "this gives the pieces of a value several names",
        pieces,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?:let\s+)?(?P<at>[(\[{]?)(?P<names>\w+(?:\s*,\s*\w+)+)[)\]}]?\s*=\s*"
        r"(?P<layers>[A-Za-z]\w*\(.*\S))\s*$",
        "let ‹›a, b = dense(8), dense(8)",
        "a label belongs to one layer: write `$fix`",
        "this gives several layers their names",
        branches,
        where="body",
    ),
    Habit(
        rf"\[\s*(?P<item>{_PART}+?)\s*\bfor\s+(?P<first>{_PART}+?)\s*"
        rf"\b(?P<at>for)\s+(?P<second>{_PART}+?)\s*\]",
        "let c = [a * b for a in [1, 2] ‹for› b in [3, 4]]",
        "join the lists in a loop, `$fix`, and then write `all`",
        "a list has one `for`",
        two_loops,
        where="body",
    ),
    Habit(
        r"\w\(\s*(?P<fix>(?P<at>in)\s*=\s*[^,()=]+(?:,\s*|(?=\))))",
        "conv(‹in› = 3, out = 8, k = 3)",
        "leave it out: the channels of the input are known",
        "found `in` as an argument",
        "",
        where="body",
    ),
    Habit(
        r"\([^()]*(?P<fix>,\s*(?P<at>in)\s*=\s*[^,()=]+)",
        "conv(out = 8, ‹in› = 3, k = 3)",
        "leave it out: the channels of the input are known",
        "found `in` as an argument",
        "",
        where="body",
    ),
)
