"""The layer kinds, one file a family. Importing this package registers them all."""

from functools import cache
from importlib import import_module

from netdsl.ops import (
    activation,
    attention,
    conv,
    dense,
    dropout,
    graph,
    join,
    norm,
    pool,
    recurrent,
    region,
    resample,
    reshape,
    sample_norm,
    size,
    slicing,
    tensor,
)
from netdsl.ops.base import LAYERS

__all__ = [
    "LAYERS",
    "activation",
    "attention",
    "conv",
    "dense",
    "dropout",
    "graph",
    "join",
    "load_plugins",
    "norm",
    "pool",
    "recurrent",
    "region",
    "resample",
    "reshape",
    "sample_norm",
    "size",
    "slicing",
    "tensor",
]


@cache
def load_plugins() -> frozenset[str]:
    """Import the packages that offer layer kinds under the entry point group `netdsl.layers`; the
    kinds that they add.

    Called when a text names a layer that is not known: a net without such layers does not wait for
    it, nor for `importlib.metadata`, which takes as long to import as a net takes to check.
    """
    before = set(LAYERS)
    for point in import_module("importlib.metadata").entry_points(group="netdsl.layers"):
        point.load()
    return frozenset(set(LAYERS) - before)
