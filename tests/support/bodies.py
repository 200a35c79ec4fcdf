"""Nets of one body on one input, and what tests ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import netdsl

if TYPE_CHECKING:
    from netdsl.ir.types import Sym


def net(body: str, before: str = "", header: str = "N") -> netdsl.Net:
    """A net of that body on an input `x` of 4x8x8, unless it declares its own."""
    inputs = "" if "input " in body else "input x: 4x8x8\n"
    return netdsl.loads(f"{before}\nnet {header} {{\n{inputs}{body}\n}}")


def names(made: netdsl.Net) -> list[str]:
    """The layers' names."""
    return [r.name for r in made.layers]


def kinds(made: netdsl.Net) -> list[str]:
    """The layers' kinds."""
    return [r.kind for r in made.layers]


def keys(made: netdsl.Net) -> list[str]:
    """The modules that hold weights, as the state dict names them."""
    return list(dict.fromkeys(k.rpartition(".")[0] for k in made.torch().state_dict()))


def shape(made: netdsl.Net) -> tuple[int | Sym, ...]:
    """The first output's shape."""
    return made.outputs[0].value.type.shape
