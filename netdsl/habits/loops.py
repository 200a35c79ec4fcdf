"""Loops of other languages, and other ways to repeat layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import parts
from netdsl.habits.entries import open_brace, part
from netdsl.habits.statements import bracketed, grouped_line, is_layer, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.habits.base import Fix, Matched

_CHAIN = r"[A-Za-z_]\w*(?:\((?:[^()]|\([^()]*\))*\))?(?:\s*->\s*[a-z_]\w*(?:\([^()]*\))?)*"
_LAYERS = r"(?:[A-Za-z_]\w*(?:\([^()]*\))?|[(\[{].*[)\]}])"


def repeated(matched: Matched) -> Fix:
    """`repeat 3 { conv(8, 3) }` for `3 * conv(8, 3)` and for `[conv(8, 3), relu] * 3`."""
    layers = matched.group("layer").strip()
    if layers[0] in "([{":
        layers = listed(layers) or layers[1:-1].strip()
    first = re.match(r"[A-Za-z_]\w*", layers)
    if first is None or not is_layer(matched, first[0]):
        return None
    return f"repeat {matched.group('n')} {{ {layers} }}"


def repeated_chain(matched: Matched) -> Fix:
    """`repeat 2 { conv(8, 3) -> relu }` for `2 x conv(8, 3) -> relu`, which is only advice.

    It may also mean two convolutions and one activation.
    """
    written = repeated(matched)
    if not isinstance(written, str):
        return None
    if matched.group("name"):
        return Guess(f"{matched.group('name')}: {{ {written} }}")
    if matched.group("before"):
        return Guess(written, note=" on a line of its own")
    return Guess(written)


def carried(matched: Matched) -> Fix:
    """`next w = w * 2` for `w = w * 2` in a loop, with `with w = 8` if it carries no `w`."""
    name, value = matched.group("name"), matched.group("value").strip()
    operator = matched.group("operator")
    if operator:
        value = f"{name} {operator} {value}"
    written = f"next {name} = {value}"
    head = loop_around(matched.text, matched.start)
    if head is None or not re.search(rf"\b{name}\b", value):
        return None
    if re.search(rf"\bwith\b.*\b{name}\s*=", head):
        return written
    let = re.compile(rf"^\s*let\s+{name}\s*=\s*(.+?)\s*$", re.MULTILINE)
    before = let.findall(matched.text[: matched.start])
    if "@" in value and not before:
        return None
    start = f" with {name} = {before[-1] if before else 0}"
    if " with " in head:
        start = start.replace(" with", ",")
    return Guess(f"{head}{start} {{` and `{written}")


def zipped(lists: list[str]) -> str | None:
    """One list of tuples for several lists, `[(8, 1), (16, 2)]` for `[8, 16]` and `[1, 2]`."""
    columns = [parts(text[1:-1]) for text in lists if re.fullmatch(r"\[.*\]", text)]
    if len(columns) == len(lists) and len({len(column) for column in columns}) == 1:
        rows = [", ".join(row) for row in zip(*columns, strict=True)]
        return f"[({'), ('.join(rows)})]"
    if len(lists) < 2 or not all(text.isidentifier() for text in lists):
        return None
    elements = ", ".join(f"{name}[i]" for name in lists)
    return f"[({elements}) for i in range(len({lists[0]}))]"


def in_step(matched: Matched) -> Fix:
    """`for (w, s) in [(8, 1), (16, 2)]` for a loop over two lists."""
    lists = parts(matched.group("lists"))
    names = [name.strip() for name in matched.group("names").split(",")]
    pairs = zipped(lists)
    if pairs is None or len(lists) != len(names):
        return None
    return f"for ({', '.join(names)}) in {pairs}"


def loops_around(text: str, offset: int) -> Iterator[tuple[int, str]]:
    """The loops around an offset, the innermost first: where the brace is, and the head before."""
    while (opening := open_brace(text, offset)) is not None:
        head = text[:opening].rpartition("\n")[2].strip()
        loop = re.search(r"(?:^|[{|>]\s*)((?:for|repeat)\b[^{}]*)$", head)
        if loop is not None:
            yield opening, loop[1].strip()
        offset = opening


def loop_around(text: str, offset: int) -> str | None:
    """The head of the innermost loop around an offset, without its brace."""
    return next((head for _, head in loops_around(text, offset)), None)


def appended(matched: Matched) -> Fix:
    """`next maps = maps + [@]` for `maps.append(@)` in a loop that carries `maps`."""
    name, value = matched.group("name"), matched.group("value").strip()
    if matched.group("method") == "append":
        value = f"[{value}]"
    written = f"{name} + {value}"
    if matched.group("next"):
        return written
    head = loop_around(matched.text, matched.start)
    if head is None and "@" not in value and re.search(rf"\blet\s+{name}\s*=", matched.text):
        return f"let {name} = {written}"
    if head is None or not value.startswith(("[@", "@")):
        return None
    if re.search(rf"\bwith\b.*\b{name}\s*=", head):
        return f"next {name} = {written}"
    start = f", {name} = []" if " with " in head else f" with {name} = []"
    return Guess(f"{head}{start} {{` and `next {name} = {written}")


def first_value(matched: Matched) -> Fix:
    """`total = 0` for a carried value without its first value, which is only advice."""
    name = matched.group("name")
    following = re.search(rf"\bnext\s+{name}\s*=(.*)", matched.text[matched.start :])
    if following is None:
        return None
    return Guess(f"{name} = []" if "[" in following[1] else f"{name} = 0")


HABITS = (
    Habit(
        r"->\s*(?P<fix>(?P<layer>[a-z_]\w*(?:\([^()]*\))?)\s*(?P<at>\b[xX]\b|[×*])"
        r"\s*(?P<n>\d+))\s*$",
        "tanh -> relu ‹x› 3",
        "write `repeat $n { $layer }` on a line of its own",
        "found `$at` after a layer",
        where="body",
    ),
    Habit(
        r"^\s*(?P<next>(?:next|let)\s+\w+\s*=\s*)?(?P<fix>(?P<name>[A-Za-z_]\w*)"
        r"(?P<at>\.(?P<method>append|extend))\s*\((?P<value>.*)\))\s*$",
        "repeat 2 with maps = [] {\n    relu\n    maps‹.append›(@)\n}",
        "write `$fix`",
        "a list has no method `$method`: `+` joins two lists",
        appended,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>repeat))\s+(?:\w+|\(\w+(?:\s*,\s*\w+)*\))\s+in\s+(?!\d+\s*\{)",
        "‹repeat› i in range(3) { relu }",
        "write `for`; `repeat 3 as i { ... }` counts too",
        "found `in` after `repeat`, but a loop over a list begins with `for`",
        "for",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>for\s+(?P<x>\w+)\s+in\s+(?P<xs>[^{}]+?)\s+(?P<at>as)\s+(?P<i>\w+))\s*(?=\{)",
        "for w in [8, 16] ‹as› i { relu }",
        "write `$fix`, which counts the elements from 0",
        "found `as`, but only `repeat` counts with it",
        "for ($i, $x) in enumerate($xs)",
        where="body",
    ),
    Habit(
        r"\bwith\s+(?:\w+\s*=\s*[^{}=]+,\s*)*(?P<at>(?P<name>[a-z_]\w*))\s*(?=[,{])",
        "repeat 3 with ‹total› {\n    relu\n    next total = 1\n}",
        "give it the value of the first round, as in `with $fix`",
        "`$name` has no first value",
        first_value,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<name>(?!(?:let|next|output|input|expect|train|net|block|import)\b)\w+)\s*"
        r"(?P<at>(?P<operator>\*\*|//|[-+*/])?=(?!=))\s*(?P<value>(?:[^={}]|\{\w+\})+?))\s*$",
        "for i in range(2) with w = 8 {\n    conv(w, 3)\n    w ‹=› w * 2\n}",
        "write `$fix`",
        "found `$at` after `$name`: what a loop carries into its next round is set with `next`",
        carried,
        where="body",
    ),
    Habit(
        r"^\s*(?:for|if|repeat|else)\b[^{}]*?(?P<fix>\s*(?P<at>\b(?:do|loop|begin|then)\b|=>|->))"
        r"(?=\s*\{)",
        "for i in range(3) ‹do› { relu }",
        "leave out `$at`",
        "found `$at` before the `{`",
        "",
    ),
    Habit(
        r"^\s*(?P<fix>repeat\s*\(?\s*(?P<i>[A-Za-z_]\w*)\s*(?P<at>,|=|<)\s*(?P<n>\w+)\)?)\s*"
        r"(?=\{)",
        "repeat i‹,› 3 { relu }",
        "write `$fix { ... }`",
        "the number of rounds must follow `repeat`, and then its variable",
        "repeat $n as $i",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>loop|do|times|iterate|for|repeat\s+for)\s+(?P<n>\d+)(?:\s+times)?)\s*"
        r"(?=\{)",
        "‹do› 3 times { relu }",
        "write `$fix { ... }`",
        "found `$at` before the number of rounds",
        "repeat $n",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>foreach|forall|for_each))\s+\w+\s+in\b",
        "‹foreach› w in [8, 16] { relu }",
        "write `for`",
        "found `$at`, but a loop over a list begins with `for`",
        "for",
    ),
    Habit(
        r"^\s*for\s+(?P<i>\w+)\s+(?:in|=|from)\s+(?P<at>(?P<a>\w+)\s*(?:to|until|upto|through|:)\s*"
        r"(?P<b>\w+))\s*(?=\{)",
        "for i in ‹0 to 3› { relu }",
        "write `for $i in range($a, $b)`, which counts from $a up to, but not including, $b",
        "found `$at`, but a list of numbers is written with `range`",
    ),
    Habit(
        r"^\s*(?P<fix>for\s+(?P<i>\w+)\s*(?P<at><)\s*(?P<n>\w+))\s*(?=\{)",
        "for i ‹<› 3 { relu }",
        "write `$fix { ... }`",
        "found `<` after the variable of a loop",
        "for $i in range($n)",
    ),
    Habit(
        rf"^\s*(?P<fix>(?:repeat|loop|stack|times)\s*\(?\s*(?P<layer>{_LAYERS})\s*[,\s]\s*"
        r"(?:times\s+|x\s*)?(?P<at>(?P<n>\d+))\)?(?:\s+times)?)\s*$",
        "repeat relu ‹3› times",
        "write `$fix`",
        "the number of rounds must follow `repeat`",
        repeated,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>repeat\s*\(\s*(?P<n>\d+)(?P<at>\s*,\s*)(?P<layer>{_LAYERS})\s*\))\s*$",
        "repeat(3‹, ›relu)",
        "write `$fix`",
        "the repeated layers are not in braces",
        repeated,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>(?P<n>\d+)\s*[x×*]|(?:loop|times)\s+(?P<m>\w+)))\s*\{",
        "‹3x› { relu }",
        "write `repeat $n$m { ... }`",
        "found `$at` before braces",
        "repeat $n$m",
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<n>\d+|[a-z]\w*(?=\s*[*×]))\s*(?P<at>[*xX×]|times\b|(?<=\d)\s)\s*"
        rf"(?P<layer>{_LAYERS}))\s*$",
        "3 ‹*› conv(8, 3)",
        "repeat layers with `$fix`",
        "found `$at` before a layer",
        repeated,
    ),
    Habit(
        r"^\s*(?P<fix>(?:(?P<name>\w+)\s*:\s*)?(?P<before>\w[^{}]*->\s*)?"
        r"(?P<at>(?P<n>\d+|[a-z]\w*(?=\s*[*×]|\s+x\s))(?:\s*(?:[*xX×]|times\b)|(?=\s)))\s*"
        rf"(?P<layer>{_CHAIN}))\s*$",
        "‹2 x› conv(3, 1) -> relu",
        "repeat layers with `$fix`",
        "found `$at` before a layer",
        repeated_chain,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<layer>{_LAYERS})\s*(?P<at>\*\*|[*x×^])\s*(?P<n>\d+))\s*$",
        "conv(8, 3) ‹x› 3",
        "repeat layers with `$fix`",
        "found `$at` after a layer",
        repeated,
    ),
    Habit(
        r"^\s*(?:repeat|for|if)\b[^{}]*?(?<!\bin)\s(?P<fix>(?P<at>[\[(])[^{}@]*[\])])\s*$",
        "repeat 2 ‹[›conv(3, 1), relu]",
        "write the layers in braces: `$fix`",
        "found `$at` before layers",
        grouped_line,
        where="body",
    ),
    Habit(
        r"\brepeat\s+\w+\s+(?P<fix>(?P<at>(?!(?:in|with|as|times)\b)[a-z]\w*)(?P<rest>.*))$",
        "repeat 3 ‹relu›",
        "write the repeated part in braces: `repeat 3 { $at$rest }`",
        "the repeated part is not in braces",
        "{ $at$rest }",
    ),
    Habit(
        r"^\s*(?P<fix>repeat\s+(?:(?P<i>[A-Za-z_]\w*)\s+(?P<at>in|of|from)\s+(?P<n>\d+)"
        r"|(?P<m>\w+)\s+(?P<dot>with|using|over)\s+(?P<k>\w+)))\s*(?=\{)",
        "repeat i ‹in› 3 { relu }",
        "write `$fix { ... }`",
        "the number of rounds must follow `repeat`, and then its variable",
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
        r"^\s*(?P<fix>for\s+\(?(?P<names>\w+(?:\s*,\s*\w+)+)\)?\s+in\s+"
        r"(?P<lists>(?:\[[^\[\]]*\]|\w+)(?P<at>\s*,)[^{}]*?))\s*(?=\{)",
        "for w, s in [8, 16]‹,› [1, 2] { conv(w, 3, s) }",
        "a loop has one list, which can be of pairs: write `$fix`",
        "found a second list",
        in_step,
    ),
    Habit(
        r"(?P<at>\b(?P<a>\w+)\s*\.\.+[=<]?\s*(?P<b>\w+))",
        "for i in range(‹1..3›) { relu }",
        "write `range($a, $b)`, which counts from $a up to, but not including, $b",
        "found `$at`, but a list of numbers is written with `range`",
    ),
    Habit(
        r"^\s*(?P<at>while|until|loop|foreach|do)\b",
        "‹while› true { relu }",
        "write a loop as `repeat 3 { ... }` or `for x in list { ... }`",
        "found `$at`, but the number of rounds of a loop must be known",
        part,
    ),
    Habit(
        r"^\s*(?P<fix>for\s*(?P<at>\()\s*(?:\w+\s+)?(?P<i>\w+)\s*=\s*0\s*;\s*(?P=i)\s*<\s*"
        r"(?P<n>\w+)\s*;"
        r"\s*(?:\+\+(?P=i)|(?P=i)\s*(?:\+\+|\+=\s*1))\s*\))",
        "for ‹(›int i = 0; i < 3; i++) { relu }",
        "write `$fix { ... }`",
        "this is a C loop",
        "for $i in range($n)",
    ),
    Habit(
        r"^\s*(?P<at>for\s*\([^{}]*;[^{}]*\))",
        "‹for (i = 1; i < 4; i += 2)› { relu }",
        "write `for i in range(1, 4) { ... }`",
        "this is a C loop",
    ),
    Habit(
        r"\bfor\s+\w+\s+in\s+(?P<at>(?P<a>\w+)\s*\.\.+[=<]?\s*(?P<b>\w+))",
        "for i in ‹0..3› { relu }",
        "write `range($a, $b)`, which counts from $a up to, but not including, $b",
        "found `$at`, but a list of numbers is written with `range`",
    ),
    Habit(
        r"^\s*for\s+\w+\s*(?P<at>=|:=|:|of\b|from\b).*",
        "for i ‹=› [1, 2] { relu }",
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
        r"^\s*for\s*(?P<at>\()\s*(?P<i>\w+)\s+in\s+.*",
        "for ‹(›i in 0:3) { relu }",
        "write `for $i in range(3) { ... }`, without parentheses around it",
        "found `(` after `for`",
    ),
)
