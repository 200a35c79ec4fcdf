"""An error in a loop names the round that it is in."""

from __future__ import annotations

import pytest

import netdsl

CASES = {
    "the third round": (
        "repeat 5 { conv(8, 3) \n relu }",
        ["`relu` here gives 8x1x1", "this is in round 4 of 5"],
    ),
    "a value of the variable": (
        "for w in [8, 0] { conv(w, 1) }",
        ["this is in round 2 of 2, with w = 0"],
    ),
    "the first round, because of its variable": (
        "repeat 2 as i { conv(i, 1) }",
        ["this is in round 1 of 2, with i = 0"],
    ),
    "the first round, whatever its variable": ("repeat 2 as i { conv(0, 1) -> dropout(i) }", []),
    "a loop of one round": ("for w in [0] { conv(w, 1) }", []),
    "two loops": (
        "for w in [8, 4] { repeat 2 as i { conv(w - 4 + i, 1) } }",
        ["this is in round 1 of 2, with i = 0, and in round 2 of 2, with w = 4"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rounds_are_named(case: str) -> None:
    """The first round is named only if the error depends on it."""
    body, notes = CASES[case]
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(f"net A {{ input image: 3x7x7 \n {body} }}")
    assert [note.message for note in caught.value.diagnostics[0].notes] == notes


def test_rounds_of_calls() -> None:
    """The call that leads to the error names the round of the loop around it."""
    text = "block B(w) { conv(w, 1) }\nnet A { input image: 3x7x7 \n for w in [1, 0] {\n B(w) \n} }"
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(text)
    (diagnostic,) = caught.value.diagnostics
    assert [note.message for note in diagnostic.notes] == [
        "reached through this call, in round 2 of 2, with w = 0",
    ]
    (note,) = diagnostic.notes
    assert note.span is not None
    assert note.span.text == "B(w)"
