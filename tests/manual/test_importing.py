"""Examples of `docs/importing.md`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import assert_commands
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
FILES = re.findall(r"```(?:ini|protobuf|python)\n(# (\S+)\n.*?)```", PAGE, re.DOTALL)
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


def marked(block: str) -> object:
    """An example, which is slow if it starts another process."""
    return pytest.param(block, marks=[pytest.mark.slow] if "small_module" in block else [])


@pytest.mark.parametrize("block", [marked(block) for block in BLOCKS])
def test_examples(block: str, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Each command succeeds, and prints the lines below it, up to three dots."""
    for text, name in FILES:
        (folder / name).write_text(text, encoding="utf-8")
    assert_commands(block, capsys)
    if "resnet20.net" in block:
        (text,) = re.findall(r"```net\n(.*?)```", PAGE, re.DOTALL)
        assert text == (folder / "resnet20.net").read_text(encoding="utf-8")
