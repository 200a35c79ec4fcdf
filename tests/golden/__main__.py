"""Write every golden file anew: `python -m tests.golden`, then read the diff."""

from __future__ import annotations

from tests.golden.pages import make, pages

for path, source in pages():
    path.parent.mkdir(exist_ok=True)
    path.write_text(make(source), encoding="utf-8")
