"""Words for syntax errors: what could have stood there, and what people usually meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.source import SourceFile

_WORDS = {
    "NAME": "a name",
    "LABEL": "a label",
    "_NL": "a new line",
    "INTEGER": "a number",
    "STRING": "a string",
    "REFERENCE": "a reference",
    "DIMS": "sizes",
    "WORDY_DIMS": "sizes",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "EQUAL": "`=`",
    "COMMA": "`,`",
    "VBAR": "`|`",
    "ARROW": "`->`",
    "__ANON_0": "`->`",
    "DOT": "`.`",
    "BLOCK": "`block`",
    "NET": "`net`",
    "IN": "`in`",
    "COMPARE": "`==`",
}
END = "the end of the file"
_EXPRESSION = {"INTEGER", "FLOAT", "TRUE"}
_TOP = {"BLOCK", "NET", "IMPORT"}
_LAYER = {"REPEAT", "FOR", "REFERENCE"}

_START = (  # of a layer
    r"(?:^|->|:|[|{]\s)\s*(?!(?:repeat|if|for|let|expect|input|output|import|return|in)\b)"
)

# What stands in the line, and what to write instead.
_HINTS = (
    (r"^\s*let\s+\w+\s*:", "a value is given with `=`: `let k = 3`"),
    (
        r"^\s*return\b",
        "a block's value is that of its last layer; a net puts one out with `output`",
    ),
    (r"^\s*import\s+\w[\w/]*\.", 'the path of a file stands in quotes: `import "heads.net"`'),
    (r"\w\s*[-+*/]=\s", "a name keeps its value; another `let` makes another"),
    (r"(?<![-=])[<>]=?[^<>=]*[^<>=-][<>]", "one comparison at a time: `a < b and b < c`"),
    (r"[(,]\s*[\w.]+\s+[\w.]+\s*[),]", "a comma is missing between two arguments"),
    (r"\b\d{1,3}(?:,\d{3})+\b", "digits are parted by underscores: `61_706`"),
    (r"[\dA-Z]\s+[xX]\s+[\dA-Z]\w*", "sizes are written without blanks: `3x32x32`"),
    (r"\binput\s+\w+\s*:\s*\w+\s*,", "sizes are joined by x: `3x224x224`"),
    (
        r"(?<![\w)\]])\.\d|(?<!\w)\d+\.(?!\w)",
        "a number has digits on both sides of its point: `0.5`",
    ),
    (r",\s*,", "between two commas a value is missing"),
    (
        r"^\s*def\b|^\s*class\b|^\s*function\b",
        "a piece that has a name is a block: `block Name(...) { ... }`",
    ),
    (r"\bblock\s+\w+\s*\{", "a block has parentheses, empty ones too: `block Name() { ... }`"),
    (r"\bblock\s+\w+\s*(\(.*\))?\s*:", "a block's body stands in braces: `block Name() { ... }`"),
    (r"\bnet\s+\w+\s+\w+\s*=", "parameters stand in parentheses: `net Name(classes = 10) { ... }`"),
    (r"^\s+import\b", "imports stand at the top of the file, outside of nets"),
    (r"^\s*else\b", "an `else` follows the `}` of its `if`"),
    (r"\belif\b", "it is written `else if`"),
    (r"^\s*while\b", "loops are `repeat 3 { ... }` and `for x in list { ... }`"),
    (r"\brepeat\s*\{", "say how often: `repeat 3 { ... }`"),
    (r"\bfor\s+\w+\s+(?!in\b)\w", "write `for x in list { ... }`"),
    (
        r"^\s*(data|augment|loss|optimizer|schedule|epochs|batch|metrics|seed)\s*:",
        "an entry is written with `=`: `epochs = 3`",
    ),
    (r"^\s*\w+\.[\w.]+\s*->", "the value at a label is taken up with `@`: `@a.b -> relu`"),
    (
        r"^\s*\|",
        (
            "arms are alone in their braces: each begins with a `|`, and nothing stands before the"
            " first"
        ),
    ),
    (r"^\s*let\s+\w+\s*$", "give it a value: `let k = 3`"),
    (r"^\s*input\s+\w+\s*:\s*$", "give its sizes: `input image: 3x224x224`"),
    (
        r"->\s*$",
        "a `->` at the end of a line has nothing to lead to; `->` may begin the next line instead",
    ),
    (
        r"\bConv2d|\bnn\.",
        "layers are written like `conv(64, 3)`: the input's channels are inferred",
    ),
    (r"\bnet\s+\w+\s*(\(.*\))?\s*:", "a net's body stands in braces: `net Name { ... }`"),
    (r"(?:^|->)\s*\w+\s*(?==\s*[A-Za-z_])", "a layer is named with a colon: `name: conv(8, 3)`"),
    (
        _START + r"[A-Za-z_]\w*(?:\s*\([^()]*\))?\s*\+",
        "values are added by a join: `add { | conv(8, 3) | relu }`",
    ),
    (_START + r"[A-Za-z_]\w*(?:\s+-?[\d.]|\s*\[)", "arguments stand in parentheses: `conv(64, 3)`"),
    (
        r"\{\s*[^|{}\s][^|{}]*\|",
        "each arm begins with a `|`, the first too: `concat { | relu | tanh }`",
    ),
    (_START + r"\w+\([^()]*\)\s*[.,|]|=>|→", "layers are chained with `->`"),
    (r"\brepeat\s+\w+\s+\w", "what is repeated stands in braces: `repeat 3 { ... }`"),
    (r"\w\s*;", "statements end with the line; there is no `;`"),
    (r"//\s*[A-Za-z]\w*\s+[A-Za-z]|//|/\*", "comments begin with `#`"),
    (r"&&|\|\|", "write `and`, `or`, `not`"),
    (r"'", 'strings stand in double quotes: "text"'),
    (r"\)\s*\w+\(", "a `->` is missing between two layers"),
    (r"\binput\s+\w+\s+[\dA-Z]", "an input is written `input image: 3x224x224`"),
    (r"\binput\s*[:\d(\[]", "an input has a name: `input image: 3x224x224`"),
)


_NO_CODE = re.compile(r'"[^"]*"|#.*')
_TOP_LEVEL = re.compile(r"(?:net|block|import|train)\b")


def describe(expected: set[str]) -> str:
    """A short phrase for a set of terminals."""
    if expected >= _LAYER:
        return "a layer"
    if expected >= _EXPRESSION:
        return "a value"
    if expected >= _TOP:
        return "`net`, `block`, `import`, `let` or `train`"
    words = [w for t, w in _WORDS.items() if t in expected]
    closers = [w for w in words if w in ("`)`", "`]`", "`}`")]
    words = list(dict.fromkeys(closers + words))[:4]
    if not words:
        return "the end" if "$END" in expected else "something else"
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def _unclosed(source: SourceFile, last: int) -> int | None:
    """The line of the brace that has no end, seen from another line: the first that a line does not
    stand inside of, or else the innermost.
    """
    opened: list[tuple[int, int]] = []  # lines, and how far they are indented
    for number in range(1, last + 1):
        code = _NO_CODE.sub("", source.line(number))
        margin = len(code) - len(code.lstrip())
        if (
            opened
            and code.strip()
            and (
                margin < opened[-1][1] or (margin == opened[-1][1] and code[margin] not in "}])|-")
            )
        ):
            break
        for c in code:
            if c == "{":
                opened.append((number, margin))
            elif c == "}" and opened:
                opened.pop()
    return opened[-1][0] if opened else None


def unclosed_bracket(source: SourceFile, offset: int, expected: set[str], found: str) -> str | None:
    """Advice to close the bracket because of which the text cannot go on as it does."""
    number, column = source.location(offset)
    line, before = source.line(number), column - 1
    if "RBRACE" in expected and (found == END or _TOP_LEVEL.match(line)):
        opening = _unclosed(source, number)
        if opening is not None:
            return f"the `{{` of line {opening} is not closed"
    if expected & {"RPAR", "RSQB"}:
        bracket = "(" if "RPAR" in expected else "["
        if found in ("`}`", "`->`"):
            return f"a `{bracket}` before this is not closed"
        if not line[:before].strip():
            return f"a `{bracket}` above is not closed"
    return None


def syntax_help(source: SourceFile, offset: int, expected: set[str], found: str) -> str | None:
    """Advice for the mistakes that people make.

    A mistake elsewhere in the line has nothing to do with the error.
    """
    number, column = source.location(offset)
    line, before = source.line(number), column - 1
    if found == "`=`" and "COMPARE" in expected:
        return "what is equal is asked with `==`"
    if found in ("`->`", "`,`") and "$END" in expected and "_NL" not in expected:
        return "several values are a list: `[a, b]`"
    if found == "`}`" and not expected & {"RBRACE"} and expected <= {"_NL", "$END"}:
        return "this `}` closes nothing"
    code = line.partition("#")[0]
    at = min(before, len(code))
    for pattern, advice in _HINTS:
        if any(
            m.start() <= at <= m.end() + 1 for m in re.finditer(pattern, code)
        ):  # a space may lie between
            return advice
    if expected >= _TOP:
        return "layers stand in the braces of a `net` or `block`"
    return None


# Characters that begin something which does not go on.
STRAY = {
    '"': 'a string has no closing `"` on its line',
    ":": "found `:`, which follows the name of a layer, a group or an input alone",
    "!": "found `!` alone: a condition is turned round with `not`",
    "@": "a reference has no name: it is written `@label`",
}


def is_top_level(expected: set[str]) -> bool:
    """Whether the text is outside of all nets and blocks there."""
    return expected >= _TOP and not expected >= _LAYER and not expected >= _EXPRESSION


def continues_nothing(text: str, start: int, expected: set[str]) -> int | None:
    """Where the line ends that should go on, if the error is the first word of a later line."""
    before = text[:start].rstrip()
    if "\n" not in text[len(before) : start] or (
        not expected >= _EXPRESSION and not expected >= _LAYER
    ):
        return None
    last = before.rpartition("\n")[2]
    return (
        len(before)
        if last.strip()
        and "#" not in last
        and last.split()[-1] in ("->", "expect", "=", "+", "-", "*", "/", "and", "or", "not")
        else None
    )
