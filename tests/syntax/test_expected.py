"""The wording of syntax errors: what was expected, and where a line ends too early."""

from __future__ import annotations

import pytest

from netdsl.syntax.expected import continues_nothing, describe, general_help

LAYER, VALUE, TOP = (
    {"REPEAT", "FOR", "REFERENCE"},
    {"INTEGER", "FLOAT", "TRUE"},
    {"BLOCK", "NET", "IMPORT"},
)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (LAYER, "a layer"),
        (LAYER | {"NAME", "RBRACE"}, "a layer"),
        (LAYER - {"FOR"}, "a reference"),
        (LAYER | VALUE, "a layer"),
        (VALUE, "a value"),
        (VALUE | {"NAME"}, "a value"),
        (VALUE - {"TRUE"}, "a number"),
        (TOP, "`net`, `block`, `import`, `let` or `train`"),
        (TOP | {"$END"}, "`net`, `block`, `import`, `let` or `train`"),
        (TOP - {"IMPORT"}, "`block` or `net`"),
        ({"NAME"}, "a name"),
        ({"NAME", "LABEL"}, "a name or a label"),
        ({"NAME", "COMMA", "RPAR"}, "`)`, a name or `,`"),
        ({"NAME", "LABEL", "_NL", "INTEGER"}, "a name, a label, a new line or a number"),
        ({"NAME", "LABEL", "_NL", "INTEGER", "STRING"}, "a name, a label, a new line or a number"),
        ({"ARROW", "__ANON_0"}, "`->`"),
        ({"$END"}, "the end"),
        ({"$END", "PLUS"}, "the end"),
        ({"COMPARE", "$END"}, "`==`"),
        (set(), "something else"),
    ],
)
def test_what_was_expected(expected: set[str], words: str) -> None:
    """The names of tokens become words, at most four of them, and closing brackets come first.

    If every token that can begin a layer or a value is allowed, the word is "a layer" or "a value".
    """
    assert describe(expected) == words


def test_a_layer_at_the_top() -> None:
    """The help for a layer outside every net and block is to move it into their braces."""
    assert general_help(TOP, "`relu`") == "layers belong in the braces of a `net` or `block`"
    assert general_help(TOP - {"NET"}, "`relu`") is None


@pytest.mark.parametrize("word", ["->", "expect", "=", "+", "-", "*", "/", "and", "or", "not"])
@pytest.mark.parametrize("expected", [LAYER, VALUE])
def test_a_line_that_ends_too_early(word: str, expected: set[str]) -> None:
    """If a line ends with a word that must be followed by another, the error is at its end.

    This applies only if a layer or a value is expected, and if it is not on the same line.
    """
    text = f"relu\na {word}"
    for gap in ("\n", "  \n\n    "):
        assert continues_nothing(f"{text}{gap}tanh", len(text + gap), expected) == len(text)
        assert continues_nothing(f"{text}{gap}tanh", len(text + gap), {"NAME"}) is None
        assert continues_nothing(f"{word}{gap}tanh", len(word + gap), expected) == len(word)
    assert continues_nothing(f"{text} tanh", len(text) + 1, expected) is None
    assert continues_nothing(f"a {word} b\ntanh", len(word) + 5, expected) is None
    assert continues_nothing(f"a # {word}\ntanh", len(word) + 5, expected) is None
    assert continues_nothing("\ntanh", 1, expected) is None
