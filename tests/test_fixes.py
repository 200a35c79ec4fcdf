"""Fixes: which misspelt names have one, and how several are applied to a text."""

from __future__ import annotations

import pytest

from netdsl.diagnostics import Diagnostic, Edit, respelled
from netdsl.fixes import apply, fix_errors
from netdsl.source import SourceFile, Span

SOURCE = SourceFile("a.net", "one two three")
LAYERS = ["conv", "relu", "relu6", "prelu", "maxpool", "avgpool", "softmax", "bn"]


def _edit(start: int, end: int, text: str, source: SourceFile = SOURCE) -> Edit:
    return Edit(Span(source, start, end), text)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("cnov", "conv"),
        ("Conv", "conv"),
        ("convv", "conv"),
        ("rellu", "relu"),
        ("RELU", "relu"),
        ("maxpol", "maxpool"),
        ("mxapol", "maxpool"),
        ("sofmx", None),
        ("relu7", None),  # relu or relu6
        ("axpool", "maxpool"),
        ("pool", None),
        ("xyz", None),
    ],
)
def test_misspelt_names(name: str, meant: str | None) -> None:
    """A name is corrected only if one known name is closer than all others."""
    edits = respelled(Span(SOURCE, 0, 3), name, LAYERS)
    assert [edit.text for edit in edits] == [meant] * (meant is not None)


@pytest.mark.parametrize(
    ("term", "known"),
    [
        ("softmin", "softmax"),
        ("maxunpool", "maxpool"),
        ("minpool", "maxpool"),
        ("sru", "gru"),
        ("sum", "sub"),
        ("sin", "min"),
        ("sort", "sqrt"),
        ("nadam", "adam"),
        ("mae", "mse"),
        ("vflip", "hflip"),
        ("bfloat16", "float16"),
        ("int8", "uint8"),
        ("weight", "height"),
        ("conv2", "conv1"),
    ],
)
def test_terms_that_are_not_misspelt(term: str, known: str) -> None:
    """A term of the field is not taken for another one that differs by a letter."""
    assert respelled(Span(SOURCE, 0, 3), term, [known]) == ()


def test_several_fixes() -> None:
    """Fixes that overlap, or touch another file, are left out."""
    other = SourceFile("b.net", "one two three", "/b.net")
    fixes = [
        (_edit(0, 3, "1"), _edit(8, 13, "3")),
        (_edit(4, 7, "2"),),
        (_edit(6, 9, "x"),),
        (_edit(0, 3, "x", other),),
        (_edit(0, 3, "1"), _edit(8, 13, "3")),
    ]
    assert apply(SOURCE, fixes) == ("1 2 3", 2)
    assert apply(SOURCE, []) == ("one two three", 0)


def test_errors_are_fixed_until_none_has_a_fix() -> None:
    """A fix can uncover another error; warnings are not fixed, and a circle ends."""

    def diagnose(source: SourceFile) -> list[Diagnostic]:
        place = Span(source, 0, len(source.text))
        following = {"a": "b", "b": "c", "c": "a", "x": "y"}
        if source.text not in following:
            return [Diagnostic("bad-size", "no", place)]
        severity = "warning" if source.text == "x" else "error"
        fix = (Edit(place, following[source.text]),)
        return [Diagnostic("bad-size", "no", place, severity, fix=fix)]

    fixed = fix_errors(SourceFile("a.net", "a"), diagnose)
    assert (fixed.source.text, fixed.applied) == ("c", 2)
    assert fix_errors(SourceFile("a.net", "x"), diagnose).source.text == "x"
    assert fix_errors(SourceFile("a.net", "valid"), diagnose).applied == 0
