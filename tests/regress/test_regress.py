"""Every fault that random programs and texts have found, by its smallest example: tests/regress
holds them, one file a fault.

A file whose first line is `# error: code` is refused with that code; `# check alone` says that it
is not run; any other is right in every back end. `check` takes each.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.check import report_of
from tests.fuzz.check import verdict as check_verdict
from tests.fuzz.verdict import verdict
from tests.support.paths import REGRESS

FILES = sorted(REGRESS.glob("*.net"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_regress(path: Path) -> None:
    """The fault has not come back."""
    data = path.read_bytes()
    assert check_verdict(data, "text") is None
    first = data.decode("utf-8", "replace").split("\n")[0]
    codes = [d["code"] for d in report_of(data)["diagnostics"] if d["severity"] == "error"]
    if first.startswith("# error: "):
        assert [first.removeprefix("# error: ")] == codes
        return
    assert [] == codes
    if first.startswith("# check alone"):
        return
    found, _ = verdict(data.decode())
    assert found is None, found
