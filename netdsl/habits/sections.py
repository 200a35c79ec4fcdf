"""Slips in `train` sections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import closing, end_of_body
from netdsl.habits.expectations import measured
from netdsl.habits.training import ARGUMENTS, CALLS, ENTRIES, EXAMPLES, squeezed

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_NAMES = ("data", "augment", "loss", "optimizer", "schedule", "epochs", "batch", "metrics", "seed")
_RATES = {"learning_rate": "lr", "wd": "weight_decay", "eta": "lr"}  # names of other tools
_START = re.compile(r"(?<![\w.-])(?P<name>[A-Za-z][\w-]*)\s*(?::=|==|=>|->|<-|[:=])\s*")


def is_entry(name: str) -> bool:
    """Whether a name is that of an entry, here or in another tool."""
    return name in (*_NAMES, *ARGUMENTS) or squeezed(name) in ENTRIES


def _outside(text: str) -> str:
    """The text with `_` for each character in brackets or quotes."""
    depth, code, quoted = 0, "", False
    for character in text:
        quoted ^= character == '"'
        depth -= character in ")]}"
        code += "_" if (depth > 0 or quoted) and character != "\n" else character
        depth += character in "([{"
    return code


def _entries(text: str) -> list[tuple[str, str]]:
    """The names and values of entries, whatever is between them."""
    starts = list(_START.finditer(_outside(text)))
    if not starts:
        return []
    ends = [*(match.start() for match in starts[1:]), len(text)]
    return [
        (match["name"].replace("-", "_"), text[match.end() : end].strip(" \t\n,;"))
        for match, end in zip(starts, ends, strict=True)
    ]


def _lines(text: str) -> str | None:
    """A whole section in braces, with a line for each entry."""
    entries = [(name, value) for name, value in _entries(text) if value]
    if not entries:
        return None
    return "{\n" + "".join(f"    {name} = {value}\n" for name, value in entries) + "}"


def several(matched: Matched) -> Fix:
    """A line for each of several entries."""
    entries = _entries(matched.group("fix"))
    if len(entries) < 2 or not all(value and is_entry(name) for name, value in entries):
        return None
    line = matched.match.string
    indentation = line[: len(line) - len(line.lstrip())]
    return f"\n{indentation}".join(f"{name} = {value}" for name, value in entries)


def as_arguments(matched: Matched) -> Fix:
    """`optimizer = adam(lr = 0.001)` for `optimizer = "Adam", lr = 0.001`."""
    entries = _entries(matched.group("fix"))
    if len(entries) < 2:
        return None
    (first, value), *others = entries
    name = re.fullmatch(r"\"?([A-Za-z]\w*)\"?", value)
    renamed = [(_RATES.get(other, other), given) for other, given in others]
    is_other = any(ARGUMENTS.get(other) != first or not given for other, given in renamed)
    if name is None or is_other:
        return None
    given = [f"{other} = {given}" for other, given in renamed]
    return f"{first} = {name[1].lower()}({', '.join(given)})"


def one_entry(matched: Matched) -> Fix:
    """`=` between a name and its value, and nothing after the value."""
    changes = [(*matched.place("sign"), " = ")]
    if matched.group("end"):
        changes.append((*matched.place("end"), ""))
    return changes


def section(matched: Matched) -> Fix:
    """A section in braces, for one in other brackets or on one line."""
    opening = matched.place("at")[0]
    end = closing(matched.text, opening)
    if end is None:
        return None
    inside = matched.text[opening + 1 : end]
    written = _lines(inside)
    if written is None or (matched.group("at") == "{" and len(_entries(inside)) < 2):
        return None
    return [(matched.place("fix")[0], end + 1, f" {written}")]


def indented_section(matched: Matched) -> Fix:
    """A section in braces for a head with indented lines below it."""
    head_end = matched.start + len(matched.match.string.rstrip())
    end = end_of_body(matched.text, matched.text.find("\n", matched.start), 0)
    if end is None:
        return None
    written = _lines(matched.text[head_end:end])
    return None if written is None else [(matched.place("fix")[0], end, f" {written}")]


def called_section(matched: Matched) -> Fix:
    """A section for `Net.train(epochs = 3)`."""
    written = _lines(matched.group("entries"))
    is_net = re.search(rf"^\s*net\s+{matched.group('net')}\b", matched.text, re.MULTILINE)
    return f"train {matched.group('net')} {written}" if written and is_net else None


def moved_section(matched: Matched) -> Fix:
    """The section after the net that it is in."""
    opening, start = _last(matched, r"^[ \t]*train\b[^\n{]*(?P<open>\{)")
    net_opening, net_start = _last(matched, r"^[ \t]*net\s+(?P<name>\w+)[^{\n]*(?P<open>\{)")
    end, net_end = (closing(matched.text, place) for place in (opening, net_opening))
    name = re.compile(r"\s*net\s+(\w+)").match(matched.text, net_start)
    if end is None or net_end is None or name is None or not net_opening < start < end < net_end:
        return None
    written = _lines(matched.text[opening + 1 : end])
    if written is None:
        return None
    after = f"\n\ntrain {name[1]} {written}"
    line_end = matched.text.find("\n", end) + 1
    return [(start, line_end, ""), (net_end + 1, net_end + 1, after)]


def _last(matched: Matched, pattern: str) -> tuple[int, int]:
    """Where the brace of the last head above or in a line is, and where its line begins."""
    end = matched.start + len(matched.match.string)
    found = [
        (match.start("open"), match.start())
        for match in re.finditer(pattern, matched.text[:end], re.MULTILINE)
    ]
    return found[-1] if found else (len(matched.text) - 1, len(matched.text))


def call_of_braces(matched: Matched) -> Fix:
    """A call for an entry whose value is in braces."""
    opening = matched.place("at")[0]
    end = closing(matched.text, opening)
    if end is None:
        return None
    inside = matched.text[opening + 1 : end].strip()
    given = dict(_entries(inside))
    call = next((given.pop(key) for key in ("name", "type", "kind") if key in given), None)
    written = inside
    if given or call:
        if call is None:
            return None
        arguments = ", ".join(f"{name} = {value}" for name, value in given.items())
        written = f"{call.strip(chr(34))}({arguments})"
    elif not re.fullmatch(r"\w+(\(.*\))?", inside):
        return None
    return [(*_name_to(matched, end + 1), f"{matched.group('name')} = {written}")]


def _name_to(matched: Matched, end: int) -> tuple[int, int]:
    return matched.place("name")[0], end


def assigned(matched: Matched) -> Fix:
    """A `=` after the name of an entry."""
    return " = " if is_entry(matched.group("name")) else None


def underscored(matched: Matched) -> Fix:
    """A name with `_` for `-`."""
    return matched.group("at").replace("-", "_")


def valued(matched: Matched) -> Fix:
    """An entry with the value of an example."""
    name = matched.group("name")
    return Guess(f"{name} = {CALLS.get(name) or EXAMPLES[name]}")


def freed(matched: Matched) -> Fix:
    """An entry without `let`."""
    return "" if is_entry(matched.group("name")) else None


_EACH = "write each entry on a line of its own, as `name = value`"
_ANY = "|".join((*_NAMES, "batch_size", "lr"))

HABITS = (
    Habit(
        r"^\s*(?P<fix>(?P<at>(?P<name>optimizer|schedule|loss|data)\s*[:=].*))$",
        "‹optimizer = adam, lr = 0.001›",
        "the arguments of a value are in its parentheses: write `$fix`",
        "the arguments of `$name` are written as separate entries",
        as_arguments,
        where="train",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>(?:[A-Za-z]\w*)\s*[:=].*))$",
        "‹epochs = 3, batch = 32›",
        _EACH,
        "this line has several entries",
        several,
        where="train",
    ),
    Habit(
        r"^\s*(?P<name>[a-z]\w*)\s*(?::=|[:=])?\s*(?P<at>\{)",
        "optimizer ‹{› name = adam }",
        "write the value as a call: `optimizer = sgd(lr = 0.1)`",
        "found `{`, but the value of an entry has no braces",
        call_of_braces,
        "write the value as a call: `optimizer = sgd(lr = 0.1)`",
        where="train",
    ),
    Habit(
        r"^\s*(?P<name>[A-Za-z]\w*)(?P<sign>\s*(?P<at>:=|:|==|=>|->|<-|\bis\b)\s*)"
        r"(?P<value>\S.*?)(?P<end>\s*[,;]?)$",
        "epochs‹:› 3",
        "write an entry with `=`: `$name = $value`",
        "found `$at` after the name of an entry",
        one_entry,
        where="train",
    ),
    Habit(
        r"^\s*\w+\s*=.*?(?P<fix>(?P<at>,))\s*$",
        "epochs = 3‹,›",
        "leave out the comma: each entry has a line of its own",
        "found `,` at the end of an entry",
        "",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>let\s+))(?P<name>\w+)\s*=",
        "‹let ›epochs = 3",
        "leave out `let`: `$name = ...`",
        "found `let` before an entry",
        freed,
        "write it at the top of the file; an entry can use it: `epochs = $name`",
        where="train",
    ),
    Habit(
        r"^\s*(?P<name>[A-Za-z]\w*)(?P<fix>\s+)(?P<at>[\w\"\[].*)$",
        "epochs ‹3›",
        "write an entry with `=`: `$name = $at`",
        "`=` is missing after the name of an entry",
        assigned,
        where="train",
    ),
    Habit(
        r"=\s*(?P<call>[A-Za-z]\w*)\((?P<first>[^()]+)(?P<fix>\)\s*(?P<at>with|and|,)\s+"
        r"(?P<name>[a-z]\w*)\s*[=: ]\s*(?P<value>[\w.-]+))\s*$",
        "optimizer = sgd(lr = 0.1) ‹with› momentum 0.9",
        "write all arguments in the parentheses: `$call($first, $name = $value)`",
        "found `$at` after a value",
        ", $name = $value)",
        where="train",
    ),
    Habit(
        r"=\s*(?P<call>[A-Za-z]\w*)(?P<fix>\s*(?P<at>\{)(?P<arguments>[^{}]*)\})",
        "optimizer = sgd‹{›lr = 0.1}",
        "write arguments in parentheses: `$call($arguments)`",
        "found `{` before arguments",
        "($arguments)",
        where="train",
    ),
    Habit(
        r"=\s*(?P<call>[A-Za-z]\w*)(?P<fix>\s+(?P<at>-?\d[\w.-]*))\s*$",
        "optimizer = sgd ‹0.1›",
        "write arguments in parentheses: `$call($at)`",
        "the arguments of `$call` are not in parentheses",
        "($at)",
        where="train",
    ),
    Habit(
        r"=\s*(?P<number>[\d.]+)(?P<fix>\s+(?P<at>[A-Za-z]+))\s*$",
        "epochs = 10 ‹epochs›",
        "leave it out: numbers have no unit",
        "found `$at` after a number",
        "",
        where="train",
    ),
    Habit(
        r"=\s*(?P<fix>(?P<at>(?:[A-Za-z_]\w*\.)+))[A-Za-z_]\w*\(",
        "optimizer = ‹optim.›adam()",
        "leave out `$at`: names have no modules here",
        "found a module before a name",
        "",
        where="train",
    ),
    Habit(
        r"(?:^\s*|[(,]\s*)(?P<fix>(?P<at>[a-z]+(?:-[a-z]+)+))(?=\s*=)",
        "‹batch-size› = 3",
        "write `_` in a name: `$fix`",
        "found `-` in a name",
        underscored,
        where="train",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<name>{'|'.join(_NAMES)})\s*(?P<at>=?))\s*$",
        "epochs‹›",
        "give it a value: `$fix`",
        "entry `$name` has no value",
        valued,
        where="train",
    ),
    Habit(
        r"^\s*(?P<fix>)(?P<at>expect\s+(?P<figure>[a-z]\w*)).*",
        "‹expect accuracy› > 0.8",
        "$fix",
        "found `expect`, but a `train` section expects nothing of its results",
        measured,
        where="train",
    ),
    Habit(
        r"^\s*(?P<at>expect|if|repeat|for|input|output|aux|net|block"
        r"|[a-z_]\w*(?=\s*(?:\(|->|$))).*",
        "‹expect› params == 3",
        "a `train` section has only entries such as `epochs = 10`; the rest belongs in the net",
        "found `$at`, which is not an entry of a `train` section",
        where="train",
    ),
    Habit(
        r"^\s*(?P<at>train)\b[^\n]*\{.*",
        "‹train› N { epochs = 3 }",
        "write the section after the `}` of the net: `train $net { epochs = 3 }`",
        "this `train` section is inside a net or block",
        moved_section,
        "write the section after the `}` of the net: `train $net { epochs = 3 }`",
        where="body",
    ),
    Habit(
        r"^\s*(?P<at>\w+\s*[:=]).*",
        "‹train› {\n        epochs = 3\n    }",
        "write the section after the `}` of the net: `train $net { epochs = 3 }`",
        "this `train` section is inside a net or block",
        moved_section,
        "write the section after the `}` of the net: `train $net { epochs = 3 }`",
        where="nested",
    ),
    Habit(
        r"^\s*train\s+\w+(?P<fix>\s*(?P<at>[({])).*",
        "train N ‹(›epochs = 3)",
        "write the entries in braces, each on a line of its own: `epochs = 3`",
        "the entries of this section are not on lines of their own in braces",
        section,
        where="top",
    ),
    Habit(
        r"^\s*train\s+(?P<net>\w+)(?P<fix>(?P<at>\s*:?))\s*$",
        "train N‹:›\n    epochs = 3",
        "write the entries in braces: `train $net { ... }`",
        "the entries of this section are not in braces",
        indented_section,
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>(?:[Tt]rain(?:ing|er)?|TRAIN|[Ff]it)\b(?:\s+(?:of|net|for|on|the))*)"
        r"\s+(?P<net>[A-Z]\w*))(?=\s*\{)",
        "‹train of› N { epochs = 3 }",
        "write `train $net { ... }`",
        "a section begins with `train` and the name of the net",
        "train $net",
        where="top",
    ),
    Habit(
        rf"^\s*(?P<entry>(?P<at>(?:{_ANY})\s*[:=]).*)",
        "‹epochs =› 3",
        "write it in the `train` section of a net: `train Net { $entry }`",
        "this entry is outside a `train` section",
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>(?P<net>[A-Z]\w*)\.(?:train|fit)\s*\((?P<entries>.*)\)))\s*$",
        "net N {\n    input x: 3\n    relu\n}\n‹N.train(epochs = 3)›",
        "write a section: `train $net { epochs = 3 }`",
        "a net is trained as its `train` section describes",
        called_section,
        "write a section: `train Net { epochs = 3 }`",
        where="top",
    ),
)
