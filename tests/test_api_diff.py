"""`net.diff`: the difference of two nets in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import netdsl
from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "net Small(n = 3) {{\n    input x: 4\n    a: dense(n) -> relu\n    {label}: dense(2)\n}}\n"


def test_nets_files_and_models(folder: Path) -> None:
    """The other net can be a net, a file with or without its net, a path, or a model."""
    net = netdsl.loads(TEXT.format(label="b"))
    (folder / "other.net").write_text(TEXT.format(label="c"), encoding="utf-8")
    assert run(["export", "other.net", "-o", "other.onnx", "-q"]) == 0
    others: list[Any] = [netdsl.load("other.net"), "other.net", "other.net:Small"]
    for other in [*others, folder / "other.net", "other.onnx"]:
        changes = net.diff(other)
        assert not changes.equal
        assert {"b.weight": "c.weight", "b.bias": "c.bias"} == changes.renamed
        assert "renamed b → c" in str(changes) or "b is now labelled c" in str(changes)


def test_figures_and_json() -> None:
    """A change has the totals before and after, and what `--format json` prints."""
    text = TEXT.format(label="b")
    changes = netdsl.loads(text).diff(netdsl.loads(text.replace("n = 3", "n = 5")))
    assert (23, 37) == changes.figures["params"]
    assert 0 < changes.loaded < 1
    assert {"old": 23, "new": 37} == changes.as_json()["figures"]["params"]  # type: ignore[index]
    assert "<Changes Small → Small: 1 cause>" == repr(changes)


def test_equal_nets() -> None:
    """Equal nets differ in nothing."""
    net = netdsl.loads(TEXT.format(label="b"))
    assert net.diff(net).equal
    assert "Small: no difference in the network" == str(net.diff(net))


def test_wrong_names() -> None:
    """A value of a wrong type, and a name that means nothing, are errors."""
    net: Any = netdsl.load("lenet5")
    with pytest.raises(TypeError, match="other must be a Net, a str or a Path, not int"):
        net.diff(3)
    with pytest.raises(netdsl.CompileError, match="there is no file or library net `nothing`"):
        net.diff("nothing")
