"""The layer kinds, a file or more for each family. Importing this package registers them all."""

from functools import cache
from importlib import import_module

from netdsl.ops import (
    activation,
    arithmetic,
    attention,
    conv,
    deconv,
    dense,
    dropout,
    functions,
    graph,
    join,
    norm,
    pool,
    pool_global,
    pool_subsample,
    recurrent,
    reduction,
    region,
    resample,
    reshape,
    roll,
    sample_norm,
    size,
    slicing,
    tensor,
)
from netdsl.ops.base import LAYERS

__all__ = [
    "LAYERS",
    "activation",
    "arithmetic",
    "attention",
    "conv",
    "deconv",
    "dense",
    "dropout",
    "functions",
    "graph",
    "join",
    "load_plugins",
    "norm",
    "pool",
    "pool_global",
    "pool_subsample",
    "recurrent",
    "reduction",
    "region",
    "resample",
    "reshape",
    "roll",
    "sample_norm",
    "size",
    "slicing",
    "tensor",
]


@cache
def load_plugins() -> frozenset[str]:
    """Import the packages that offer layer kinds, and return the names of these kinds.

    They are the entry points of the group `netdsl.layers`. This runs only when a text uses a kind
    that netdsl does not have, because importing `importlib.metadata` takes as long as checking a
    net.
    """
    before = set(LAYERS)
    for point in import_module("importlib.metadata").entry_points(group="netdsl.layers"):
        point.load()
    return frozenset(set(LAYERS) - before)
