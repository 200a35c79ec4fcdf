"""Scripts in place of the programs that draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.draw import layout

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def replace_program(folder: Path, script: str, patch: pytest.MonkeyPatch) -> None:
    """Let a shell script draw in place of both programs."""
    path = folder / "drawer"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    patch.setattr(layout, "_path_of", lambda program: str(path))


def remove_programs(patch: pytest.MonkeyPatch) -> None:
    """Let neither program be installed."""
    patch.setattr(layout, "_path_of", lambda program: "/nowhere/drawer")
