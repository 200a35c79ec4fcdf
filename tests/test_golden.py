"""What is written today is what is kept: see `golden.py`."""

from __future__ import annotations

from pathlib import Path

import golden
import manual_tables
import pytest

PAGES = list(golden.pages())


@pytest.mark.parametrize(("path", "source"), PAGES, ids=[str(path.relative_to(golden.FOLDER)) for path, _ in PAGES])
def test_as_kept(path: Path, source: tuple[str, ...]) -> None:
    """A wanted change is written down by `python tests/golden.py` and read in the diff."""
    assert golden.make(source) == path.read_text(encoding="utf-8")


def test_nothing_else_is_kept() -> None:
    """No file is left of a layer, a net or a form that is gone."""
    kept = {p for p in golden.FOLDER.rglob("*") if p.is_file() and p.suffix != ".net"}
    assert kept == {path for path, _ in PAGES}


def test_the_manual_has_the_formulas_of_the_layers() -> None:
    """The table in `docs/verify.md` is what the docstrings of the rules give today."""
    assert manual_tables.page() == manual_tables.PAGE.read_text(encoding="utf-8")
