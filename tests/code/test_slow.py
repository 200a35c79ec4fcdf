"""The list of slow tests."""

from __future__ import annotations

import re

from tests.support.paths import ROOT, SLOW


def test_every_line_names_a_test() -> None:
    """The listed tests are in order, once each, and their functions exist."""
    lines = SLOW.read_text().splitlines()
    assert lines == sorted(set(lines))
    for line in lines:
        file, _, name = line.partition("::")
        function = re.escape(name.partition("[")[0])
        assert re.search(rf"^def {function}\(", (ROOT / file).read_text(), re.MULTILINE), line
