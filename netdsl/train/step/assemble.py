"""Assembles the training step: forward, loss, backward and optimizer as one model.

The model has no weights inside. It takes the batch, the labels, what the user can change at every
step, and the state: weights, slots of the optimizer and running statistics. It gives the loss, the
outputs of the net, and the new value of everything in the state that changes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from netdsl.backends.onnx.form import OPSET
from netdsl.backends.onnx.training import Passes, Terminal, model_of_ports
from netdsl.train.step.losses import emit_loss
from netdsl.train.step.recipe import BASE
from netdsl.train.step.updates import (
    COUNT,
    Corrections,
    Hyper,
    corrections,
    counts_updates,
    emit_update,
    hyper_of,
    slots_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netdsl.backends.onnx.proto import ModelProto
    from netdsl.ir.graph import Graph, Value
    from netdsl.train.step.recipe import Recipe, StepTarget

NEW = ".new"
METADATA = "netdsl.step"


def build_step(
    graph: Graph,
    recipe: Recipe,
    metadata: Mapping[str, str] | None = None,
    *,
    opset: int = OPSET,
    takes_masks: bool = False,
    gives_norms: bool = False,
) -> ModelProto:
    """The model of a training step, without weights.

    With `takes_masks`, the random factors of dropout are inputs. With `gives_norms`, a further
    output is the norm of the gradient of each weight, before it is clipped. Raises `NetdslError`
    for a layer without a gradient, and `SettingError` for an optimizer that has no ONNX form.
    """
    slots_of(recipe.optimizer)
    step = _Assembly(graph, recipe, opset, takes_masks=takes_masks)
    gradients = step.passes.backward(step.emit_losses())
    if gives_norms:
        step.give_norms(gradients)
    step.emit_updates(gradients)
    properties = {
        "netdsl.net": graph.name,
        "netdsl.source": graph.site.span.file.name,
        METADATA: json.dumps(step.names),
        **(metadata or {}),
    }
    return model_of_ports(step.g, graph.name, graph.doc, step.inputs, step.outputs, properties)


class _Assembly:
    """The inputs and outputs of a step while it is put together."""

    def __init__(self, graph: Graph, recipe: Recipe, opset: int, *, takes_masks: bool) -> None:
        self.graph, self.recipe = graph, recipe
        self.passes = Passes(graph, recipe.batch, opset, recipe.frozen, takes_masks=takes_masks)
        self.g = self.passes.g
        self._taken = {name for node in graph.nodes for name in node.tensors()}
        own = {v.name: self._name(v.name) for v in graph.inputs}
        self._results = {output.name: self._name(output.name) for output in graph.outputs}
        self.inputs = [Terminal(own[v.name], self.passes.inputs[id(v)]) for v in graph.inputs]
        self.inputs += [Terminal(self._name(mask.replace("/", "")), mask) for mask in self.g.masks]
        self.outputs: list[Terminal] = []
        self.names: dict[str, object] = {"batch": recipe.batch, "inputs": own}

    def _name(self, wanted: str) -> str:
        """A name for an input or output that nothing else has: `rate`, or else `rate_`."""
        while wanted in self._taken:
            wanted += "_"
        self._taken.add(wanted)
        return wanted

    def _take(self, wanted: str, dtype: str = "float32", shape: Sequence[int] = ()) -> Terminal:
        """Add an input of the model."""
        name = self._name(wanted)
        self.inputs.append(Terminal(name, self.g.declare(f"input/{name}", dtype, shape)))
        return self.inputs[-1]

    def _give(self, wanted: str, value: str) -> str:
        """Add an output of the model; returns its name."""
        name = self._name(wanted)
        self.outputs.append(Terminal(name, value))
        return name

    def emit_losses(self) -> str:
        """Emit the sum of the losses; returns the name of its value."""
        graph, recipe, g = self.graph, self.recipe, self.g
        values = {output.name: output.value for output in graph.outputs}
        labels = [
            self._labels(target, values[part.output])
            for part, target in zip(recipe.losses, recipe.targets, strict=True)
        ]
        self.names["labels"] = [port.name for port in labels]
        self.passes.begin_loss()
        first = recipe.losses[0]
        terms = [
            (part.loss, values[part.output], number, part.weight)
            for number, part in enumerate(recipe.losses)
        ]
        terms += [(first.loss, head.value, 0, head.weight) for head in graph.aux]
        parts = []
        for loss, value, number, weight in terms:
            scores, ignored = self.passes.value(value), recipe.targets[number].ignored
            made = emit_loss(g, loss, scores, labels[number].value, ignored)
            parts.append(made if weight == 1 else g.op("Mul", made, g.floats(weight)))
        total = parts[0] if len(parts) == 1 else g.op("Sum", *parts)
        self.names["loss"] = self._give("loss", total)
        for name, value in values.items():
            self.outputs.append(Terminal(self._results[name], self.passes.value(value)))
        self.names["outputs"] = self._results
        return total

    def _labels(self, target: StepTarget, scores: Value) -> Terminal:
        sizes = self.g.shape(self.passes.value(scores))
        if target.has_classes:
            return self._take(target.name, "int64", (sizes[0], *sizes[2:]))
        return self._take(target.name, "float32", sizes)

    def give_norms(self, gradients: dict[str, str]) -> None:
        """Give the norms of the gradients, one after another."""
        g = self.g
        g.begin_at("step/norms", "norms", self.graph.site)
        each = [g.op("Reshape", self._square(own), g.ints([1])) for own in gradients.values()]
        joined = each[0] if len(each) == 1 else g.op("Concat", *each, axis=0)
        self.names["norms"] = self._give("gradient norms", g.op("Sqrt", joined))
        self.names["learned"] = [*gradients]

    def emit_updates(self, gradients: dict[str, str]) -> None:
        """Emit the new value of the state, from the gradients of the weights."""
        g, recipe = self.g, self.recipe
        g.begin_at("step/update", "update", self.graph.site)
        known = hyper_of(recipe.optimizer)
        ports = {name: self._take(name) for name in known}
        self.names["hyper"] = {port.name: known[name] for name, port in ports.items()}
        own = [name for name, param in g.params.items() if not param.is_constant]
        self.inputs += [Terminal(name, name) for name in own]
        state: dict[str, str] = {}
        corrected = None
        if counts_updates(recipe.optimizer):
            corrected = self._count(state)
        gradients = self._clipped(gradients)
        for name in own:
            if name in gradients:
                self._update(name, gradients[name], ports, corrected, state)
        for name, value in g.updates.items():
            state[name] = self._give(name + NEW, value)
        self.names["state"] = state
        self.names["fixed"] = [name for name in own if name not in state]

    def _count(self, state: dict[str, str]) -> Corrections:
        assert counts_updates(self.recipe.optimizer)
        g, port = self.g, self._take(COUNT)
        count = g.op("Add", port.value, g.floats(1.0))
        state[port.name] = self._give(port.name + NEW, count)
        return corrections(g, self.recipe.optimizer, count)

    def _update(
        self,
        name: str,
        gradient: str,
        ports: Mapping[str, Terminal],
        corrected: Corrections | None,
        state: dict[str, str],
    ) -> None:
        g, recipe = self.g, self.recipe
        slots = {
            slot: self._take(f"{name}.{slot}", "float32", g.shape(name))
            for slot in slots_of(recipe.optimizer)
        }
        rate, share = ports["rate"].value, recipe.rates.get(name, BASE)
        if share != BASE:
            rate = g.op("Mul", rate, g.floats(share))
        hyper = Hyper(
            rate,
            ports["momentum"].value if "momentum" in ports else "",
            ports["decay"].value if name in recipe.decayed else "",
        )
        shape = g.shape(name)
        values = {slot: self._flat(port.value) for slot, port in slots.items()}
        weight, gradient = self._flat(name), self._flat(gradient)
        made = emit_update(g, recipe.optimizer, weight, gradient, values, hyper, corrected)
        state[name] = self._give(name + NEW, self._shaped(made.weight, shape))
        for slot, value in made.slots.items():
            shaped = self._shaped(value, shape)
            state[slots[slot].name] = self._give(slots[slot].name + NEW, shaped)

    def _flat(self, value: str) -> str:
        """A value as a vector if its last axis has size 1: onnxruntime is slow to scale others."""
        if self.g.shape(value)[-1:] != (1,):
            return value
        return self.g.op("Reshape", value, self.g.ints([-1]))

    def _shaped(self, value: str, shape: Sequence[int]) -> str:
        if self.g.shape(value) == tuple(shape):
            return value
        return self.g.op("Reshape", value, self.g.ints(list(shape)))

    def _clipped(self, gradients: dict[str, str]) -> dict[str, str]:
        """The gradients within the limits of the recipe."""
        g, recipe = self.g, self.recipe
        if recipe.clip_value is not None:
            limits = g.floats(-recipe.clip_value), g.floats(recipe.clip_value)
            gradients = {name: g.op("Clip", own, *limits) for name, own in gradients.items()}
        if recipe.clip_norm is not None and gradients:
            squares = [self._square(own) for own in gradients.values()]
            norm = g.op("Sqrt", g.op("Sum", *squares))
            ratio = g.op("Div", g.floats(recipe.clip_norm), g.op("Add", norm, g.floats(1e-6)))
            factor = g.op("Min", ratio, g.floats(1.0))
            gradients = {name: g.op("Mul", own, factor) for name, own in gradients.items()}
        return gradients

    def _square(self, gradient: str) -> str:
        axes = self.g.ints(list(range(len(self.g.shape(gradient)))))
        return self.g.op("ReduceSumSquare", gradient, axes, keepdims=0)
