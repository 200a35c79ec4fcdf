"""The layer kinds, one file a family. Importing this package registers them all."""

from netdsl.ops import activation, conv, dense, join, norm, pool, shape
from netdsl.ops.base import LAYERS

__all__ = ["LAYERS", "activation", "conv", "dense", "join", "norm", "pool", "shape"]
