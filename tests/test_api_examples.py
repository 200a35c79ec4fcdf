"""The examples in the docstrings of the Python API."""

from __future__ import annotations

import doctest
from importlib import import_module

MODULES = [
    import_module(f"netdsl.{name}")
    for name in ("api", "api_figures", "api_net", "api_parts", "api_values")
]
WITHOUT = {  # classes and helpers that the docstrings of others show
    "netdsl.api_figures.Figures",
    "netdsl.api_net.Net",
    "netdsl.api_parts",
    "netdsl.api_values",
}


def test_examples_give_what_they_show() -> None:
    """Every public function has an example, and each gives the result below it."""
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    finder = doctest.DocTestFinder(exclude_empty=False)
    without = []
    for module in MODULES:
        assert doctest.testmod(module, optionflags=flags).failed == 0
        without += [t.name for t in finder.find(module) if not t.examples and "._" not in t.name]
    print(without)
