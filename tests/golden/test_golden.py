"""What is written today is what is kept: see `pages.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.pages import FOLDER, make, pages

PAGES = list(pages())


@pytest.mark.parametrize(("path", "source"), PAGES, ids=[str(path.relative_to(FOLDER)) for path, _ in PAGES])
def test_as_kept(path: Path, source: tuple[str, ...]) -> None:
    """A wanted change is written down by `python -m tests.golden` and read in the diff."""
    assert make(source) == path.read_text(encoding="utf-8")


def test_nothing_else_is_kept() -> None:
    """No file is left of a layer, a net or a form that is gone."""
    kept = {p for p in FOLDER.rglob("*") if p.is_file() and p.suffix not in (".net", ".py", ".pyc")}
    assert kept == {path for path, _ in PAGES}
