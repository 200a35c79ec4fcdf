"""The fixes in the catalogue: each removes its error, and many programs have one."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run
from tests.wrong import catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wrong.catalogue import Case

CASES = catalogue.load()
LEAST_SHARE = 0.35  # of the programs, for which at least one error has a fix


def diagnostics(path: str) -> list[dict[str, object]]:
    """What `check` reports about a file."""
    out = io.StringIO()
    with redirect_stdout(out):
        run(["check", path, "--format", "json"])
    found: list[dict[str, object]] = json.loads(out.getvalue())["diagnostics"]
    return found


def fixed(text: str, fix: list[dict[str, object]]) -> str:
    """The text with the edits of a fix."""
    edits = sorted((int(str(e["start"])), int(str(e["end"])), str(e["text"])) for e in fix)
    for start, end, written in reversed(edits):
        text = text[:start] + written + text[end:]
    return text


def marks(found: list[dict[str, object]]) -> list[tuple[object, object]]:
    """The codes and messages of diagnostics."""
    return [(d["code"], d["message"]) for d in found]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_fixes_remove_their_error(case: Case, tmp_path: Path) -> None:
    """After the fix of one error is applied, there is one error less of its kind."""
    path = catalogue.written(case, tmp_path)
    found = diagnostics(path)
    for diagnostic in found:
        if not diagnostic["fix"]:
            continue
        (tmp_path / "n.net").write_text(fixed(case.text, diagnostic["fix"]), encoding="utf-8")  # type: ignore[arg-type]
        mark = (diagnostic["code"], diagnostic["message"])
        assert marks(diagnostics(path)).count(mark) < marks(found).count(mark)


def test_share_of_programs_with_a_fix(tmp_path: Path) -> None:
    """Many wrong programs have an error with a fix."""
    with_fix = 0
    for number, case in enumerate(CASES):
        path = catalogue.written(case, tmp_path / str(number))
        with_fix += any(diagnostic["fix"] for diagnostic in diagnostics(path))
    print(f"{with_fix} of {len(CASES)} programs have a fix")
    assert with_fix >= LEAST_SHARE * len(CASES)
