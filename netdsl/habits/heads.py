"""Other ways to begin a net or block, and its parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Habit
from netdsl.habits.brackets import closing
from netdsl.habits.entries import part

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_HEAD = r"^\s*(?:net|block)\s+\w+\s*\("


def rebracketed(matched: Matched) -> Fix:
    """Braces in place of the brackets around a body."""
    start, end = matched.place("at")
    close = closing(matched.text, start)
    return None if close is None else [(start, end, "{"), (close, close + 1, "}")]


def bodied(matched: Matched) -> Fix:
    """Braces in place of the parentheses around the body of a net."""
    head = re.search(
        r"^\s*(?:net|block)\s+\w+\s*(\()\s*$", matched.text[: matched.start], re.MULTILINE
    )
    if head is None:
        return None
    start = head.start(1)
    close = closing(matched.text, start)
    return None if close is None else [(start, start + 1, "{"), (close, close + 1, "}")]


def worded(matched: Matched) -> Fix:
    """`net N` for `def N:` with an input in its body, and else `block N()`."""
    body = re.match(r"[^\n]*\n(?:[ \t]+[^\n]*\n|\n)*", matched.text[matched.start :])
    has_input = body is not None and re.search(r"^\s+input\b", body[0], re.MULTILINE)
    name, parameters = matched.group("name"), matched.group("parameters")
    if name in ("block", "net", "train", "input", "output", "let"):
        name = name.capitalize()
    if has_input:
        return f"net {name}{parameters if parameters.strip('() ') else ''}"
    return f"block {name}{parameters or '()'}"


def declared(matched: Matched) -> Fix:
    """The name of a block of the text whose head has a sign that names cannot have, everywhere."""
    name = matched.group("name")
    whole = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])")
    if not re.search(rf"^\s*block\s+{whole.pattern}", matched.text, re.MULTILINE):
        return None
    written = re.sub(r"\W+", "_", name)
    return [(*m.span(), written) for m in whole.finditer(matched.text)]


def listed_sizes(matched: Matched) -> Fix:
    """`[3, size, size]` for `3 x size x size`, if the text has these names above."""
    sizes = re.split(r"\s+[x×*]\s+|\s*[×*,]\s*", matched.group("fix"))
    names = [size for size in sizes if not size.isdigit()]
    above = matched.text[: matched.start]
    if not names or not all(re.search(rf"[(,\s]{name}\s*[=,)]", above) for name in names):
        return None
    return f"[{', '.join(sizes)}]"


_DERIVED = re.compile(r"^[ \t]*net\s+(\w+)\s*\(\s*(\w+)\s*\)\s*\{", re.MULTILINE)
_GIVEN = re.compile(r"(?:let\s+)?(\w+)\s*[:=]\s*([^{}@\n]+?)\s*[,;]?")


def derived(matched: Matched) -> Fix:
    """`net Big = Base(width = 64)` for `net Big extends Base { width = 64 }`."""
    text, start = matched.text, matched.place("fix")[0]
    name, base, end = matched.group("name"), matched.group("base"), matched.place("fix")[1]
    if not base:
        heads = list(_DERIVED.finditer(text, 0, start))
        if not heads or "}" in text[heads[-1].end() : start]:
            return None
        name, base = heads[-1].groups()
        start, end = heads[-1].start(), heads[-1].end() - 1
    if not re.search(rf"^\s*net\s+{base}\b", text, re.MULTILINE) or name == base:
        return None
    opening = re.compile(r"\s*([({])").match(text, end)
    if opening is None:
        return [(start, end, f"net {name} = {base}()")]
    last = closing(text, opening.start(1))
    if last is None or text[last + 1 :].partition("\n")[0].strip():
        return None
    inside = [line.strip() for line in re.split(r"[\n,;]", text[opening.end() : last])]
    given = [_GIVEN.fullmatch(line) for line in inside if line]
    if not all(given):
        return None
    arguments = ", ".join(f"{pair[1]} = {pair[2]}" for pair in given if pair is not None)
    return [(start, last + 1, f"net {name} = {base}({arguments})")]


HABITS = (
    Habit(
        r"^\s*input\s+(?P<name>[A-Za-z_]\w*)\s*:\s*"
        r"(?P<fix>(?P<at>(?:[a-z]\w*|\d+)(?:\s+[x×*]\s+|\s*[×*,]\s*)"
        r"(?:\w+(?:\s+[x×*]\s+|\s*[×*,]\s*))*\w+))\s*$",
        "let size = 8\n    input b: ‹3 x size x size›",
        "sizes with names are a list: write `$fix`",
        "sizes cannot contain spaces",
        listed_sizes,
        where="body",
    ),
    Habit(
        r"(?<![\w.-])(?P<fix>(?P<at>(?P<name>[A-Za-z_]\w*(?:[-.]\w+)+)))(?![\w.-])",
        "block ‹my-unit›() { relu }\nnet N { input x: 3\n    my-unit\n}",
        "names consist of letters, digits and `_`: `$fix`",
        "`$name` is not a name",
        declared,
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>export|public|static|private|begin|define|let|const|new|default"
        r"|the|type"
        r"|final|abstract|main|declare|start)\s+)(?=(?:net|block|train)\s+\w)",
        "‹export› net N { input x: 3 }",
        "leave out `$at`",
        "found `$at` before `net` or `block`",
        "",
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?:let\s+)?(?P<name>\w+)\s*(?P<at>=)\s*(?P<kind>net|block)\s*)(?=[({])",
        "let N ‹=› net { input x: 3 }",
        "write `$fix { ... }`",
        "found `=` before a net or block",
        "$kind $name ",
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>)(?P<at>(?P<name>[A-Z]\w*)(?:\s*\([^()]*\))?)\s*\{",
        "‹N› { input x: 3 }",
        "a net begins with `net`: write `net $name { ... }`",
        "found `$name` outside of all nets and blocks",
        lambda matched: [(matched.place("at")[0], matched.place("at")[0], "net ")],
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>def|class|function|fn|func|fun|sub|procedure)\s+(?P<name>\w+)\s*"
        r"(?P<parameters>(?:\((?!\s*self\b)[\w\s,=]*\))?))\s*:?\s*$",
        "‹def› B():\n    relu",
        "write `$fix { ... }`",
        "found `$at`, but a named part begins with `block`, and a whole net with `net`",
        worded,
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>net\s+(?P<name>\w+)\s*(?P<at>(?::|<|<-|\bextends\b|\bfrom\b|\bof\b)\s*"
        r"(?P<base>\w+))).*",
        "net Base(c = 3) {\n    input x: 3\n    dense(c)\n}\nnet Big ‹extends Base› { c = 4 }",
        "a net with the arguments of another one is `$fix`",
        "found `$at`: a net does not build on another",
        derived,
    ),
    Habit(
        r"^\s+(?P<fix>(?P<name>)(?P<base>)(?P<first>[a-z]\w*)\s*(?P<at>=)(?!=)).*",
        "net Base(c = 3) {\n    input x: 3\n    dense(c)\n}\nnet Big(Base) {\n    c ‹=› 4\n}",
        "a net with the arguments of another one is `$fix`",
        "found `=` in a net with the name of another one in its parentheses",
        derived,
    ),
    Habit(
        r"^\s*(?:net|block)\s+\w+\s*(?:\([^()]*\))?\s*(?P<at>(?:extends|implements|inherits|"
        r"from|of)\s+"
        r"[\w.]+)",
        "net N ‹extends M› { input x: 3 }",
        "leave it out: a part that several nets have is a `block`",
        "found `$at`, but a net does not build on another",
        where="top",
    ),
    Habit(
        r"^\s*(?:net|block)\s+\w+(?:\s*\([^()]*\))?\s*(?P<at>\[)\s*$",
        "net N ‹[›\n    input x: 3\n]",
        "write `{` here, and `}` below the body",
        "found `$at`, but bodies are in braces",
        rebracketed,
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>input\s+\w+\s*:)",
        "net N (\n    ‹input x:› 3\n    relu\n)",
        "write `{` in place of the `(` above, and `}` below the body",
        "found `$at` in parentheses, but bodies are in braces",
        bodied,
        where="brackets",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>end\b\s*\w*|endnet|endblock|fi|done))\s*$",
        "‹end›",
        "leave it out: a body ends with `}`",
        "found `$at` outside of all nets and blocks",
        "",
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>(?P<kind>block|net)\s+(?P<name>[A-Za-z]\w*)).*\{\s*",
        "‹block B›() { relu }",
        "move it out of these braces, above the net; then write `$name` where its layers belong",
        "found `$at` inside a net or block",
        part,
        where="body",
    ),
    Habit(
        _HEAD + r"(?:[^()]*?,)?\s*(?P<name>[a-z_]\w*)(?P<fix>\s+)(?P<at>\d[\w.]*)\s*(?=[,)])",
        "net N(c ‹10›) { input x: 3 }",
        "write `$name = $at`",
        "`=` is missing after the name of a parameter",
        " = ",
        where="top",
    ),
    Habit(
        _HEAD
        + r"(?:[^()]*?,)?\s*(?P<fix>(?P<at>int|float|bool|str|string|double|let|var|const|auto)\s+)"
        r"(?=\w+\s*[=,)])",
        "net N(‹int› c = 10) { input x: 3 }",
        "leave out `$at`: parameters have no types",
        "found `$at` before the name of a parameter",
        "",
        where="top",
    ),
    Habit(
        r"^\s*(?P<name>[a-z_]\w*)(?P<fix>\s*(?P<at>:)\s*)(?P<value>[\d\"\[(-][^,()]*)",
        "conv(8, 3,\n        stride‹:› 2)",
        "write `$name = $value`",
        "found `:` after the name of an argument",
        " = ",
        where="brackets",
    ),
)
