"""The catalogue of wrong programs: each is refused with the diagnostics in the catalogue."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT
from tests.wrong import catalogue

if TYPE_CHECKING:
    from pathlib import Path

CASES = catalogue.load()
LEAST_KINDS = 1_000
ADVICE = 0.65  # the least share of diagnostics with help; others need nothing beyond the message


@pytest.mark.parametrize("page", sorted({case.file for case in CASES}))
def test_page(page: str, tmp_path: Path) -> None:
    """The diagnostics are exactly those of the page, and the exit code is 1."""
    cases = [case for case in CASES if case.file == page]
    assert [] == [case.title for case in cases if not case.wanted]
    results = [(case, catalogue.check(case, tmp_path / str(i))) for i, case in enumerate(cases)]
    assert {} == {
        case.title: (sorted(case.wanted, key=str), sorted(findings, key=str))
        for case, (_, findings, _) in results
        if sorted(case.wanted, key=str) != sorted(findings, key=str)
    }
    assert {} == {
        case.title: (code, printed)
        for case, (code, _, printed) in results
        if (code, printed) != (1, "")
    }


def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    """Checking every fifth wrong program imports neither PyTorch, onnx, onnxruntime nor numpy."""
    assert catalogue.heavy_modules(CASES[::5], tmp_path) == []


def test_number_of_kinds() -> None:
    """The catalogue has enough kinds of errors; errors that differ only in sizes are one kind."""
    kinds = {kind for case in CASES for kind in case.kinds}
    print(
        f"{len(CASES)} wrong programs, {len(kinds)} kinds, {len({code for code, _ in kinds})} codes"
    )
    claimed = re.search(r"more than ([\d,]+) kinds", (ROOT / "README.md").read_text("utf-8"))
    assert claimed is not None
    assert len(kinds) > int(claimed[1].replace(",", "")) >= LEAST_KINDS
    assert [title for title, n in Counter(case.name for case in CASES).items() if n > 1] == []


def test_messages_read_well() -> None:
    """Messages are short, without a full stop and without addresses of objects.

    Most diagnostics have help, which does not repeat the message.
    """
    findings = [f for case in CASES for f in case.wanted]
    assert [
        f.message
        for f in findings
        if f.message.endswith(".") or len(f.message) > 240 or " object at 0x" in f.message
    ] == []
    assert [f for f in findings if f.help and f.help in f.message] == []
    assert sum(bool(f.help) for f in findings) >= ADVICE * len(findings)


def test_messages_about_sizes_have_numbers() -> None:
    """A message about a size contains sizes: numbers, or the letters of open sizes."""
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
        f.message
        for case in CASES
        for f in case.wanted
        if f.code in about_sizes and not re.search(r"\d|[A-Z](?:x|, )[A-Z]", f.message)
    ] == []
