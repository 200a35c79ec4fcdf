"""The examples in the docstrings of the Python API."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl import api, api_figures, api_net, api_pictures, errors
from tests.support.widget import replace_script

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("anywidget", reason="needs the extra `dev`")

MODULES = [netdsl, api, api_figures, api_net, api_pictures, errors]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_give_what_they_show(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example gives the result below it."""
    replace_script(tmp_path, monkeypatch)
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    result = doctest.testmod(module, optionflags=flags)
    assert result.attempted > 0
    assert result.failed == 0


def test_everything_has_an_example() -> None:
    """Every public function, method and property has an example."""
    members = {name: getattr(netdsl.Net, name) for name in dir(netdsl.Net) if name[0] != "_"}
    assert len(members) > 20
    members |= {"load": netdsl.load, "loads": netdsl.loads, "CompileError": netdsl.CompileError}
    texts = {name: inspect.getdoc(member) or "" for name, member in members.items()}
    assert [name for name, text in texts.items() if ">>> " not in text] == []


def test_help_explains_what_methods_return() -> None:
    """`help(netdsl)` explains each class that a method returns and that is not public by itself."""
    members = [getattr(netdsl.Net, name) for name in dir(netdsl.Net) if name[0] != "_"]
    returned = {str(m.__annotations__.get("return")) for m in members if inspect.isfunction(m)}
    classes = {name.partition(" ")[0] for name in returned} & {"Drawing", "Report", "Result"}
    assert len(classes) == 3
    assert [name for name in classes if f"`{name}`: " not in str(netdsl.__doc__)] == []


def test_help_is_a_page() -> None:
    """`help(netdsl)` shows what is public, without the helpers of the module."""
    text = pydoc_text()
    assert "netdsl - A compiler for network descriptions." in text
    for name in ("class Net", "class CompileError", "load(", "loads(", "def figure"):
        assert name.removeprefix("def ") in text
    assert "class Sym" not in text  # its operators would be a tenth of the page
    assert "`netdsl help training`" in text
    functions = text[text.index("\nFUNCTIONS\n") : text.index("\nDATA\n")]
    listed = [line.split("(")[0].strip() for line in functions.splitlines() if line[4:5].strip()]
    assert [name for name in listed if name != "FUNCTIONS"] == ["load", "loads", "nets"]


def pydoc_text() -> str:
    """What `help(netdsl)` prints in a new process."""
    code = "import netdsl; help(netdsl)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout
