"""Errors about data that a net does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.data.images import CHANNELS, OTHER_DATA
from netdsl.diagnostics import proposal_of
from netdsl.train.config import DEFAULT_CALLS
from netdsl.train.permitted import pictures_of

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.errors import SettingError


def tell_default(error: SettingError, compiled: Compiled) -> None:
    """Say in the help of an error about the data that the net does not name any."""
    lacks = "its `train` section names no data"
    if compiled.train is None:
        lacks = f"`{compiled.graph.name}` has no `train` section"
    own = f"{lacks}, so the data are {DEFAULT_CALLS['data'].name}: name yours with `--data`"
    pictures = pictures_of(compiled.graph)
    if pictures.channels in CHANNELS:
        own += f""", such as `--data 'folder("DIR", {pictures.form})'`"""
    proposal = proposal_of(error.help)
    others = [way for way in proposal.names if way != OTHER_DATA]
    if proposal and proposal.aim != "ways":
        others = [proposal]
    error.diagnostic.help = ", or ".join([own, *others])
