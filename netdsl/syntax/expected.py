"""Words for syntax errors: what the grammar allows there, and advice for common mistakes."""

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
_OPERATORS = ("->", "expect", "=", "+", "-", "*", "/", "and", "or", "not")  # a line cannot end so
_EXPRESSION = {"INTEGER", "FLOAT", "TRUE"}
_TOP = {"BLOCK", "NET", "IMPORT"}
_LAYER = {"REPEAT", "FOR", "REFERENCE"}

_START = (  # before a layer
    r"(?:^|->|:|[|{]\s)\s*(?!(?:repeat|if|for|let|expect|input|output|import|return|in)\b)"
)

# Patterns of lines with common mistakes, each with advice.
_HINTS = (
    (r"^\s*let\s+\w+\s*:", "`let` takes `=`: `let k = 3`"),
    (
        r"^\s*return\b",
        "the result of a block is that of its last layer; a net names its results with `output`",
    ),
    (r"^\s*import\s+\w[\w/]*\.", 'write the path of a file in quotes: `import "heads.net"`'),
    (r"\w\s*[-+*/]=\s", "a name keeps its value; give the new value another name with `let`"),
    (
        r"(?<![-=])[<>]=?[^<>=]*[^<>=-][<>]",
        "comparisons cannot be chained: write `a < b and b < c`",
    ),
    (r"[(,]\s*[\w.]+\s+[\w.]+\s*[),]", "a comma is missing between two arguments"),
    (r"\b\d{1,3}(?:,\d{3})+\b", "separate digits with underscores: `61_706`"),
    (r"[\dA-Z]\s+[xX]\s+[\dA-Z]\w*", "write sizes without spaces: `3x32x32`"),
    (r"\binput\s+\w+\s*:\s*\w+\s*,", "write `x` between sizes: `3x224x224`"),
    (
        r"(?<![\w)\]])\.\d|(?<!\w)\d+\.(?!\w)",
        "a number needs digits on both sides of its decimal point: `0.5`",
    ),
    (r",\s*,", "a value is missing between two commas"),
    (
        r"^\s*def\b|^\s*class\b|^\s*function\b",
        "define a named part as a block: `block Name(...) { ... }`",
    ),
    (
        r"\bblock\s+\w+\s*\{",
        "a block needs parentheses, even without parameters: `block Name() { ... }`",
    ),
    (
        r"\bblock\s+\w+\s*(\(.*\))?\s*:",
        "write the body of a block in braces: `block Name() { ... }`",
    ),
    (r"\bnet\s+\w+\s+\w+\s*=", "write parameters in parentheses: `net Name(classes = 10) { ... }`"),
    (r"^\s+import\b", "imports belong at the top of the file, outside of nets"),
    (r"^\s*else\b", "write `else` after the `}` of its `if`"),
    (r"\belif\b", "write `else if` instead of `elif`"),
    (r"^\s*while\b", "write a loop as `repeat 3 { ... }` or `for x in list { ... }`"),
    (r"\brepeat\s*\{", "give the number of repetitions: `repeat 3 { ... }`"),
    (r"\bfor\s+\w+\s+(?!in\b)\w", "write `for x in list { ... }`"),
    (
        r"^\s*(data|augment|loss|optimizer|schedule|epochs|batch|metrics|seed)\s*:",
        "write an entry with `=`: `epochs = 3`",
    ),
    (r"^\s*\w+\.[\w.]+\s*->", "refer to the value at a label with `@`: `@a.b -> relu`"),
    (
        r"^\s*\|",
        "begin every arm with `|`, and write nothing before the first one",
    ),
    (r"^\s*let\s+\w+\s*$", "give it a value: `let k = 3`"),
    (r"^\s*input\s+\w+\s*:\s*$", "give its sizes: `input image: 3x224x224`"),
    (
        r"->\s*$",
        "a line cannot end with `->`; begin the next line with it instead",
    ),
    (
        r"\bConv2d|\bnn\.",
        "write a layer like `conv(64, 3)`: the channels of the input are inferred",
    ),
    (r"\bnet\s+\w+\s*(\(.*\))?\s*:", "write the body of a net in braces: `net Name { ... }`"),
    (r"(?:^|->)\s*\w+\s*(?==\s*[A-Za-z_])", "name a layer with a colon: `name: conv(8, 3)`"),
    (
        _START + r"[A-Za-z_]\w*(?:\s*\([^()]*\))?\s*\+",
        "add values with a join: `add { | conv(8, 3) | relu }`",
    ),
    (_START + r"[A-Za-z_]\w*(?:\s+-?[\d.]|\s*\[)", "write arguments in parentheses: `conv(64, 3)`"),
    (
        r"\{\s*[^|{}\s][^|{}]*\|",
        "begin every arm with `|`, even the first: `concat { | relu | tanh }`",
    ),
    (_START + r"\w+\([^()]*\)\s*[.,|]|=>|→", "chain layers with `->`"),
    (r"\brepeat\s+\w+\s+\w", "write the repeated part in braces: `repeat 3 { ... }`"),
    (r"\w\s*;", "a statement ends with its line, without `;`"),
    (r"//\s*[A-Za-z]\w*\s+[A-Za-z]|//|/\*", "comments begin with `#`"),
    (r"&&|\|\|", "write `and`, `or`, `not`"),
    (r"'", 'write strings in double quotes: "text"'),
    (r"\)\s*\w+\(", "a `->` is missing between two layers"),
    (r"\binput\s+\w+\s+[\dA-Z]", "write an input as `input image: 3x224x224`"),
    (r"\binput\s*[:\d(\[]", "an input needs a name: `input image: 3x224x224`"),
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
    words = [word for terminal, word in _WORDS.items() if terminal in expected]
    closing = [word for word in words if word in ("`)`", "`]`", "`}`")]
    words = list(dict.fromkeys(closing + words))[:4]
    if not words:
        return "the end" if "$END" in expected else "something else"
    if len(words) == 1:
        return words[0]
    return ", ".join(words[:-1]) + " or " + words[-1]


def _unclosed(source: SourceFile, last: int) -> int | None:
    """The line of the brace that is not closed, judging by the lines up to `last`.

    It is the innermost open brace above the first line that is not indented inside of its brace,
    or else the innermost brace that is open after line `last`.
    """
    opened: list[tuple[int, int]] = []  # the line of each open brace, and its indentation
    for number in range(1, last + 1):
        code = _NO_CODE.sub("", source.line(number))
        indentation = len(code) - len(code.lstrip())
        if opened and code.strip() and _is_outside(code, indentation, opened[-1][1]):
            break
        for character in code:
            if character == "{":
                opened.append((number, indentation))
            elif character == "}" and opened:
                opened.pop()
    if not opened:
        return None
    return opened[-1][0]


def _is_outside(code: str, indentation: int, outer: int) -> bool:
    """Whether a line is outside of a body whose first line is indented by `outer`."""
    if indentation == outer:
        return code[indentation] not in "}])|-"
    return indentation < outer


def unclosed_bracket(source: SourceFile, offset: int, expected: set[str], found: str) -> str | None:
    """Advice to close a bracket, if an open one is the reason for the error."""
    number, column = source.location(offset)
    line, before = source.line(number), column - 1
    if "RBRACE" in expected and (found == END or _TOP_LEVEL.match(line)):
        opening = _unclosed(source, number)
        if opening is not None:
            return f"the `{{` on line {opening} is not closed"
    if expected & {"RPAR", "RSQB"}:
        bracket = "["
        if "RPAR" in expected:
            bracket = "("
        if found in ("`}`", "`->`"):
            return f"a `{bracket}` before this is not closed"
        if not line[:before].strip():
            return f"a `{bracket}` above is not closed"
    return None


def syntax_help(source: SourceFile, offset: int, expected: set[str], found: str) -> str | None:
    """Advice for common mistakes, if one is at `offset`.

    A mistake elsewhere in the line has nothing to do with the error.
    """
    number, column = source.location(offset)
    line, before = source.line(number), column - 1
    if found == "`=`" and "COMPARE" in expected:
        return "compare with `==`"
    if found in ("`->`", "`,`") and "$END" in expected and "_NL" not in expected:
        return "write several values as a list: `[a, b]`"
    if found == "`}`" and not expected & {"RBRACE"} and expected <= {"_NL", "$END"}:
        return "this `}` has no opening `{`"
    code = line.partition("#")[0]
    at = min(before, len(code))
    for pattern, advice in _HINTS:
        for match in re.finditer(pattern, code):
            if match.start() <= at <= match.end() + 1:  # a space may come between
                return advice
    if expected >= _TOP:
        return "layers belong in the braces of a `net` or `block`"
    return None


# Messages for characters that the grammar uses only as parts of longer tokens.
STRAY = {
    '"': 'a string has no closing `"` on its line',
    ":": "found `:`, which only follows the name of a layer, a group or an input",
    "!": "found a single `!`: negate a condition with `not`",
    "@": "a reference has no name: write `@label`",
}


def is_top_level(expected: set[str]) -> bool:
    """Whether the place where these terminals are expected is outside of all nets and blocks."""
    return expected >= _TOP and not expected >= _LAYER and not expected >= _EXPRESSION


def continues_nothing(text: str, start: int, expected: set[str]) -> int | None:
    """The end of the line before the error, if that line is incomplete.

    That is so if a layer or a value is expected, the error is at the first word of a later line,
    and the last word before it is an operator.
    """
    if not (expected >= _EXPRESSION or expected >= _LAYER):
        return None
    before = text[:start].rstrip()
    if "\n" not in text[len(before) : start]:
        return None
    last = before.rpartition("\n")[2]
    if not last.strip() or "#" in last or last.split()[-1] not in _OPERATORS:
        return None
    return len(before)
