"""The limits that keep every compilation finite.

Each error about a limit names it and tells how to raise it.
"""

from __future__ import annotations

import os
import sys

from netdsl.errors import NetdslError

MESSAGE_BYTES = 2**31 - 1  # protobuf, the format of ONNX, has no larger messages
DEFAULTS = {
    "source_bytes": 1 << 20,  # of one file
    "tokens": 100_000,  # words, numbers and symbols of one file
    "nesting": 64,  # nested brackets and braces
    "depth": 100,  # nested bodies, including those of called blocks
    "name_length": 128,
    "layers": 100_000,  # of one net, with its loops unrolled
    "steps": 400_000,  # statements and rounds of loops when one net is unrolled
    "list_length": 100_000,
    "array_bytes": 1 << 32,  # of one array in memory, from a `.npy` or `.npz` file
    "decoded_bytes": 1 << 30,  # of the pictures of a dataset that stay in memory
    "model_nodes": 20_000,  # of an ONNX model, with its function calls expanded
    "model_steps": 100_000_000,  # nodes that an ONNX model runs, including repeats in loops
    "model_bytes": MESSAGE_BYTES,  # of the file of an ONNX model, without its data in other files
    "model_depth": 100,  # nested functions and bodies of an ONNX model
    "module_seconds": 600,  # that the export of a PyTorch module may take
}
# These cannot be set above this.
MOST = {"nesting": 500, "depth": 500, "model_depth": 500, "model_bytes": MESSAGE_BYTES}
PREFIX = "NETDSL_MAX_"  # of the environment variables that set limits
FRAMES = 10_000  # Python's recursion limit
INTEGER_DIGITS = 18
MAX_DIM = 2**31 - 1
MAX_SIZE = 2**62
# Symbols, floors and terms in an open size. A longer formula is slow, and nobody can read it.
MAX_FORMULA = 256


class WrongLimit(NetdslError):
    """An environment variable for a limit has a wrong value or an unknown name."""


def limit(name: str) -> int:
    """The limit of that name, which the environment may set: `NETDSL_MAX_LAYERS=200000`.

    Raises `WrongLimit` for a value that is not a whole number above 0, or that is too large.
    """
    variable = PREFIX + name.upper()
    text = os.environ.get(variable, "")
    if not text:
        return DEFAULTS[name]
    if not text.isdecimal() or len(text) > INTEGER_DIGITS or int(text) == 0:
        message = f"{variable} is `{text[:40]}`; it must be a whole number above 0"
        raise WrongLimit("wrong-limit", message)
    most = MOST.get(name)
    if most is not None and int(text) > most:
        raise WrongLimit("wrong-limit", f"{variable} is {text}; it can be at most {most}")
    return int(text)


def check_environment() -> None:
    """Raise `WrongLimit` for a variable with an unknown name or a wrong value."""
    for variable in os.environ:
        name = variable.removeprefix(PREFIX)
        if name == variable:
            continue
        if name.lower() not in DEFAULTS:
            known = ", ".join(PREFIX + n.upper() for n in DEFAULTS)
            message = f"{variable} is set, but there is no such limit; the limits are {known}"
            raise WrongLimit("wrong-limit", message)
        limit(name.lower())


def raise_help(name: str) -> str:
    """Advice on how to raise a limit."""
    now = limit(name)
    if now == MOST.get(name):
        return f"the limit `{name}` is {now:,}, and cannot be raised"
    return (
        f"the limit `{name}` is {now:,}; set {PREFIX}{name.upper()} in the environment to raise it"
    )


def allow_depth() -> None:
    """Raise Python's recursion limit, so that `nesting` and `depth` can be at their maximum.

    Each level of nesting in a text takes up to ten calls.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), FRAMES))
