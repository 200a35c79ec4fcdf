"""Every fault that random programs and texts have found, as the smallest example in a file here.

If the first line of a file is `# error: code` or `# error: code, code`, the file is refused with
these codes. If it is `# check alone`, the file is only checked. All other files give the right
values in every back end.
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
    """The fault has not returned."""
    data = path.read_bytes()
    assert check_verdict(data, "text") is None
    first = data.decode("utf-8", "replace").split("\n")[0]
    codes = [d["code"] for d in report_of(data)["diagnostics"] if d["severity"] == "error"]
    if first.startswith("# error: "):
        assert first.removeprefix("# error: ").split(", ") == codes
        return
    assert [] == codes
    if first.startswith("# check alone"):
        return
    fault, _ = verdict(data.decode())
    assert fault is None, fault
