"""Compares the whole module and the exported model with their layers, run one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from netdsl.backends.torch.steps import as_list
from netdsl.ir.rounding import LIMIT, TINY
from netdsl.ops.rounding import exact
from netdsl.verify.report import Difference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle

    from netdsl.ir.graph import Node, Value
    from netdsl.ir.op import Op
    from netdsl.verify.onnx_side import OnnxSide
    from netdsl.verify.torch_side import TorchSide

# The allowed difference of outputs, as a share of the largest number from which an output is taken.
# The effect of rounding on the way to the output is allowed in addition.
AGREED = 1e-5


def compare_modules(
    side: TorchSide, inputs: dict[int, Tensor], values: Mapping[int, Tensor]
) -> Difference | None:
    """The first output of the whole module that is not the value of its layer, bit for bit.

    The module runs the same operators on the same numbers, so nothing is allowed for rounding.
    """
    for output, y in zip(side.graph.outputs, side.outputs(inputs), strict=True):
        wanted = values[id(output.value)]
        if _same(y, wanted):
            continue
        node = _misrouted(side, inputs)
        if node is not None:
            fact = "in the whole module, this layer or a layer before it differs from the text"
        else:
            node = output.value.producer
            fact = "the whole module computes a different value than its layers run one by one"
        return _difference(fact, output.name, {"the module": y, "its layers": wanted}, node)
    return None


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())


def _misrouted(side: TorchSide, inputs: dict[int, Tensor]) -> Node | None:
    """The first layer that computes a different value in the whole module than on its own."""
    in_whole: dict[int, Tensor] = {}  # by the id of the layer's module

    def watch(module: nn.Module) -> RemovableHandle:
        def hook(_module: object, _xs: object, y: Tensor | tuple[Tensor, ...]) -> None:
            in_whole.setdefault(id(module), as_list(y)[0])

        return module.register_forward_hook(hook)

    own = [s.module for s in side.steps if s.module is not None and not s.node.shared]
    handles = [watch(module) for module in own]
    side.outputs(inputs)
    for handle in handles:
        handle.remove()
    for step, _, (alone, *_) in side.walk(inputs):
        y = None if step.node.shared else in_whole.get(id(step.module))
        if y is not None and y.shape == alone.shape and not _same(y, alone):
            return step.node
    return None


def compare_models(
    side: OnnxSide,
    by_layers: Mapping[str, np.ndarray],
    exported: Mapping[str, np.ndarray],
    values: Mapping[int, Tensor],
    beyond: Collection[str],
) -> Difference | None:
    """The first output of the exported model that is too far from the value of its layer.

    `by_layers` are the arrays of the model in which every inner value is an output; `exported` are
    those of the exported model, with all of onnxruntime's optimisations. PyTorch's `values` show
    how much an output changes by rounding on its way. Float32 cannot represent some values of the
    layers in `beyond`: of an output that is computed from them, only the shape is compared.
    """
    for output in side.graph.outputs:
        inner = by_layers[side.tensor[id(output.value)]]
        named = by_layers[output.name]
        outer = exported[output.name]
        if inner.shape != named.shape or not np.array_equal(inner, named, equal_nan=True):
            fact = "the model's output of this name is not the value of its layer"
            pair = {"its layer": torch.from_numpy(inner), "the output": torch.from_numpy(named)}
            return _difference(fact, output.name, pair, output.value.producer)
        sources = [by_layers.get(side.tensor[id(v)]) for v in _taken_from(output.value)]
        largest = max(_largest(array) for array in sources)
        differs = outer.shape != inner.shape or (
            not _depends(output.value, beyond)
            and _far(outer, inner, values[id(output.value)].numpy(), largest)
        )
        if differs:
            fact = "the exported model computes a different value than its layers run one by one"
            pair = {"the model": torch.from_numpy(outer), "its layers": torch.from_numpy(inner)}
            return _difference(fact, output.name, pair, output.value.producer)
    return None


def _depends(value: Value, names: Collection[str]) -> bool:
    """Whether a value is computed from one of the layers with these names."""
    seen: set[int] = set()
    if not names:
        return False
    waiting = [value]
    while waiting:
        node = waiting.pop().producer
        if node is None or id(node) in seen:
            continue
        if node.name in names:
            return True
        seen.add(id(node))
        waiting += node.inputs
    return False


def _taken_from(value: Value) -> list[Value]:
    """A value, and those that it comes from through layers that only move or choose elements.

    The chosen elements may be small compared with the others.
    """
    sources = {id(value): value}
    waiting = [value]
    while waiting:
        node = waiting.pop().producer
        if node is not None and _only_chooses(node.op):
            waiting += [v for v in node.inputs if id(v) not in sources]
            sources |= {id(v): v for v in node.inputs}
    return list(sources.values())


def _only_chooses(op: Op) -> bool:
    """Whether every number of the result is one of an input, and no input has indices or boxes."""
    return type(op).rounding is exact and not any(sort.is_place for sort in op.sorts())


def _largest(array: np.ndarray | None) -> float:
    """The largest magnitude of the finite numbers; 0 for an array of integers."""
    if array is None or not np.issubdtype(array.dtype, np.floating):
        return 0.0
    return float(np.abs(array[np.isfinite(array)]).max(initial=0))


def _far(y: np.ndarray, wanted: np.ndarray, in_torch: np.ndarray, largest: float) -> bool:
    """Whether an output differs from its layer's value by more than rounding on the way explains.

    PyTorch computed its value with other roundings, so its distance from `wanted` shows their
    effect. `largest` is the largest number from which the output is taken.
    """
    finite = np.isfinite(wanted)
    if not np.issubdtype(y.dtype, np.floating) or not np.array_equal(
        y[~finite], wanted[~finite], equal_nan=True
    ):
        return not np.array_equal(y, wanted)
    with np.errstate(over="ignore", invalid="ignore"):  # infinities are compared above
        error = np.abs(y - wanted)[finite].max(initial=0)
        by_rounding = AGREED * largest + 64 * _largest(wanted - in_torch)
    return not error <= by_rounding + LIMIT * TINY  # a NaN counts as far


def _difference(fact: str, name: str, values: dict[str, Tensor], node: Node | None) -> Difference:
    """The difference of two values of an output, at the element where it is largest."""
    first, second = values.values()
    if first.shape != second.shape:
        shapes = {who: str(tuple(value.shape)) for who, value in values.items()}
        return Difference("outputs-differ", f"output `{name}`: {fact}", shapes, node)
    largest = (first.double() - second.double()).abs().nan_to_num().argmax()
    place = tuple(int(i) for i in torch.unravel_index(largest, first.shape))
    numbers = {who: f"{float(value[place]):.9g}" for who, value in values.items()}
    return Difference("outputs-differ", f"output `{name}` at {list(place)}: {fact}", numbers, node)
