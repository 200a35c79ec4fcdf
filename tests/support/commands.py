"""Commands, run as a user runs them but in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.cli import run

if TYPE_CHECKING:
    import pytest


def run_command(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """What a command prints on standard output and on standard error; it ends with that exit code."""
    assert run(list(words)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err
