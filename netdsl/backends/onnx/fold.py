"""Merges a batch norm into the convolution or dense layer before it, as inference allows.

With s = scale / sqrt(var + eps), which are constants in inference, w' = w s and
b' = (b - mean) s + shift, for each output channel. `folded` computes the numbers. A folded tensor
has a name of its own, so that nobody mistakes it for the tensor of a checkpoint: `conv1.weight`
becomes `conv1.weight/folded`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from netdsl.backends.onnx.make import entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.backends.onnx.proto import NodeProto
    from netdsl.ir.op import Param

FOLDABLE = ("Conv", "ConvTranspose", "Gemm")


class Norm(NamedTuple):
    """The names of the tensors of a batch norm; `scale` and `shift` are empty if it has none."""

    scale: str
    shift: str
    mean: str
    var: str
    eps: float


class Stored(NamedTuple):
    """A tensor of the file, and the tensor `source` of the checkpoint that it comes from.

    With a `norm`, it is a folded weight, or a folded bias if `is_bias`. A bias has an empty
    `source` if the layer has no bias of its own.
    """

    param: Param
    source: str
    norm: Norm | None = None
    is_bias: bool = False
    # Above 0 for a transposed convolution, whose output channels are the second axis.
    groups: int = 0


def plain(params: Mapping[str, Param]) -> dict[str, Stored]:
    """Every tensor unchanged. Constants are not among them: the skeleton contains their numbers."""
    return {name: Stored(p, name) for name, p in params.items() if not p.is_constant}


def fold(
    nodes: list[NodeProto], params: Mapping[str, Param], outputs: set[str]
) -> dict[str, Stored]:
    """Fold each batch norm that is the only user of the result of a layer with weights.

    Changes the list of nodes; returns the tensors that the remaining nodes use.
    """
    makers = {name: node for node in nodes for name in node.output}
    uses = Counter(name for node in nodes for name in node.input)
    folding = _Folding(params)
    remaining = []
    for node in nodes:
        source = node.input[0] if node.op_type == "BatchNormalization" else ""
        maker = makers.get(source)
        is_private = uses[source] == 1 and source not in outputs
        if maker is not None and is_private and _is_foldable(maker, params):
            folding.fold(maker, node)
        else:
            remaining.append(node)
    nodes[:] = remaining
    names = dict.fromkeys(name for node in nodes for name in node.input)
    stored = plain(params) | folding.stored
    return {name: stored[name] for name in names if name in stored}


def _is_foldable(maker: NodeProto, params: Mapping[str, Param]) -> bool:
    return maker.op_type in FOLDABLE and all(name in params for name in maker.input[1:])


class _Folding:
    """The folded tensors of a graph. Layers that share weights and norms share the results."""

    def __init__(self, params: Mapping[str, Param]) -> None:
        self.stored: dict[str, Stored] = {}
        self._params = params
        self._names: dict[tuple[str, Norm, bool], str] = {}

    def fold(self, maker: NodeProto, node: NodeProto) -> None:
        """Give a layer the weights and the result of itself with a batch norm after it."""
        eps = next(a.f for a in node.attribute if a.name == "epsilon")
        scale, shift = (name if name in self._params else "" for name in node.input[1:3])
        norm = Norm(scale, shift, node.input[3], node.input[4], eps)
        weight, *biases = maker.input[1:]
        groups = 0
        if maker.op_type == "ConvTranspose":
            groups = next((a.i for a in maker.attribute if a.name == "group"), 1)
        maker.input[1:] = [
            self._weight(weight, norm, groups),
            self._bias(next(iter(biases), ""), weight, norm, groups),
        ]
        maker.output[0] = node.output[0]
        maker.metadata_props.append(entry("netdsl.folded", node.name))

    def _weight(self, weight: str, norm: Norm, groups: int) -> str:
        stored = Stored(self._params[weight], weight, norm, groups=groups)
        return self._store((weight, norm, False), weight, stored)

    def _bias(self, bias: str, weight: str, norm: Norm, groups: int) -> str:
        param = self._params[norm.mean]._replace(init="zeros", values=())
        name = bias or weight.removesuffix("weight") + "bias"
        return self._store(
            (weight, norm, True), name, Stored(param, bias, norm, is_bias=True, groups=groups)
        )

    def _store(self, key: tuple[str, Norm, bool], name: str, stored: Stored) -> str:
        """The name of a folded tensor, which is stored once."""
        if key not in self._names:
            folded = f"{name}/folded"
            if folded in self.stored:
                folded += f"/{len(self.stored)}"
            self._names[key] = folded
            self.stored[folded] = stored
        return self._names[key]
