"""The table of `connections`: which input maps each output map of a convolution is connected to."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from netdsl.errors import OpError
from netdsl.ops.args import TYPE_NAMES, WrongType, is_integer
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.ir.lowering import Emitter

# The initialisers that do not depend on how many inputs an output has.
INITS = ("default", "normal", "zeros", "ones")

Table = tuple[tuple[int, ...], ...]


def table(value: object) -> Table:
    """A list of lists of integers."""
    if (
        isinstance(value, tuple)
        and value
        and all(isinstance(row, tuple) and all(map(is_integer, row)) for row in value)
    ):
        return value
    raise WrongType("a list of lists of integers, one for each output map")


TYPE_NAMES[table] = "nested list"


def check(rows: Table, out: int, channels: int, groups: int, init: str) -> None:
    """Raise `OpError` if the table does not fit the other arguments of the convolution."""
    if groups != 1:
        raise OpError(
            "bad-argument",
            f"`connections` and `groups` ({groups}) both define which maps are connected",
            "groups",
            "leave one of them out",
        )
    if len(rows) != out:
        raise OpError(
            "shape-mismatch",
            f"`connections` has lists for {counted(len(rows), 'output map')}, but `out` is {out}",
            "connections",
        )
    if init not in INITS:
        raise OpError(
            "bad-argument",
            f"`init` is {init}, which needs the same number of inputs for every output; with"
            f" `connections` it can be {', '.join(INITS)}",
            "init",
        )
    for i, row in enumerate(rows):
        _check_row(i, row, channels)


def _check_row(i: int, row: tuple[int, ...], channels: int) -> None:
    """Raise `OpError` if output map `i` cannot be connected to the input maps of its row."""
    if not row:
        message = f"output map {i} is connected to no input map"
        help = "list at least one input map for each output map, such as `[[0], [0, 1]]`"
        raise OpError("bad-argument", message, "connections", help=help)
    for number in row:
        if not 0 <= number < channels:
            raise OpError(
                "bad-argument",
                f"output map {i} is connected to input map {number}; the input has maps 0 to"
                f" {channels - 1}",
                "connections",
                help="the input maps are counted from 0",
            )
    for number in row:
        if row.count(number) > 1:
            message = f"output map {i} lists input map {number} twice"
            help = "list each input map once"
            raise OpError("bad-argument", message, "connections", help=help)


def fan_in(rows: Table, window: int) -> int:
    """The number of inputs of the output that has the most."""
    return max(map(len, rows)) * window


def onnx_kernel(g: Emitter, rows: Table, weight: str, shape: tuple[int, ...]) -> str:
    """The kernel of the whole convolution, which is zero where maps are not connected.

    It is computed from the weights and constants, so onnxruntime folds it when it loads the model.
    """
    pairs = chain.from_iterable((i, number) for i, row in enumerate(rows) for number in row)
    flat_pairs = g.ints(list(pairs))
    zeros = g.op("Expand", g.floats(0.0), g.ints(shape))
    places = g.op("Reshape", flat_pairs, g.ints([-1, 2]))
    return g.op("ScatterND", zeros, places, weight)
