"""Symbols of other languages, and characters that only look like ours."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from netdsl.habits.base import Change, Habit, Matched

if TYPE_CHECKING:
    from netdsl.habits.base import Fix

_INVISIBLE = "\u00a0\u1680\u2000-\u200b\u200c\u200d\u202f\u205f\u2060\u3000\ufeff\u00ad"
_DASHES = "\u2010-\u2015\u2212\ufe58\ufe63"
TIMES = "×✕✖⨯∗·"
_STRING = re.compile(r'"[^"\n]*"|#[^\n]*')


def _everywhere(matched: Matched, characters: str, written: str | None = None) -> list[Change]:
    """The changes that replace such characters in the whole text, except in strings and comments.

    Without `written`, each becomes the plain character that it is a form of.
    """
    kept = [match.span() for match in _STRING.finditer(matched.text)]
    changes = []
    for match in re.finditer(f"[{characters}]", matched.text):
        if not any(start <= match.start() < end for start, end in kept):
            plain = unicodedata.normalize("NFKC", match[0]) if written is None else written
            changes.append((*match.span(), plain))
    return changes


def _blanks(matched: Matched) -> Fix:
    wide = _everywhere(matched, "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000", " ")
    narrow = _everywhere(matched, "\u200b\u200c\u200d\u2060\ufeff\u00ad", "")
    return sorted([*wide, *narrow])


def _wide(matched: Matched) -> Fix:
    return _everywhere(matched, "\uff01-\uff5e")


def _sizes(matched: Matched) -> Fix:
    """Sizes with the letter `x` and without blanks, if all parts can be written so."""
    parts = re.split(rf"\s*[{TIMES}xX*]\s*", matched.group("sizes").strip())
    if not re.fullmatch(r"\d+|[A-Z]\w*", parts[0]) or any("x" in part.lower() for part in parts):
        return None
    return "x".join(parts)


def _comment(matched: Matched) -> Fix:
    """`#` before every line of a comment between `/*` and `*/`."""
    start = matched.place("at")[0]
    end = matched.text.find("*/", start)
    if end < 0 or matched.text[end + 2 :].partition("\n")[0].strip():
        return None
    lines = matched.text[start + 2 : end].strip().split("\n")
    before = matched.text[matched.start : start]
    indentation = before if not before.strip() else ""
    words = [f"# {line.strip().lstrip('*').strip()}".rstrip() for line in lines]
    return [(start, end + 2, f"\n{indentation}".join(words))]


def _docstring(matched: Matched) -> Fix:
    """`#` before every line of a text between two triple quotes."""
    start, stop = matched.place("fix")
    end = matched.text.find(matched.text[stop - 3 : stop], stop)
    before = matched.text[matched.start : start]
    if end < 0 or before.strip():
        return None
    lines = matched.text[stop:end].strip().split("\n")
    return [(start, end + 3, f"\n{before}".join(f"# {line.strip()}".rstrip() for line in lines))]


def _statements(matched: Matched) -> Fix:
    """A new line in place of a `;` between two statements."""
    before = matched.text[matched.start : matched.place("at")[0]]
    if before.count("(") > before.count(")") or before.count("{") > before.count("}"):
        return None
    return "\n" + before[: len(before) - len(before.lstrip())]


def conjunction(matched: Matched) -> Fix:
    """`and` for `&&`, in a condition or value."""
    is_value = re.search(r"\b(?:if|expect)\b|=", matched.match.string[: matched.match.start()])
    return None if is_value is None else "and"


HABITS = (
    Habit(
        f"[{_INVISIBLE}]",
        "conv(8,‹\u00a0›3)",
        "write a plain space in its place",
        "found an invisible character that is not a plain space",
        _blanks,
    ),
    Habit(
        r"[\uff01-\uff5e]",
        "conv‹（›8, 3）",
        "write brackets, commas and colons as plain characters: `( , :`",
        "found a full-width character",
        _wide,
    ),
    Habit(
        rf"[{_DASHES}-]*[→⇒➔⟶➜➝↦▶]|[{_DASHES}]+\s*[>›»]|-[›»]",
        "relu ‹→› tanh",
        "chain layers with `->`: a minus sign and a greater-than sign",
        fix="->",
    ),
    Habit(
        r"expect\b.*?(?P<fix>(?P<at>=>|≥))",
        "expect params ‹=>› 3",
        "write `>=`",
        "found `$at`, but 'at least' is written `>=`",
        ">=",
    ),
    Habit(
        r"(?P<at>\|\s*>|=>|>>|~>|-->|-\s+>|:>|>>=|\|\|>|⊳|▷)",
        "relu ‹=>› tanh",
        "chain layers with `->`",
        "this arrow is not `->`",
        "->",
    ),
    Habit(
        rf"(?P<sizes>\b[\dA-Z]\w*(?:\s*[{TIMES}]\s*\w+)+)",
        "conv(8, ‹7×7›)",
        "write the letter `x` between sizes: `$fix`",
        "sizes have the letter `x` between them, not a multiplication sign",
        _sizes,
        "write sizes with the letter `x`, as in `3x224x224`, or as a list: `[3, n, n]`",
    ),
    Habit(
        r"(?P<sizes>\b[\dA-Z]\w*(?:\s+[xX]\s+\w+)+)",
        "input b: ‹3 x 32 x 32›",
        "write sizes without spaces: `$fix`",
        "sizes cannot contain spaces",
        _sizes,
        "write sizes without spaces: `3x32x32`",
    ),
    Habit(
        r"(?P<sizes>\b\d+(?:[xX](?:\d+|[A-Z]\b))+)(?=\W|$)",
        "conv(8, ‹3X3›)",
        "write a small `x` between sizes: `$fix`",
        "these sizes are not separated by a small `x`",
        lambda matched: None if "X" not in matched.group("sizes") else _sizes(matched),
    ),
    Habit(
        rf"[{_DASHES}]", "conv(8, 7 ‹–› 4)", "write a plain minus sign, `-`", "found a dash", "-"
    ),
    Habit(
        r"(?P<fix>(?P<at>'''(?P<text>[^']*)'''))\s*$",
        "‹'''A net.'''›",
        "write a comment after `#`: `# $text`",
        "found a string where a statement is expected",
        "# $text",
    ),
    Habit(
        r"'''",
        "‹'''›A net.",
        "begin every line of a comment with `#`",
        "there are no `'''` strings",
        _docstring,
        "begin every line of a comment with `#`",
    ),
    Habit(
        r"(?P<fix>,\s*(?:pad|padding)\s*=\s*(?P<at>['‘’`]valid['‘’`]))",
        "conv(8, 3, pad = ‹'valid'›)",
        "leave the argument out: without `pad`, nothing is added",
        "found a word in single quotes",
        "",
        where="body",
    ),
    Habit(
        r"(?:[(,]|(?<![=!<>])(?<!name)(?<!name )=)\s*"
        r"(?P<fix>(?P<at>['‘’`](?P<text>[a-z]\w*)['‘’`]))(?=\s*[,)])",
        "gelu(‹'tanh'›)",
        "write words without quotes: `$text`",
        "found a word in single quotes",
        "$text",
        where="body",
    ),
    Habit(
        r"^\s*(?:net|block)\b[^{]*=\s*"
        r"(?P<fix>(?P<at>['‘’`](?P<text>[a-z]\w*)['‘’`]))(?=\s*[,)])",
        "net N(act = ‹'relu'›) { input x: 3 }",
        "write words without quotes: `$text`",
        "found a word in single quotes",
        "$text",
        where="top",
    ),
    Habit(
        r"(?P<fix>(?:(?P<kind>[fFrRbB])(?=['\"]))?['‘’“”«»„`]"
        r"(?P<text>[^'\"‘’“”«»„`\n]*)['‘’“”«»`])",
        "param(3, name = ‹'tanh'›)",
        'write strings in double quotes: `"$text"`',
        "this string is not in plain double quotes",
        '"$text"',
    ),
    Habit(
        r"(?P<at>[fFrRbB]\"[^\"\n]*\")",
        'let s = ‹f"conv{3}"›',
        "leave out the letter before it; only labels contain `{...}`: `conv{i}: relu`",
        "this string has a letter before its quotes",
    ),
    Habit(
        r"(?P<at>['‘’“”„`])",
        "gelu(‹'›tanh)",
        'write strings in double quotes: `"text"`',
        "found a quote, but strings have plain double quotes",
    ),
    Habit(
        r"^\s*(?P<fix>\"\"\"(?P<text>[^\"]*)\"\"\")\s*$",
        '‹"""A net."""›',
        "write a comment after `#`: `# $text`",
        "found a string where a statement is expected",
        "# $text",
    ),
    Habit(
        r'"""',
        '‹"""›A net.',
        "begin every line of a comment with `#`",
        'there are no `"""` strings',
        _docstring,
        "begin every line of a comment with `#`",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>REM|rem|<!--)\s*(?P<text>.*?)\s*(?:-->)?)\s*$",
        "‹REM› the activation",
        "write a comment after `#`: `# $text`",
        "found `$at`, which does not start a comment",
        "# $text",
    ),
    Habit(
        r"^\s*(?P<at>/\*).*",
        "‹/*› a net */",
        "write a comment after `#`",
        "`/*` does not start a comment",
        _comment,
        "begin every line of a comment with `#`",
    ),
    Habit(
        r"/\*",
        "relu ‹/*› a */",
        "write comments after `#`",
        "`/*` does not start a comment",
        _comment,
        "begin every line of a comment with `#`",
    ),
    Habit(
        r"(?P<at>//)(?=\s*[A-Za-z]\w*\s+[A-Za-z].*|\s*$|\W*[A-Za-z]).*",
        "relu ‹//› the activation",
        "write comments after `#`",
        "`//` does not start a comment",
        lambda matched: [(*matched.place("at"), "#")],
    ),
    Habit(
        r"(?P<at>--|%|(?<=\s);+)(?=\s*[A-Za-z]+(?:\s+[A-Za-z]|\s*$)).*",
        "relu ‹--› the activation",
        "write comments after `#`",
        "found `$at`, which does not start a comment",
        lambda matched: [(*matched.place("at"), "#")],
    ),
    Habit(
        r"(?<=[\w)\] ])(?P<at>&&?|\bAND\b)(?=\s|\w+\s*[=<>{])",
        "if true ‹&&› false { relu }",
        "write `and`",
        "found `$at`, but conditions are joined with words",
        conjunction,
    ),
    Habit(
        r"(?P<at>\|\|)",
        "if true ‹||› false { relu }",
        "write `or`",
        "found `||`, but conditions are joined with words",
        "or",
    ),
    Habit(
        r"(?P<at>!)\s*(?!=)",
        "if ‹!›true { relu }",
        "write `not`",
        "found a single `!`: a condition is negated with a word",
        "not ",
    ),
    Habit(r"(?P<at>===)", "expect params ‹===› 3", "write `==`", "found `===`", "=="),
    Habit(
        r"(?P<at>!==|<>|≠|=/=|/=(?=\s*\d)|\bis\s+not\b)",
        "expect params ‹<>› 3",
        "write `!=`",
        "found `$at`, but 'not equal' is written `!=`",
        "!=",
    ),
    Habit(r"(?P<at>≤|=<)", "expect params ‹≤› 3", "write `<=`", "found `$at`", "<="),
    Habit(r"(?P<at>≥)", "if 3 ‹≥› 2 { relu }", "write `>=`", "found `≥`", ">="),
    Habit(
        r"(?P<name>[\w.]+(?:\([^()]*\))?)\s*(?P<at>~=?|≈|≃|=~|\+-|±)\s*(?P<n>\d[\d_.]*(?:e\d+)?)",
        "expect params ‹~› 80",
        "an `expect` is exact: write `$name == $n`, or two bounds with `<` and `and`",
        "found `$at`, but there is no comparison of nearly equal values",
    ),
    Habit(
        r"(?P<a>\w+)\s*(?P<at>\^)\s*(?P<b>\w+)",
        "conv(2 ‹^› 3, 1)",
        "write a power as `$a ** $b`",
        "found `^`, which is not an operator here",
        "$a ** $b",
    ),
    Habit(
        r"(?P<fix>(?P<c>(?!\s)(?:[^=,(){}?]|[=!<>]=|\([^()]*\))+?)\s*(?P<at>\?)"
        r"\s*(?P<a>[^:?]+?)\s*:\s*(?P<b>[^,){}]+?)"
        r"\s*(?=[,){}]|$))",
        "conv(3 > 2 ‹?› 8 : 4, 1)",
        "write `$a if $c else $b`",
        "found `?`, but a choice is written with words",
        "$a if $c else $b",
    ),
    Habit(
        r"(?P<name>\w+)\s*(?P<at>\+\+|--|[-+*/%]=(?!\s*@?[A-Za-z]))",
        "k ‹+=› 1",
        "a name keeps its value; give the new value another name with `let`",
        "found `$at`, but values do not change",
    ),
    Habit(
        r"(?P<at>\.\.\.|…)",
        "relu ‹...›",
        "write all layers, or `repeat 3 { ... }` for equal ones",
        "found `...`, but nothing can be left out",
    ),
    Habit(
        r"(?P<fix>\s*(?P<at>\\))\s*$",
        "conv(8, 3) ‹\\›",
        "leave it out: a statement goes on if the next line begins with `->`, and inside brackets",
        "found `\\`, but lines are not continued with it",
        "",
    ),
    Habit(
        r"(?P<at>\$)\{?(?P<name>\w+)\}?",
        "conv(‹$›k, 3)",
        "write a name without `$$`",
        "found `$$`",
        "$name",
    ),
    Habit(
        r"(?P<at>;+)\s*$",
        "relu -> tanh‹;›",
        "end the line without `;`",
        "found `;`, which is not used: a statement ends with its line",
        "",
    ),
    Habit(
        r"\([^()]*(?P<fix>(?P<at>;))[^()]*\)",
        "conv(8‹;› 3)",
        "separate arguments with commas",
        "found `;` between arguments",
        ",",
    ),
    Habit(
        r"(?P<fix>\s*(?P<at>;)\s*)(?=\S)",
        "relu‹;› tanh",
        "write each statement on a line of its own, without `;`",
        "found `;`, which is not used: a statement ends with its line",
        _statements,
        "write each statement on a line of its own, without `;`",
    ),
)
