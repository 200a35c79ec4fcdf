"""Sentences of `docs/table.md`: its tables, columns, options and figures."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from netdsl.analysis.figures import SHOW, USUAL
from netdsl.cli import run
from netdsl.commands.table_options import TABLE_OPTIONS
from netdsl.draw.rows import HEADS
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "table.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [c for block in BLOCKS for c in re.findall(r"^\$ netdsl (.*)$", block, re.MULTILINE)]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> None:
    """Each command prints the lines that are shown below it, in their order, on a terminal of 80
    columns.
    """
    (block,) = [block for block in BLOCKS if f"$ netdsl {command}\n" in block]
    monkeypatch.setenv("COLUMNS", "80")
    words = shlex.split(command)
    tree = ["--tree"] if "the same" in block else []
    assert run([*words, *tree]) == 0
    printed = iter(capsys.readouterr().out.splitlines())
    shown = [line for line in block.splitlines() if line not in ("", "...") and line[0] != "$"]
    assert [line for line in shown if line not in printed] == []


def test_columns() -> None:
    """Every column has a line."""
    described = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Windows")[0], re.MULTILINE)
    assert described == ["layer", *(HEADS.get(column, column) for column in (*USUAL, *SHOW))]


def test_options() -> None:
    """Every option of the table is explained."""
    assert [name for name in TABLE_OPTIONS if f"--{name.replace('_', '-')}" not in PAGE] == []


def test_links() -> None:
    """The links of the page lead to headings."""
    heads = {
        head.lower().replace(" ", "-") for head in re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= heads
