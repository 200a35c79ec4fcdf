"""Commands, run as a user runs them but in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def run_command(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """What a command prints on standard output and on standard error; it ends with that exit
    code.
    """
    assert run(list(words)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


NETDSL = f"{sys.executable} -m netdsl"


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command prints in a shell, with its exit code; no traceback is among it."""
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
