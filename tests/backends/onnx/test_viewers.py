"""What viewers such as Netron show of a model: types on inner edges, and readable layers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import netdsl
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.graph import skeleton
from tests.support.back_ends import inputs_for, run_onnx, run_torch
from tests.support.onnx_files import operators

NETS = ["lenet5", "alexnet:AlexNet", "googlenet:GoogLeNet", "resnet:ResNet18", "perceptron:MLP"]


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_inner_values_have_the_types_that_onnx_infers(name: str, *, fold: bool) -> None:
    """The result of each layer has a type, and ONNX's own inference agrees with all of them."""
    net = netdsl.load(name)
    model = net.onnx(fold=fold)
    found = {info.name: info.type for info in model.graph.value_info}
    made = {node.output[0] for node in model.graph.node}
    layers = {node.name for node in net.graph.nodes if node.aux is None}
    assert len(found) >= 0.5 * len(made)
    if not fold:
        assert (layers & made) - {o.name for o in model.graph.output} <= set(found)
    del model.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    types = {info.name: info.type.tensor_type for info in inferred.graph.value_info}
    for value, type_ in found.items():
        dims = [d.dim_value for d in type_.tensor_type.shape.dim]
        if value in types:
            other = [d.dim_value for d in types[value].shape.dim]
            assert [a for a, b in zip(dims, other, strict=True) if a and b and a != b] == []
            assert type_.tensor_type.elem_type == types[value].elem_type


def test_half_precision_has_its_own_types() -> None:
    """Inner values of a float16 model are float16, also where its ends are float32."""
    form = Form(dtype="float16", keep_io=True)
    model = skeleton(netdsl.load("lenet5").graph, form).model
    types = {info.type.tensor_type.elem_type for info in model.graph.value_info}
    assert types == {onnx.TensorProto.FLOAT16}


def test_local_response_normalisation_is_one_function() -> None:
    """The layers that are written as products are calls of a function, with the same results."""
    net = netdsl.loads("net F {\n input x: 8x5x4\n conv(8, 1) -> lrn(5) -> relu\n}")
    model = net.onnx(fold=True)
    assert operators(model) == ["Conv", "lrn", "Relu"]
    assert [function.name for function in model.functions] == ["lrn"]
    inputs = inputs_for(net)
    module = net.torch()
    model = net.onnx(fold=True, weights=module.state_dict())
    np.testing.assert_allclose(
        run_onnx(model, inputs)[0], run_torch(module, inputs)[0], rtol=1e-5, atol=1e-6
    )
