"""The examples in the docstrings of the Python API."""

from __future__ import annotations

import doctest

from netdsl import api


def test_examples_give_what_they_show() -> None:
    """Every public function has an example, and each example gives the result shown below it."""
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    result = doctest.testmod(api, optionflags=flags)
    assert result.failed == 0
    finder = doctest.DocTestFinder(exclude_empty=False)
    without = [t.name for t in finder.find(api) if not t.examples and "._" not in t.name]
    assert without == ["netdsl.api.Net"]
