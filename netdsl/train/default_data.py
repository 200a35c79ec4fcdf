"""Errors about data that a net does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.train.config import DEFAULT_CALLS

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.errors import SettingError


def tell_default(error: SettingError, compiled: Compiled) -> None:
    """Say in the help of an error about the data that the net does not name any."""
    lacks = "its `train` section names no data"
    if compiled.train is None:
        lacks = f"`{compiled.graph.name}` has no `train` section"
    own = f"{lacks}, so the data are {DEFAULT_CALLS['data'].name}: name yours with `--data`"
    rest = (error.diagnostic.help or "").partition(", or choose other data")[0]
    error.diagnostic.help = f"{own}, or {rest}" if rest else own
