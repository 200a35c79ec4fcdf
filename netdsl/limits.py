"""The bounds that keep every compilation finite: each error that cites one names it and says how to raise it."""

from __future__ import annotations

import os

from netdsl.diagnostics import Fault

DEFAULTS = {
    "source_bytes": 1 << 20,  # of one file
    "tokens": 100_000,  # words, numbers and signs of one file
    "nesting": 64,  # brackets and braces inside one another
    "depth": 100,  # bodies inside one another, through the blocks that are called
    "name_length": 128,
    "layers": 100_000,  # of one net, repeats unrolled
    "steps": 400_000,  # statements and loop iterations that one net may take to unroll
    "list_length": 100_000,
}
INTEGER_DIGITS = 18
MAX_DIM = 2**31 - 1
MAX_SIZE = 2**62
MAX_FORMULA = 256  # symbols, floors and terms in an open size: more is slow to work with, and nothing to read


def limit(name: str) -> int:
    """The bound in force: `NETDSL_MAX_LAYERS=200000` in the environment sets `layers`."""
    text = os.environ.get(f"NETDSL_MAX_{name.upper()}", "")
    return int(text) if text.isdigit() else DEFAULTS[name]


def raise_help(name: str) -> str:
    """Advice on how to raise a bound."""
    return f"the limit `{name}` is {limit(name):,}; set NETDSL_MAX_{name.upper()} in the environment to raise it"


def check_dim(value: object, what: str) -> None:
    """Refuse a size that no tensor can have."""
    if isinstance(value, int) and not 1 <= value <= MAX_DIM:
        raise Fault("bad-size", f"{what} is {value:,}; it must be between 1 and {MAX_DIM:,}")
