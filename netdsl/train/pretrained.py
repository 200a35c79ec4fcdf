"""Begins a run with the weights of a file, and reports what became of each tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.backends.torch.module import set_weights
from netdsl.errors import NetdslError, SettingError
from netdsl.ir.op import COUNTER
from netdsl.ir.types import shape_text
from netdsl.weights.checkpoints import prefix_of, read_weights
from netdsl.weights.tensors import as_float32
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import nn

    from netdsl.ir.graph import Graph, Node
    from netdsl.ir.op import Param
    from netdsl.weights.checkpoints import Weights
    from netdsl.weights.tensors import Array

SHOWN = 6  # names in a line
IMAGE = 3  # axes of C x H x W


class Loaded(NamedTuple):
    """What became of the tensors of a net and of a file, by their names.

    `reshaped` have as many numbers in the file, in another shape; `new` keep their fresh numbers.
    """

    loaded: tuple[str, ...]
    reshaped: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]

    def lines(self, path: str) -> list[str]:
        """One line for each of the four, without those that are empty."""
        texts = (
            (self.loaded, "loaded"),
            (self.reshaped, "reshaped"),
            (self.new, "new, with fresh numbers"),
            (self.left, "left in the file"),
        )
        return [
            f"{path}: {counted(len(names), 'tensor')} {what}: {_listed(names)}"
            for names, what in texts
            if names
        ]


def load_pretrained(module: nn.Module, graph: Graph, path: str) -> Loaded:
    """Give a module the weights of a file, as far as the file has them.

    The layers that make the outputs, and those of auxiliary heads, keep fresh weights if their
    shapes differ, because the file may be of a net with other classes. Raises SettingError
    `weights-mismatch` for another layer that differs, and for a file without any weight of the net;
    `NetdslError` for a file that cannot be read.
    """
    params = _tensors(graph)
    weights = _read(path)
    prefix = prefix_of(params, weights)
    found = {
        name: weights.tensors[prefix + name] for name in params if prefix + name in weights.tensors
    }
    ends = _ends(graph)
    kept: dict[str, Array] = {}
    reshaped: list[str] = []
    for name, tensor in found.items():
        shape = params[name].shape
        if tuple(tensor.shape) == shape:
            kept[name] = tensor
        elif _is_reshaped(tuple(tensor.shape), shape):
            kept[name] = np.asarray(tensor).reshape(shape)
            reshaped.append(name)
        elif name not in ends:
            raise _mismatch(graph, name, tuple(tensor.shape), weights)
    if not kept:
        raise _nothing(path, weights.tensors, params)
    set_weights(module, {n: as_float32(n, np.asarray(t)) for n, t in kept.items()})
    left = [name for name in weights.tensors if name.removeprefix(prefix) not in kept]
    return Loaded(
        _without_counters(name for name in kept if name not in reshaped),
        tuple(reshaped),
        _without_counters(name for name in params if name not in kept),
        _without_counters(left),
    )


def _read(path: str) -> Weights:
    try:
        return read_weights(path)
    except NetdslError as error:
        raise SettingError(error.code, error.message, "weights", error.help) from None


def _tensors(graph: Graph) -> dict[str, Param]:
    """The tensors of a net that a file can give, those of its auxiliary heads included."""
    return {
        name: param
        for node in graph.nodes
        for name, param in node.tensors().items()
        if not param.is_constant and not param.tied
    }


def _ends(graph: Graph) -> set[str]:
    """The weights of the layers that give the outputs and the scores of auxiliary heads."""
    values = [*(output.value for output in graph.outputs), *(head.value for head in graph.aux)]
    names: set[str] = set()
    for value in values:
        node = value.producer
        while node is not None and not node.params():
            node = node.inputs[0].producer if node.inputs else None
        if node is not None:
            names |= node.tensors().keys()
    return names


def _is_reshaped(there: Sequence[int], here: Sequence[int]) -> bool:
    """Whether shapes are the same but for sizes of 1, as those of a 1x1 `conv` and a `dense`."""
    return [size for size in there if size != 1] == [size for size in here if size != 1]


def _without_counters(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not name.endswith(COUNTER))


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _mismatch(graph: Graph, name: str, there: tuple[int, ...], weights: Weights) -> SettingError:
    """The error for a weight that has the shape `there` in the file, and another one in the net."""
    node = next(node for node in graph.nodes if name in node.tensors())
    here = node.tensors()[name].shape
    shapes = ["x".join(map(str, shape)) or "a scalar" for shape in (there, here)]
    message = f"`{name}` is {shapes[0]} in {weights.path}, but {shapes[1]} in the net"
    rule = "only the last layers, which give the outputs, may have other sizes than in the file"
    owner = f"the net `{weights.metadata['net']}`" if "net" in weights.metadata else "another net"
    named = sum(name in weights.tensors for name in _tensors(graph))
    if named < len(_without_counters(weights.tensors)) / 2 and "net" not in weights.metadata:
        help_ = "most of the file is of another net: leave `weights` out, or give those of this net"
        return SettingError("weights-mismatch", message, "weights", help_)
    reason = _other_sizes(node, there, here)
    help_ = f"they are of {owner}{reason and f', {reason}'}; {rule}"
    return SettingError("weights-mismatch", message, "weights", help_)


def _other_sizes(node: Node, there: tuple[int, ...], here: Sequence[int]) -> str:
    """What the net of a file has in place of a layer, with what to write; or an empty text."""
    if len(there) != len(here) or len(here) < len(("outputs", "inputs")):
        return ""
    value, sizes = node.inputs[0], node.inputs[0].type.shape
    differing = [axis for axis in range(len(here)) if there[axis] != here[axis]]
    if differing == [1] and value.producer is None and sizes[0] == here[1]:
        has = f"which takes {counted(there[1], 'channel' if len(sizes) > 1 else 'number')}"
        written = f"write `input {value.name}: {shape_text((there[1], *sizes[1:]))}`"
        data = f", and `channels = {there[1]}` in data of your own" * (len(sizes) == IMAGE)
        return f"{has}: {written}{data}"
    if differing == [0] and node.op.kind in ("conv", "dense"):
        has = f"whose layer `{node.name}` has {counted(there[0], 'output')}"
        return f"{has}: write `{node.op.kind}({there[0]}, ...)`"
    if differing and min(differing) > 1 and node.op.kind == "conv":
        return f"whose layer `{node.name}` has a kernel of {shape_text(there[2:])}"
    return ""


def _nothing(path: str, tensors: Mapping[str, Array], params: Mapping[str, Param]) -> SettingError:
    theirs, ours = _listed([*tensors][:2]), _listed([*params][:2])
    message = f"{path} has no tensor of the net: it has {theirs}, ..., but the net has {ours}, ..."
    help_ = "give the weights of this net, or of one with the same names of layers"
    return SettingError("weights-mismatch", message, "weights", help_)
