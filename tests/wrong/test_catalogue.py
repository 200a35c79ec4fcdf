"""The catalogue of wrong programs: each is refused at its place, with its code, its fact and its
advice; nothing heavy is loaded.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.wrong import catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wrong.catalogue import Case

CASES = catalogue.load()
LEAST_KINDS = 390
# What these say is all in the message: there is nothing more to advise.
ADVICE = 0.65


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_case(case: Case, tmp_path: Path) -> None:
    """The diagnostics are those of the page and no others: line, column, extent, code, message,
    advice; exit code 1.
    """
    code, said, printed = catalogue.check(case, tmp_path)
    assert case.wanted, "the page has no diagnostic for this program"
    assert sorted(case.wanted, key=str) == sorted(said, key=str)
    assert (code, printed) == (1, "")


def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    """No wrong program reaches PyTorch, onnx or onnxruntime, nor even numpy."""
    assert catalogue.heavy_modules(CASES, tmp_path) == []


def test_number_of_kinds() -> None:
    """The catalogue has as many kinds as it claims: sizes alone make no other kind."""
    kinds = {kind for case in CASES for kind in case.kinds}
    print(
        f"{len(CASES)} wrong programs, {len(kinds)} kinds, {len({code for code, _ in kinds})} codes"
    )
    assert len(kinds) >= LEAST_KINDS
    assert [title for title, n in Counter(case.name for case in CASES).items() if n > 1] == []


def test_messages_read_well() -> None:
    """A message is a fact: short, without a full stop, no address of an object in it; most have
    advice that does not repeat it.
    """
    said = [s for case in CASES for s in case.wanted]
    assert [
        s.message
        for s in said
        if s.message.endswith(".") or len(s.message) > 240 or " object at 0x" in s.message
    ] == []
    assert [s for s in said if s.help and s.help in s.message] == []
    assert sum(bool(s.help) for s in said) >= ADVICE * len(said)


def test_shapes_that_clash_are_named() -> None:
    """What is wrong with a size is said with the sizes themselves."""
    about_sizes = {
        "shape-mismatch",
        "window-too-large",
        "bad-groups",
        "bad-padding",
        "bad-slice",
        "bad-axis",
        "bad-size",
        "too-large",
        "index-out-of-range",
    }
    assert [
        s.message
        for case in CASES
        for s in case.wanted
        if s.code in about_sizes and not any(c.isdigit() for c in s.message)
    ] == []
