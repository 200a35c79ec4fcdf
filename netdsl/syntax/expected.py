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
}
_EXPRESSION = {"INTEGER", "FLOAT", "TRUE"}
_LAYER = {"REPEAT", "FOR", "REFERENCE"}

# What stands in the line, and what to write instead.
_HINTS = (
    (r"[<>]=?[^<>=]+[<>]", "one comparison at a time: `a < b and b < c`"),
    (r"[(,]\s*[\w.]+\s+[\w.]+\s*[),]", "a comma is missing between two arguments"),
    (r"->\s*$", "a `->` at the end of a line has nothing to lead to; `->` may begin the next line instead"),
    (r"\bConv2d|\bnn\.", "layers are written like `conv(64, 3)`: the input's channels are inferred"),
    (r"\bnet\s+\w+\s*:", "a net's body stands in braces: `net Name { ... }`"),
    (r"(?<![=!<>])=\s*\w+\s*\(.*\)\s*$", "a layer is named with a colon: `name: conv(8, 3)`"),
    (r"=>|→", "layers are chained with `->`"),
    (r"\w\s*;", "statements end with the line; there is no `;`"),
    (r"//|/\*", "comments begin with `#`"),
    (r"&&|\|\|", "write `and`, `or`, `not`"),
    (r"'", 'strings stand in double quotes: "text"'),
    (r"\)\s*\w+\(", "a `->` is missing between two layers"),
    (r"\binput\s+\w+\s+[\dA-Z]", "an input is written `input image: 3x224x224`"),
    (r"\binput\s*:", "an input has a name: `input image: 3x224x224`"),
)


def describe(expected: set[str]) -> str:
    """A short phrase for a set of terminals."""
    if expected >= _LAYER:
        return "a layer"
    if expected >= _EXPRESSION:
        return "a value"
    if expected >= {"BLOCK", "NET", "IMPORT"}:
        return "`net`, `block`, `import`, `let` or `train`"
    words = [w for t, w in _WORDS.items() if t in expected]
    closers = [w for w in words if w in ("`)`", "`]`", "`}`")]
    words = list(dict.fromkeys(closers + words))[:4]
    if not words:
        return "something else"
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def syntax_help(source: SourceFile, offset: int, expected: set[str], found: str) -> str | None:
    """Advice for the mistakes that people make."""
    line = source.line(source.location(offset).line)
    if "end of the file" in found and "RBRACE" in expected:
        return "a `{` above has no `}`"
    if found == "`}`" and not expected & {"RBRACE"}:
        return "this `}` closes nothing"
    code = line.split("#")[0]
    for pattern, advice in _HINTS:
        if re.search(pattern, code):
            return advice
    return None
