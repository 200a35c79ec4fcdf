"""Undoes what exporters decompose: several nodes that are one layer become one node."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.importers.foreign import Foreign


def recognise(graph: Foreign) -> None:
    """Replace the nodes of each pattern by one node."""
