"""Which input maps each output map of a convolution looks at, where not all: the table of
`connections`.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ops.args import TYPE_NAMES, WrongType
from netdsl.words import are, counted

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter

# Those that do not depend on how many inputs an output has.
INITS = ("default", "normal", "zeros", "ones")

Table = tuple[tuple[int, ...], ...]


def table(value: object) -> Table:
    """A list of lists of integers."""
    if (
        isinstance(value, tuple)
        and value
        and all(isinstance(row, tuple) and all(type(m) is int for m in row) for row in value)
    ):
        return value
    raise WrongType("a list of lists of integers, one for each output map")


TYPE_NAMES[table] = "nested list"


def check(rows: Table, out: int, channels: int, groups: int, init: str) -> None:
    """Raise `OpError` where the table does not fit the convolution."""
    if groups != 1:
        raise OpError(
            "bad-argument",
            f"`connections` says which maps are connected, and so does `groups` ({groups})",
            "groups",
            "leave one of them out",
        )
    if len(rows) != out:
        raise OpError(
            "shape-mismatch",
            f"`connections` has lists for {counted(len(rows), 'output map')}, there {are(out)}"
            f" {out}",
            "connections",
        )
    if init not in INITS:
        raise OpError(
            "bad-argument",
            f"`init` is {init}, which needs all outputs to have as many inputs; with `connections`"
            f" it can be {', '.join(INITS)}",
            "init",
        )
    for i, row in enumerate(rows):
        outside = next((m for m in row if not 0 <= m < channels), None)
        if outside is not None:
            raise OpError(
                "bad-argument",
                f"output map {i} looks at input map {outside}; the input has maps 0 to"
                f" {channels - 1}",
                "connections",
            )
        if not row or len(set(row)) < len(row):
            what = (
                f"names input map {next(m for m in row if row.count(m) > 1)} twice"
                if row
                else "looks at no input map"
            )
            raise OpError("bad-argument", f"output map {i} {what}", "connections")


def fan_in(rows: Table, window: int) -> int:
    """Inputs of an output, where it has the most."""
    return max(map(len, rows)) * window


def onnx_kernel(g: Emitter, rows: Table, weight: str, shape: tuple[int, ...]) -> str:
    """The kernel of the whole convolution, zero where maps are not connected; a constant, once the
    model is loaded.
    """
    pairs = g.ints(list(chain.from_iterable((i, m) for i, row in enumerate(rows) for m in row)))
    zeros = g.op("Expand", g.floats(0.0), g.ints(shape))
    return g.op("ScatterND", zeros, g.op("Reshape", pairs, g.ints([-1, 2])), weight)
