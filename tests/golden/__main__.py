"""Rewrite every golden file and the table in `docs/verify.md`: `python -m tests.golden`."""

from __future__ import annotations

from tests.golden.pages import make, pages
from tests.support import manual_tables

manual_tables.PAGE.write_text(manual_tables.page(), encoding="utf-8")
for path, source in pages():
    path.parent.mkdir(exist_ok=True)
    path.write_text(make(source), encoding="utf-8")
