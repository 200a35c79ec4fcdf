"""Nets with a given body, and the facts about them that tests compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import netdsl

if TYPE_CHECKING:
    from netdsl.ir.types import Sym


def net(body: str, before: str = "", header: str = "N") -> netdsl.Net:
    """A net with this body on an input `x` of 4x8x8, unless the body declares an input."""
    inputs = "" if "input " in body else "input x: 4x8x8\n"
    return netdsl.loads(f"{before}\nnet {header} {{\n{inputs}{body}\n}}")


def names(compiled: netdsl.Net) -> list[str]:
    """The names of the layers."""
    return [layer.name for layer in compiled.layers]


def kinds(compiled: netdsl.Net) -> list[str]:
    """The kinds of the layers."""
    return [layer.kind for layer in compiled.layers]


def keys(compiled: netdsl.Net) -> list[str]:
    """The modules with weights, by their names in the state dict."""
    return list(dict.fromkeys(k.rpartition(".")[0] for k in compiled.torch().state_dict()))


def shape(compiled: netdsl.Net) -> tuple[int | Sym, ...]:
    """The shape of the first output."""
    return compiled.outputs[0].value.type.shape
