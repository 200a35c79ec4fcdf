"""The whole beside its parts: the module as PyTorch runs it, and the model as it is exported, give
what their layers gave one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from netdsl.ir.rounding import LIMIT, TINY
from netdsl.ops.rounding import exact
from netdsl.verify.report import Difference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import Tensor

    from netdsl.ir.graph import Node, Value
    from netdsl.ir.op import Op
    from netdsl.verify.onnx_side import OnnxSide
    from netdsl.verify.torch_side import Step, TorchSide

# of the largest number that an output was taken from, beside what rounding does to it on its way
AGREED = 1e-5


def compare_modules(
    side: TorchSide, inputs: dict[int, Tensor], values: Mapping[int, Tensor]
) -> Difference | None:
    """The whole module gives bit for bit what its layers gave one by one: it runs the same
    operators on the same numbers.
    """
    for output, y in zip(side.graph.outputs, side.outputs(inputs), strict=True):
        wanted = values[id(output.value)]
        if not _same(y, wanted):
            node = _misrouted(side, inputs)
            what = (
                "what leads here in the whole module, or the layer there, is not as the text has it"
                if node
                else "the whole module gives another value than its layers one by one"
            )
            return _difference(
                what,
                output.name,
                {"the module": y, "its layers": wanted},
                node or output.value.producer,
            )
    return None


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())


def _misrouted(side: TorchSide, inputs: dict[int, Tensor]) -> Node | None:
    """The first layer with a module that makes another value in the whole than alone."""
    seen: dict[int, Tensor] = {}

    def watch(step: Step) -> Any:
        def hook(_module: object, _xs: object, made: Any) -> None:
            seen.setdefault(id(step.module), made[0] if isinstance(made, tuple) else made)

        return step.module.register_forward_hook(hook) if step.module is not None else None

    handles = [watch(step) for step in side.steps if not step.node.shared]
    side.outputs(inputs)
    for handle in handles:
        if handle is not None:
            handle.remove()
    for step, _, alone in side.walk(inputs):
        there = (
            seen.get(id(step.module)) if step.module is not None and not step.node.shared else None
        )
        if there is not None and there.shape == alone.shape and not _same(there, alone):
            return step.node
    return None


def compare_models(
    side: OnnxSide,
    made: Mapping[str, np.ndarray],
    alone: Mapping[str, np.ndarray],
    values: Mapping[int, Tensor],
    beyond: Collection[str],
) -> Difference | None:
    """Compare the exported model, with all of onnxruntime's optimisations, with its layers.

    PyTorch's value measures the rounding on the way. Float32 cannot represent some values of the
    layers in `beyond`: of an output that is computed from them, only the shape is compared.
    """
    for output in side.graph.outputs:
        inner, named, outer = (
            made[side.tensor[id(output.value)]],
            made[output.name],
            alone[output.name],
        )
        if inner.shape != named.shape or not np.array_equal(inner, named, equal_nan=True):
            what, pair = "the model has another value under this name", ("its layer", "the output")
            given = dict(zip(pair, map(torch.from_numpy, (inner, named)), strict=True))
            return _difference(what, output.name, given, output.value.producer)
        largest = max(_largest(made.get(side.tensor[id(v)])) for v in _taken_from(output.value))
        far = outer.shape != inner.shape or (
            not _depends(output.value, beyond)
            and _far(outer, inner, values[id(output.value)].numpy(), largest)
        )
        if far:
            what = "the exported model gives another value than its layers one by one"
            given = {"the model": torch.from_numpy(outer), "its layers": torch.from_numpy(inner)}
            return _difference(what, output.name, given, output.value.producer)
    return None


def _depends(value: Value, names: Collection[str]) -> bool:
    """Whether a value is computed from one of the layers with these names."""
    seen: set[int] = set()
    waiting = [value] if names else []
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
    """A value, and those that it was taken from by layers that only move or choose elements: what
    is left may be small beside what it was a part of.
    """
    found = {id(value): value}
    waiting = [value]
    while waiting:
        node = waiting.pop().producer
        before = node.inputs if node is not None and _only_chooses(node.op) else []
        waiting += [v for v in before if id(v) not in found]
        found |= {id(v): v for v in before}
    return list(found.values())


def _only_chooses(op: Op) -> bool:
    """Whether every number of the result is a number of an input, none of which has places."""
    return type(op).rounding is exact and not any(sort.is_place for sort in op.sorts())


def _largest(array: np.ndarray | None) -> float:
    """The largest magnitude of the finite numbers."""
    floating = array is not None and np.issubdtype(array.dtype, np.floating)
    return (
        float(np.abs(array[np.isfinite(array)]).max(initial=0))
        if array is not None and floating
        else 0.0
    )


def _far(one: np.ndarray, other: np.ndarray, third: np.ndarray, largest: float) -> bool:
    """Whether two values differ by more than rounding does on the way: measured by a third that was
    rounded otherwise.
    """
    finite = np.isfinite(other)
    if not np.issubdtype(one.dtype, np.floating) or not np.array_equal(
        one[~finite], other[~finite], equal_nan=True
    ):
        return not np.array_equal(one, other)
    with np.errstate(over="ignore", invalid="ignore"):  # infinities are compared above
        off = np.abs(one - other)[finite].max(initial=0)
        by_rounding = AGREED * largest + 64 * _largest(other - third)
    return not off <= by_rounding + LIMIT * TINY


def _difference(what: str, name: str, values: dict[str, Tensor], node: Node | None) -> Difference:
    first, second = values.values()
    if first.shape != second.shape:
        return Difference(
            "outputs-differ",
            f"output `{name}`: {what}",
            {k: str(tuple(v.shape)) for k, v in values.items()},
            node,
        )
    place = tuple(
        int(i)
        for i in torch.unravel_index(
            (first.double() - second.double()).abs().nan_to_num().argmax(), first.shape
        )
    )
    return Difference(
        "outputs-differ",
        f"output `{name}` at {list(place)}: {what}",
        {k: f"{float(v[place]):.9g}" for k, v in values.items()},
        node,
    )
