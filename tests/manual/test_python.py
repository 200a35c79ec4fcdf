"""The page about Python: its examples, and its tables beside the signatures."""

from __future__ import annotations

import doctest
import inspect
import re

import pytest

import netdsl
from netdsl.api_arguments import KINDS
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```pycon\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_examples() -> None:
    """Every example gives what is below it; the blocks of the page are one session."""
    assert len(BLOCKS) > 12
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    test = doctest.DocTestParser().get_doctest("\n".join(BLOCKS), {}, "python.md", str(PAGE), 0)
    assert len(test.examples) > 50
    assert 0 == doctest.DocTestRunner(optionflags=flags).run(test).failed


CALLS = re.findall(r"`(net(?:dsl)?)\.(\w+)\(([^`]*)\)`", TEXT[: TEXT.index("## Loading")])


@pytest.mark.parametrize(("owner", "name", "arguments"), CALLS, ids=[call[1] for call in CALLS])
def test_table_of_calls(owner: str, name: str, arguments: str) -> None:
    """The arguments in the first table are those of the function, with their defaults."""
    function = getattr({"net": netdsl.Net, "netdsl": netdsl}[owner], name)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    if arguments.endswith("..."):
        parameters = parameters[:1]
    written = []
    for parameter in parameters:
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        written.append(f"{stars}{parameter.name}{default}".replace("'", '"'))
    assert ", ".join(written) == arguments.removesuffix(", ...").replace("*, ", "")


def test_everything_is_listed() -> None:
    """Each public name of a net is on the page, and each argument is in the table of arguments."""
    public = [name for name in dir(netdsl.Net) if not name.startswith("_")]
    assert [name for name in public if f"`net.{name}" not in TEXT] == []
    table = TEXT[TEXT.index("## Arguments") : TEXT.index("## Errors")]
    assert [name for name in KINDS if f"`{name}`" not in table] == []


def test_the_cell() -> None:
    """The cell with the magic is a valid text, whose `expect` line holds."""
    cell = re.search(r"^```\n%%netdsl\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert cell is not None
    assert [True] == [expect.holds for expect in netdsl.loads(cell[1]).expects]
