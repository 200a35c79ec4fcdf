"""netdsl: a compiler for network descriptions. This is the public Python face; see `Net`."""

from netdsl.api import Net, load, loads
from netdsl.diagnostics import CompileError
from netdsl.version import __version__

__all__ = ["CompileError", "Net", "__version__", "load", "loads"]
