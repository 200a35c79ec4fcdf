"""Files that import files: what a name means in each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import netdsl

if TYPE_CHECKING:
    from pathlib import Path


def folder(tmp_path: Path, **texts: str) -> str:
    """The files, each called as its keyword; the path of `n.net`."""
    for name, text in texts.items():
        (tmp_path / f"{name}.net").write_text(text)
    return str(tmp_path / "n.net")


def test_estimate_of_an_imported_block(tmp_path: Path) -> None:
    """What a block would unroll to is estimated with the blocks of its own file, not with those that its caller calls alike."""
    lib = "block foo() { relu }\nblock B() { foo }"
    path = folder(tmp_path, lib=lib, n='import "lib.net"\nblock foo() { repeat 60_000 { relu } }\nnet N {\ninput x: 3\nrepeat 2 { B }\n}')
    assert ["relu", "relu"] == [n.op.kind for n in netdsl.load(path).graph.nodes]
