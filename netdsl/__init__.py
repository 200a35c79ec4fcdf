"""netdsl, a compiler for network descriptions: the public Python API. See `Net`."""

# This file imports nothing, because the command cannot handle Control-C until it has run.
TYPE_CHECKING = False  # type checkers assume that it is true

if TYPE_CHECKING:
    from netdsl.api import Net, load, loads
    from netdsl.errors import CompileError
    from netdsl.ir.types import Sym
    from netdsl.version import __version__

__all__ = ["CompileError", "Net", "Sym", "__version__", "load", "loads"]


def __getattr__(name: str) -> object:
    """Load the API when it is first used, because the command line does not need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        from netdsl import version

        return version.__version__
    from netdsl import api

    globals().update(
        {public: getattr(api, public) for public in __all__ if public != "__version__"}
    )
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
