"""Examples of `docs/importing.md`."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_examples(block: str, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Each command succeeds, and prints the lines below it, up to three dots."""
    for part in block.split("$ netdsl ")[1:]:
        command, _, shown = part.partition("\n")
        assert run(shlex.split(command)) == 0
        printed = capsys.readouterr().out
        if shown:
            pattern = "".join(
                ".*" if piece == "..." else re.escape(piece)
                for piece in re.split(r"(\.\.\.)", shown.rstrip("\n"))
            )
            assert re.match(pattern, printed, re.DOTALL), printed
    if "resnet20.net" in block:
        (text,) = re.findall(r"```net\n(.*?)```", PAGE, re.DOTALL)
        assert text == (folder / "resnet20.net").read_text(encoding="utf-8")
