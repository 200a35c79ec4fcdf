"""Runs commands in this process, or in a shell as a user does."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def run_command(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """Run a command, check its exit code, and return its standard output and standard error."""
    assert run(list(words)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


NETDSL = f"{sys.executable} -m netdsl"


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell, and check that it prints no traceback."""
    done = subprocess.run(
        ["bash", "-c", f"{NETDSL} {command}"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def assert_commands(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that each command of a page succeeds and prints the lines below it, up to three dots.

    Before each command stands `$ netdsl `.
    """
    for part in block.split("$ netdsl ")[1:]:
        command, _, shown = part.partition("\n")
        assert run(shlex.split(command)) == 0
        printed = capsys.readouterr().out
        if shown:
            pieces = [re.escape(piece) for piece in shown.rstrip("\n").split("...")]
            assert re.match(".*".join(pieces), printed, re.DOTALL), printed
