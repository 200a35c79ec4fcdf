"""Other ways to give a layer its name and its arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import braced, closing
from netdsl.habits.darknet import darknet_section
from netdsl.habits.entries import braced_entries, entry, section
from netdsl.habits.layers import find
from netdsl.habits.statements import is_layer, labels_above, returned

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_CALL = r"[A-Za-z_]\w*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?"
_VALUE = r"[\w.\"]+"
_PAIR = rf"[a-z_]\w*\s*[=:]\s*{_VALUE}"


def named(matched: Matched) -> Fix:
    """A colon between a name and its layer."""
    name, layer = matched.group("name"), matched.group("layer")
    is_word = name in ("output", "input", "expect", "let")
    if (
        is_word
        or not is_layer(matched, layer.split("(")[0])
        or is_layer(matched, name)
        or name in labels_above(matched)
    ):
        return None
    return f"{name}: {layer}{matched.group('rest')}"


def with_arguments(matched: Matched) -> Fix:
    """More arguments in the parentheses of a layer."""
    values = re.findall(r"[=:]\s*(\w+)", matched.group("pairs"))
    if not is_layer(matched, matched.group("kind")) or any(is_layer(matched, v) for v in values):
        return None
    pairs = re.sub(r"\s*[=:]\s*", " = ", matched.group("pairs").strip())
    inner = matched.group("inner").strip().rstrip(",")
    return f"{matched.group('kind')}({inner}{', ' if inner else ''}{pairs})"


def called_once(matched: Matched) -> Fix:
    """`conv(8, 3)` for `conv(8)(3)` and `conv<8>(3)`."""
    kind = matched.group("kind")
    if not is_layer(matched, kind):
        return None
    return f"{kind}({matched.group('a').strip()}, {matched.group('b').strip()})"


def member(matched: Matched) -> Fix:
    """`@a -> relu` for `a.relu`."""
    if matched.group("name") not in labels_above(matched):
        return None
    return f"@{matched.group('name')} -> {matched.group('layer')}"


def unbracketed(matched: Matched) -> Fix:
    """A layer or a chain without the brackets around it."""
    opening = matched.place("at")[0]
    if closing(matched.text, opening) != matched.place("fix")[1] - 1:
        return None
    return returned(matched) or None


def on_next_line(matched: Matched) -> Fix:
    """A label on the line of its layer, or before its group of indented lines."""
    if is_layer(matched, matched.group("name")):
        return None
    start, stop = matched.place("fix")
    following = re.compile(r"[ \t]*\n(?P<blank>[ \t]*)[A-Za-z_@{]").match(matched.text, stop)
    if following is None:
        return None
    line = matched.match.string
    if len(following["blank"]) <= len(line) - len(line.lstrip()):
        return [(start, following.end() - 1, ": ")]
    changes = braced(matched)
    if not isinstance(changes, list):
        return None
    return [(start, stop, ": {"), *changes[1:]]


def described(matched: Matched) -> Fix:
    """`maxpool(2)` for `max pool 2`, `max-pool(2)` and other names of two words."""
    row = find(matched.group("words").replace("-", "").replace(" ", ""))
    if row is None:
        return None
    words = re.findall(r"[\w.]+(?:\s*=\s*[\w.]+)?", matched.group("arguments"))
    arguments = ", ".join(re.sub(r"^(\d+)x\1$", r"\1", word) for word in words)
    return f"{row.ours}({arguments})" if arguments else row.ours


def put_out(matched: Matched) -> Fix:
    """`output relu` for `output(relu)` and `output -> relu`."""
    value = matched.group("value").strip()
    if matched.group("at") == "(":
        value = value.removesuffix(")")
    plain = re.fullmatch(r"\w+", value)
    if plain is not None and value in labels_above(matched):
        return f"output @{value}"
    layer = re.match(r"[A-Za-z_]\w*", value)
    if layer is None or not is_layer(matched, layer[0]):
        return None
    return f"output {value}"


def named_output(matched: Matched) -> Fix:
    """A colon between the name of an output and its layer."""
    name, layer = matched.group("name"), matched.group("layer").split("(")[0]
    is_free = not is_layer(matched, name) and name not in labels_above(matched)
    return ": " if is_free and is_layer(matched, layer) else None


def outputs(matched: Matched) -> Fix:
    """A line for each of the labels in `output a, b`."""
    names = re.findall(r"[A-Za-z_][\w.]*", re.sub(r"\band\b", ",", matched.group("names")))
    own = [name.rpartition(".")[2] for name in names]
    inputs = re.findall(r"\binput\s+(\w+)", matched.text)
    is_known = {name.split(".")[0] for name in names} <= labels_above(matched)
    if not is_known or len({*own}) < len(own) or {*own} & {*inputs}:
        return None
    line = matched.match.string
    indentation = line[: len(line) - len(line.lstrip())]
    pairs = zip(own, names, strict=True)
    return f"\n{indentation}".join(f"output {label}: @{name}" for label, name in pairs)


def chained(matched: Matched) -> Fix:
    """A chain for `a | b`, and for `a && b`, which could also mean that both take one value."""
    layers = re.split(r"\s*(?:&&?|\|\|?|->)\s*", matched.group("fix"))
    if not all(is_layer(matched, layer.split("(")[0]) for layer in layers):
        return None
    chain = " -> ".join(layers)
    return chain if matched.group("at") == "|" else Guess(chain)


def from_input(matched: Matched) -> Fix:
    """`@image -> relu` for `input -> relu`, if the text has an input."""
    found = re.search(r"\binput\s+(\w+)\s*:", matched.text[: matched.start])
    return None if found is None else f"@{found[1]} -> "


HABITS = (
    Habit(
        r"(?:^|->|:)\s*(?P<fix>(?P<at>(?P<words>[A-Za-z]+(?:[ -][A-Za-z]+)?[ -](?:pool|norm|relu"
        r"|max|connected|conv|average|dropout)\w*))(?:\s*(?P<arguments>\([^()]*\)|\d[\dx ,]*))?)"
        r"(?=\s*(?:->|$))",
        "‹max-pool›(2)",
        "write `$fix`",
        "the name of a layer must be one word",
        described,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>[“”'‘’«»`](?P<name>[A-Za-z_]\w*)[“”'‘’«»`])\s*:)",
        "‹“c1”›: conv(8, 3)",
        "write the name of a layer without quotes: `$fix`",
        "this name is in quotes",
        "$name:",
        where="body",
    ),
    Habit(
        r"^\s*aux\s+\w+(?P<fix>\s*(?P<at>:|=|->)\s*)(?=\{)",
        "aux head‹:› { relu }",
        "leave out `$at`: `aux head { ... }`",
        "found `$at` after the name of an `aux`",
        " ",
        where="body",
    ),
    Habit(
        r"^\s*aux\s*(?P<at>[:({])",
        "aux ‹{› relu }",
        "give it a name: `aux head { ... }`",
        "this `aux` has no name",
        where="body",
    ),
    Habit(
        r"^\s*(?P<name>[A-Za-z_]\w*)(?P<fix>\s*(?P<at>:)\s*)$",
        "c1‹:›\n    conv(8, 3)",
        "write the layer on the same line, `$name: conv(8, 3)`, or a group of layers in braces",
        "found nothing after the name of a layer",
        on_next_line,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<at>layer|node|op|module|stage|unit|def|var|val|const|name|label)\s+"
        rf"(?P<name>\w+)\s*(?::=|<-|=|:)\s*(?P<layer>{_CALL})(?P<rest>.*))$",
        "‹layer› c1: conv(8, 3)",
        "write only the name, a colon and the layer: `$fix`",
        "found `$at` before the name of a layer",
        named,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<name>[A-Za-z_]\w*)\s*(?P<at>\bis\b|\bbe\b|\bas\b|\bare\b|:\s*=|::|=>"
        rf"|~|-(?!>))\s*(?P<layer>{_CALL})(?P<rest>.*))$",
        "c1 ‹is› conv(8, 3)",
        "write a colon between them: `$fix`",
        "found `$at` between a name and a layer",
        named,
        where="body",
    ),
    Habit(
        rf"(?:^|->)\s*(?P<fix>(?P<layer>{_CALL})\s*(?P<at>\bas\b|\bnamed\b|\bname\b|\bcalled\b"
        r"|\blabel\b|\bid\b|:|=>)\s*\"?(?P<name>[A-Za-z_]\w*)\"?)(?P<rest>)\s*$",
        "conv(8, 3) ‹as› c1",
        "the name of a layer comes before it: `$fix`",
        "found `$at` after a layer",
        named,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<layer>[a-z_]\w*)\s*(?P<at>\[?\"?(?P<name>[A-Za-z_]\w*)\"?\]?)\s*"
        r"(?P<arguments>\(.*\)))(?P<rest>)\s*$",
        "conv ‹c1›(8, 3)",
        "the name of a layer comes before it: `$fix`",
        "found `$name` between a layer and its arguments",
        lambda matched: (
            f"{fix}{matched.group('arguments')}" if isinstance(fix := named(matched), str) else None
        ),
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<at>[(\[<])(?P<name>[A-Za-z_]\w*)[)\]>]\s*:?\s*(?P<layer>{_CALL})"
        r"(?P<rest>.*))$",
        "‹(›c1) conv(8, 3)",
        "write a name, a colon and the layer: `$fix`",
        "found `$at` before the name of a layer",
        named,
        where="body",
    ),
    Habit(
        r"(?P<at>\b\w+\s*[:=](?!=)\s*)",
        "conv { ‹out: ›8, k: 3 }",
        "write the layer with its arguments in parentheses: `$fix`",
        "found an entry in braces, but arguments are in parentheses",
        braced_entries,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>\[(?P<kind>\w+)\])\s*)$",
        "‹[conv]›\nfilters=8\nsize=3",
        "write it as `$fix`; `netdsl import FILE.cfg` reads a whole file",
        "this is a section of a Darknet file",
        darknet_section,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?:[-*]\s+)?(?P<kind>[A-Za-z_]\w*)(?P<at>\s*:)\s*)$",
        "conv‹:›\n        out: 8\n        k: 3",
        "write the layer with its arguments in parentheses: `$fix`",
        "found `:` after a layer, but arguments are in parentheses",
        section,
        where="body",
    ),
    Habit(
        r"(?:^|->|:\s)\s*(?P<fix>(?:[-*]\s+)?(?P<kind>[A-Za-z_]\w*)(?P<at>\s*[:,]\s*)[\[(]?"
        r"(?P<arguments>-?\d[\d.]*(?:x\d+)?(?:\s*,\s*-?\d[\d.]*(?:x\d+)?)*)[\])]?)\s*$",
        "conv‹: ›[8, 3]",
        "write arguments in parentheses: `$fix`",
        "the arguments of `$kind` are not in parentheses",
        entry,
        where="body",
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<fix>(?P<kind>[A-Za-z_]\w*)\((?P<inner>[^()]*)\)\s*(?:,|\bwith\b|@"
        r"|\[|\{)?"
        rf"\s*(?P<at>(?P<pairs>{_PAIR}(?:\s*,\s*{_PAIR})*))\s*[\]}}]?)\s*(?=->|$)",
        "conv(8, 3), ‹pad = 1›",
        "write all arguments in the parentheses: `$fix`",
        "found an argument after the parentheses of `$kind`",
        with_arguments,
        where="body",
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<fix>(?P<at>(?P<kind>[A-Za-z_]\w*)\s*[(<\[]\s*(?P<a>[\w\s,.=]+?)\s*[)>\]]"
        r"\s*\(\s*(?P<b>\d[^()]*)\)))",
        "‹conv(8)(3)›",
        "write all arguments in one pair of parentheses: `$fix`",
        "`$kind` has its arguments in two pairs of brackets",
        called_once,
        where="body",
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<fix>(?P<layer>[A-Za-z_]\w*)\s+(?P<at>-?\d[^()\[\]>]*\)))\s*(?=->|$)",
        "conv ‹8, 3)›",
        "write `$fix`",
        "a `(` is missing after `$layer`",
        lambda matched: (
            f"{matched.group('layer')}({matched.group('at')}"
            if is_layer(matched, matched.group("layer"))
            else None
        ),
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<name>[A-Za-z_]\w*)(?P<at>\.)(?P<layer>{_CALL}))\s*$",
        "a: relu\n    a‹.›tanh",
        "write `$fix`",
        "found `.` after the label `$name`, but a value has no methods",
        member,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>[&$^*%]|@(?=\s))\s*(?P<name>[A-Za-z_]\w*))\s*(?=->|$)",
        "‹&›image -> relu",
        "a reference is written `@$name`",
        "found `$at` before the name of a value",
        lambda matched: (
            f"@{matched.group('name')}"
            if re.search(rf"\b{matched.group('name')}\s*:", matched.text[: matched.start])
            else None
        ),
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>[(\[])(?P<value>[a-z_][^,]*)[)\]])\s*$",
        "‹(›relu -> tanh)",
        "write `$fix`",
        "found `$at` around a layer",
        unbracketed,
        where="body",
    ),
    Habit(
        rf"^\s*(?:\w+:\s*)?(?P<fix>{_CALL}\s*(?P<at>&&?|\|\|?)\s*{_CALL}"
        rf"(?:\s*(?:&&?|\|\|?|->)\s*{_CALL})*)\s*$",
        "conv(8, 3) ‹&&› relu",
        "chain layers with `->`: `$fix`",
        "found `$at` between layers",
        chained,
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<chain>{_CALL}\s*(?P<at>[/\\])\s*{_CALL}(?:\s*[/\\]\s*{_CALL})*))\s*$",
        "conv(8, 3)‹/›relu",
        "chain layers with `->`: `$fix`",
        "found `$at` between layers",
        lambda matched: re.sub(r"\s*[/\\]\s*", " -> ", matched.group("chain")),
        where="body",
    ),
    Habit(
        rf"^\s*output\s+(?P<name>[A-Za-z_]\w*)(?P<fix>\s+)(?P<at>(?P<layer>{_CALL}))\s*(?:->.*)?$",
        "output logits ‹relu›",
        "write a colon after the name of an output: `output $name: $layer`",
        "a colon is missing after the name of an output",
        named_output,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>outputs?\b\s*[:=]?\s*[\[(]?\s*(?P<names>@?[A-Za-z_][\w.]*\s*"
        r"(?P<at>(?:,|\band\b|(?<=\s))\s*@?[A-Za-z_][\w.]*)"
        r"(?:\s*(?:,|\band\b|\s)\s*@?[A-Za-z_][\w.]*)*)"
        r"\s*[\])]?)\s*$",
        "a: relu\n    b: relu\n    output a‹, b›",
        "write a line for each output: `$fix`",
        "this line has several outputs",
        outputs,
        "write a line for each output, as in `output a: @label` or `output logits: dense(10)`",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>output\s*(?P<at>->)\s*(?P<value>.*?))\s*$",
        "output ‹->› relu",
        "write `$fix`; a name can follow: `output logits: dense(10)`",
        "found `$at` after `output`",
        put_out,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>inputs?|in|x|data)\s*->\s*)(?=[A-Za-z_@{])",
        "‹input› -> relu",
        "the value of an input is a reference: `$fix...`",
        "found `$at` as a value",
        from_input,
        where="body",
    ),
    Habit(
        r"\binput\s+\w+\s*:\s*[\dA-Z]\w*(?P<fix>\s*(?P<at>->|=>|,|\s)\s*)(?=(?P<layer>[a-z_]\w*))",
        "input b: 3x8x8 ‹->› relu",
        "end the line after the sizes, and write `$layer` on a new line",
        "found `$at` after the sizes of an input",
        lambda matched: "\n    " if is_layer(matched, matched.group("layer")) else None,
    ),
    Habit(
        r"\binput\s+\w+\s*:\s*\S+?(?P<fix>\s*(?P<at>->|=>|,))\s*$",
        "input b: 3x8x8 ‹->›",
        "leave it out: an input ends with its line",
        "found `$at` after the sizes of an input",
        "",
        where="body",
    ),
)
