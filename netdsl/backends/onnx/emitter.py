"""What the parts of the ONNX back end are handed: what layers are, and what only the back end uses. For types alone; nothing loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from netdsl.ops import emitter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Site


class Emitter(emitter.Emitter, Protocol):
    """Makes nodes under a name, and constants of any shape."""

    def begin_at(self, name: str, kind: str, site: Site) -> None:
        """Emit under this name from now on."""

    def wide(self, values: Sequence[float], shape: tuple[int, ...]) -> str:
        """A constant that is float32 whatever the model's precision."""
