"""The bounds that keep every compilation finite: each error that cites one names it and says how to raise it."""

from __future__ import annotations

import os
import sys

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
    "model_nodes": 20_000,  # of an ONNX model with functions, once they are expanded
    "model_steps": 100_000_000,  # node runs of an ONNX model, as its loops declare them
    "model_depth": 100,  # functions and bodies of an ONNX model inside one another
}
MOST = {"nesting": 500, "depth": 500, "model_depth": 500}  # to which they can be raised
FRAMES = 10_000
INTEGER_DIGITS = 18
MAX_DIM = 2**31 - 1
MAX_SIZE = 2**62
MAX_FORMULA = 256  # symbols, floors and terms in an open size: more is slow to work with, and nothing to read


def limit(name: str) -> int:
    """The bound in force: `NETDSL_MAX_LAYERS=200000` in the environment sets `layers`."""
    text = os.environ.get(f"NETDSL_MAX_{name.upper()}", "")
    set_to = int(text) if text.isdecimal() and len(text) <= INTEGER_DIGITS else DEFAULTS[name]
    return min(set_to, MOST.get(name, set_to))


def raise_help(name: str) -> str:
    """Advice on how to raise a bound."""
    now = limit(name)
    return f"the limit `{name}` is {now:,}" + (", the most that it can be" if now == MOST.get(name) else f"; set NETDSL_MAX_{name.upper()} in the environment to raise it")


def allow_depth() -> None:
    """Let Python call as deep as `nesting` and `depth` at their most go, with an expression at the bottom; a level of a text is up to eight calls."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), FRAMES))
