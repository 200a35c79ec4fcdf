"""The bounds that keep every compilation finite: each error that cites one names it and says how to
raise it.
"""

from __future__ import annotations

import os
import sys

from netdsl.errors import NetdslError

DEFAULTS = {
    "source_bytes": 1 << 20,  # of one file
    "tokens": 100_000,  # words, numbers and signs of one file
    "nesting": 64,  # brackets and braces inside one another
    "depth": 100,  # bodies inside one another, through the blocks that are called
    "name_length": 128,
    "layers": 100_000,  # of one net, repeats unrolled
    "steps": 400_000,  # statements and loop iterations that one net may take to unroll
    "list_length": 100_000,
    "array_bytes": 1 << 32,  # of one array in memory, from a `.npy` or `.npz` file
    "model_nodes": 20_000,  # that the function calls of an ONNX model expand to
    "model_steps": 100_000_000,  # node runs of an ONNX model, as its loops declare them
    "model_depth": 100,  # nested functions and bodies of an ONNX model
}
MOST = {"nesting": 500, "depth": 500, "model_depth": 500}  # the most to which these can be raised
PREFIX = "NETDSL_MAX_"  # of the environment variables that set them
FRAMES = 10_000
INTEGER_DIGITS = 18
MAX_DIM = 2**31 - 1
MAX_SIZE = 2**62
MAX_FORMULA = (
    256  # symbols, floors and terms in an open size: more is slow to work with, and nothing to read
)


class WrongLimit(NetdslError):
    """An environment variable that sets a bound has a wrong value or an unknown name."""


def limit(name: str) -> int:
    """The bound in force: `NETDSL_MAX_LAYERS=200000` in the environment sets `layers`.

    Raises `WrongLimit` for a value that is not a whole number above 0, or is more than it can be.
    """
    variable = PREFIX + name.upper()
    text = os.environ.get(variable, "")
    if not text:
        return DEFAULTS[name]
    if not text.isdecimal() or len(text) > INTEGER_DIGITS or int(text) == 0:
        message = f"{variable} is `{text[:40]}`; it takes a whole number above 0"
        raise WrongLimit("wrong-limit", message)
    most = MOST.get(name)
    if most is not None and int(text) > most:
        raise WrongLimit("wrong-limit", f"{variable} is {text}; it can be {most} at most")
    return int(text)


def check_environment() -> None:
    """Raise `WrongLimit` for variables with an unknown bound or a wrong value."""
    for variable in os.environ:
        name = variable.removeprefix(PREFIX)
        if name == variable:
            continue
        if name.lower() not in DEFAULTS:
            known = ", ".join(PREFIX + n.upper() for n in DEFAULTS)
            message = f"{variable} is set, and there is no such limit; there are {known}"
            raise WrongLimit("wrong-limit", message)
        limit(name.lower())


def raise_help(name: str) -> str:
    """Advice on how to raise a bound."""
    now = limit(name)
    return f"the limit `{name}` is {now:,}" + (
        ", the most that it can be"
        if now == MOST.get(name)
        else f"; set {PREFIX}{name.upper()} in the environment to raise it"
    )


def allow_depth() -> None:
    """Let Python call as deep as `nesting` and `depth` at their most go, with an expression at the
    bottom; a level of a text is up to eight calls.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), FRAMES))
