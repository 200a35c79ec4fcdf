"""Writes the reports of the planted edits: `python -m tests.diff`. Read the diff afterwards."""

from __future__ import annotations

from tests.diff.planted import PAGE, planted, report_of

text = PAGE.read_text(encoding="utf-8")
for edit in planted():
    place = text.index(f"## {edit.title}: {edit.file}:{edit.net}\n")
    start = text.index("```text\n", place) + len("```text\n")
    text = text[:start] + report_of(edit.difference()) + text[start + len(edit.report) :]
PAGE.write_text(text, encoding="utf-8")
