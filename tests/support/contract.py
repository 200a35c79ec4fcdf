"""The examples of the layers, and checks of them that several tests share."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import onnx

import netdsl
from netdsl.ops import LAYERS
from tests.support.back_ends import inputs_for, randomise, run_onnx, run_torch


def inputs_and_call(count: int, call: str) -> tuple[list[str], str]:
    """The names of the inputs of an example, and its call with references to them.

    The last inputs have the names that the call refers to; the others are given as references.
    """
    named = re.findall(r"@(\w+)", call)
    names = [f"x{i}" for i in range(count - len(named))] + named
    references = [f"@{name}" for name in names[1 : count - len(named)]]
    if call.startswith("("):  # an expression
        return names, call.format(*references)
    name, _, rest = call.removesuffix(")").partition("(")
    arguments = ", ".join([*references, rest] if rest else references)
    return names, f"{name}({arguments})" if arguments else call


class Example(NamedTuple):
    """An example of a kind of layer: the shapes of its inputs, and a call."""

    kind: str
    shapes: str
    call: str

    def text(self, shapes: list[str] | None = None) -> str:
        """A net of only the call, with the label `y`; other inputs are given as references."""
        given = shapes or self.shapes.split(", ")
        names, call = inputs_and_call(len(given), self.call)
        lines = [f"    input {name}: {s}" for name, s in zip(names, given, strict=True)]
        return "\n".join(["net Example {", *lines, f"    @x0 -> y: {call}", "}"])

    def net(self) -> netdsl.Net:
        """The compiled net."""
        return netdsl.loads(self.text())


def examples_of(kind: str) -> list[Example]:
    """The examples that a kind declares."""
    return [Example(kind, shapes, call) for shapes, call in LAYERS[kind].examples]


EXAMPLES = [e for kind in LAYERS for e in examples_of(kind)]


def check_shape(net: netdsl.Net) -> None:
    """Check that the inferred type is that of PyTorch's result, at two batch sizes."""
    module = randomise(net.torch())
    inferred = net.outputs[0].value.type
    for batch in (1, 3):
        (output,) = run_torch(module, inputs_for(net, batch))
        assert (batch, *inferred.shape) == output.shape
        assert inferred.dtype == str(output.dtype)


def onnx_shape(model: onnx.ModelProto, batch: int) -> tuple[int | str, ...]:
    """The shape of the output that ONNX's own inference gives for that batch size."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for value in bare.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = batch
    bare.graph.output[0].type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(
        bare, check_type=True, strict_mode=True, data_prop=True
    )
    return tuple(
        d.dim_value or d.dim_param for d in inferred.graph.output[0].type.tensor_type.shape.dim
    )


def check_onnx(net: netdsl.Net) -> None:
    """Check that the model is valid, has the inferred shape, and gives PyTorch's outputs."""
    module = randomise(net.torch())
    model = net.onnx(weights=module.state_dict())
    onnx.checker.check_model(model, full_check=True)
    assert (3, *net.outputs[0].value.type.shape) == onnx_shape(model, 3)
    inputs = inputs_for(net)
    (expected,), (actual,) = run_torch(module, inputs), run_onnx(model, inputs)
    assert expected.dtype == actual.dtype
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
