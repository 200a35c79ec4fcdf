"""The script of the widget of notebooks, which npm builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.page import site

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def replace_script(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put small files into a folder, in place of the script and of the playground."""
    patch.setattr(site, "BUILT", folder)
    for name in (site.MARK, site.WIDGET):
        (folder / name).write_text(name)
