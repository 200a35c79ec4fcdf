"""Rules for recurrent layers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.importers.rules import Rule

RULES: Mapping[str, Rule] = MappingProxyType({})
