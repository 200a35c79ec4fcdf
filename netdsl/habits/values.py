"""Values of other languages, and lines at the top of a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Habit
from netdsl.habits.statements import bracketed
from netdsl.library import block_file, library_file
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched


def imported(matched: Matched) -> Fix:
    """`import resnet` for a file of the library, and `import "a.net"` for another one."""
    name = matched.group("name")
    path = re.search(r"[\"'<]([\w./-]+\.net)[\"'>]", matched.group("fix"))
    if path is not None and matched.group("at") != "import":
        return f'import "{path[1]}"'
    return f"import {name}" if library_file(name) is not None else None


def without_import(matched: Matched) -> Fix:
    """Nothing for layers and composite layers, which need no import."""
    names = re.findall(r"\w+", matched.group("names"))
    is_known = all(name in LAYERS or block_file(name) is not None for name in names)
    return "" if is_known else None


def whole_file(matched: Matched) -> Fix:
    """Nothing after the name of a file of the library."""
    if library_file(matched.group("name")) is None:
        return None
    quote = matched.group("fix").endswith('"')
    return '"' if quote else ""


_ARGUMENTS = frozenset(declared.name for cls in LAYERS.values() for declared in cls.args)


def named_argument(matched: Matched) -> Fix:
    """A `=` between the name of an argument and its value."""
    return " = " if matched.group("name") in _ARGUMENTS else None


def argument(matched: Matched) -> Fix:
    """A `=` after the name of an argument, unless it is a parameter with a type or with sizes."""
    is_head = re.match(r"\s*(?:net|block)\b", matched.match.string)
    is_plain = re.match(r"-?[\d.]+$|\"|true|false", matched.group("value").strip())
    return None if is_head and not is_plain else " = "


HABITS = (
    Habit(
        r"[(,]\s*(?P<name>[a-z_]\w*)(?P<fix>\s*(?P<at>=>|:=|<-|:)\s*)(?P<value>[\w\"(\[-][^,)]*)",
        "conv(8, 3, stride‹:› 2)",
        "write an argument with `=`: `$name = $value`",
        "found `$at` after the name of an argument",
        argument,
    ),
    Habit(
        r"^\s*expect(?P<fix>\s*(?P<at>:|=|\bthat\b)\s*)(?=\S).*",
        "expect‹:› params == 10",
        "leave it out: `expect params == 80`",
        "found `$at` after `expect`",
        " ",
        where="body",
    ),
    Habit(
        r"[(,]\s*(?P<name>[a-z_]+)(?P<fix>\s+)(?P<at>\d[\w.]*)\s*(?=[,)])",
        "conv(8, 3, stride ‹2›)",
        "write `$name = $at`",
        "`=` is missing after the name of an argument",
        named_argument,
    ),
    Habit(
        r"^\s*repeat\s+\d+(?P<fix>(?P<at>x))(?=\s*\{)",
        "repeat 2‹x› { relu }",
        "leave out `x`: `repeat 3 { ... }`",
        "found `x` after the number of rounds",
        "",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<name>(?!inputs?\b|output\b)[a-z_]\w*)\s*[:=]\s*(?:input\s+)?"
        r"(?P<at>(?P<sizes>\d+(?:x(?:\d+|[A-Z]))+)))\s*$",
        "image: ‹3x8x8›",
        "write an input as `input $name: $sizes`",
        "found sizes where a layer is expected",
        "input $name: $sizes",
        where="body",
    ),
    Habit(
        r"\b(?:concat|add|mul|sub|max|residual)\s*\([^()]*?"
        r"(?P<fix>(?P<at>[&$^~%*]|@\s+))(?=[A-Za-z])",
        "a: relu -> add(‹&›a)",
        "references begin with `@`: `@label`",
        "found `$at` before the name of a label",
        "@",
        where="body",
    ),
    Habit(
        r"^\s*import\s+\"?(?P<name>[a-z]\w*)(?P<fix>(?P<at>(?::|\.(?!net\b))\w+)\"?)\s*$",
        "import resnet‹:ResNet18›",
        "an import takes all blocks and nets of a file: write `import $name`",
        "found `$at` after the name of a file",
        whole_file,
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>import\s+[\"'<]?(?P<name>[a-z]\w*)(?P<at>(?:\.net)?[\"'>]?\s*;?))\s*$",
        "import resnet‹.net›",
        "write `$fix`",
        "a file of the library is imported by its name only",
        imported,
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>from|use|using|include|require|load)\s+(?:[\w.]+\s+import\s+)?"
        r"(?P<names>[a-z]\w*(?:\s*,\s*[a-z]\w*)*)\s*;?)\s*$",
        "‹from› resnet import bottleneck",
        "leave the line out: `$names` can be used without it",
        "found `$at`, but layers need no import",
        without_import,
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>from|use|using|include|require|load|import)\s+[\"'<]?"
        r"(?P<name>[a-z]\w*)"
        r"(?:\.net)?[\"'>]?(?:\s+import\b.*)?\s*;?)\s*$",
        "‹use› resnet",
        "write `$fix`",
        "found `$at`, but a file is imported by `import`",
        imported,
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>(?:check|run|test|export|verify|draw|fmt|bench)\s+[\w.:]+)\s*$",
        "‹check N›",
        "type commands in a terminal: `netdsl check file.net`",
        "this is a command, not a part of a text",
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>[A-Z]\w*\s*\([^{}]*\)))\s*$",
        "‹N()›",
        "leave it out: `netdsl check` and the other commands use every net of a file",
        "a net is not called",
        "",
        where="top",
    ),
    Habit(
        r"^\s*(?P<head>block\s+\w+\s*\([^{}]*?\))(?P<fix>\s*(?P<at>=>|=|->)\s*"
        r"(?P<layers>[^{}=]+(?:=[^{}]*)?))$",
        "block B() ‹=› relu",
        "write the body in braces: `$head { $layers }`",
        "found `$at` before the body of a block",
        " { $layers }",
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>let\s+(?P<name>\w+)\s*=\s*(?P<layers>[a-z]\w*(?:\([^()]*\))?\s*"
        r"(?P<at>->).*))$",
        "let b = relu ‹->› tanh",
        "write a block: `block $name() { $layers }`",
        "a `let` can name one layer, but not a chain of layers",
        "block $name() { $layers }",
        where="top",
    ),
    Habit(
        r"\blet\s+\w+\s*=\s*(?P<fix>(?P<list>\{?\s*-?[\d.]+(?:\s*(?P<at>,)\s*-?[\d.]+)+\s*\}?))"
        r"\s*$",
        "let w = 8‹,› 16",
        "write the list in brackets: `$fix`",
        "this list has no brackets",
        bracketed,
    ),
    Habit(
        r"(?P<fix>(?P<list>\[\s*-?[\d.]+(?:(?P<at>\s*;\s*|\s+)-?[\d.]+)+\s*\]))",
        "let l = [1‹; ›2]",
        "separate elements with commas: `$fix`",
        "the elements of this list are not separated by commas",
        bracketed,
    ),
    Habit(
        r"\blet\s+\w+\s*=\s*(?P<at>(?P<a>\d+)\s*:\s*(?P<b>\d+))\s*$",
        "let l = ‹1:3›",
        "write `range($a, $b)`, which counts from $a up to, but not including, $b",
        "found `$at`, but a list of numbers is written with `range`",
    ),
    Habit(
        r"(?P<a>[\w)\]])(?P<fix>\s+(?P<at>div|DIV|quo)\s+)(?=[\w(])",
        "let n = 7 ‹div› 2",
        "write `//`",
        "found `$at`",
        " // ",
    ),
    Habit(
        r"(?P<a>[\w)\]])(?P<fix>\s+(?P<at>mod|MOD|rem)\s+)(?=[\w(])",
        "let n = 7 ‹mod› 4",
        "write `%`",
        "found `$at`",
        " % ",
    ),
    Habit(
        r"[=(,+*/-]\s*(?P<fix>(?P<at>\|)\s*(?P<a>-?\w+)\s*\|)",
        "let n = ‹|›3|",
        "write `abs($a)`",
        "found `|` around a number",
        "abs($a)",
    ),
    Habit(
        r"(?P<fix>\b(?P<a>[a-z_]\w*)(?P<at>\.)(?P<n>\d+))(?=\s*[,)])",
        "conv(l‹.›0, 3)",
        "an element of a list is written `$a[$n]`",
        "found a number after `.`",
        "$a[$n]",
    ),
    Habit(
        r"\bexpect\s+shape\([^()]*\)\s*==?\s*(?P<fix>(?P<n>\d+(?P<at>\s*,)\s*\d+(?:\s*,\s*\d+)*))",
        "expect shape(a) == 8‹,› 30, 30",
        "write the letter `x` between sizes: `$fix`",
        "found `,` between sizes",
        lambda matched: "x".join(matched.group("n").replace(" ", "").split(",")),
    ),
)
