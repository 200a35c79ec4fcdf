"""The words of syntax errors, apart from the grammar: what could have stood there, and where a line
ends that should go on.
"""

from __future__ import annotations

import pytest

from netdsl.source import SourceFile
from netdsl.syntax.expected import continues_nothing, describe, syntax_help

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
def test_what_could_have_stood_there(expected: set[str], words: str) -> None:
    """A kind of thing where all that begins it is allowed; else at most four words, brackets that
    close first.
    """
    assert describe(expected) == words


def test_a_layer_at_the_top() -> None:
    """Where only nets and blocks may stand, what stands there belongs into their braces."""
    source = SourceFile("n.net", "relu")
    assert (
        syntax_help(source, 0, TOP, "`relu`") == "write layers in the braces of a `net` or `block`"
    )
    assert syntax_help(source, 0, TOP - {"NET"}, "`relu`") is None


@pytest.mark.parametrize("word", ["->", "expect", "=", "+", "-", "*", "/", "and", "or", "not"])
@pytest.mark.parametrize("expected", [LAYER, VALUE])
def test_a_line_that_does_not_go_on(word: str, expected: set[str]) -> None:
    """The error is where the line ends, however far the next word is; not where the word stands on
    the same line or another could.
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
