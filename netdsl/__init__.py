"""netdsl: a compiler for network descriptions. This is the public Python face; see `Net`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.version import __version__

if TYPE_CHECKING:
    from netdsl.api import Net, load, loads
    from netdsl.errors import CompileError

__all__ = ["CompileError", "Net", "__version__", "load", "loads"]


def __getattr__(name: str) -> object:
    """Load the API when it is first used: the command line does not need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from netdsl import api

    globals().update({public: getattr(api, public) for public in __all__ if public != "__version__"})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
