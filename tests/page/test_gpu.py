"""Models for the graphics processor: they compute the same, without what is at fault there."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest

from netdsl.page.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Mapping

NET = """net A {{
    input x: {channels}x12x12
    conv({units}, 3{more}) -> gap -> flatten
    output y: dense(3)
}}
"""


def models(desk: Desk, device: str) -> dict[str, onnx.ModelProto]:
    """What the page gets to train the net that the desk shows."""
    made: Mapping[str, Any] = desk.training(2, device)
    parts = {name: base64.b64decode(made[name]) for name in ("step", "test", "look")}
    return {name: onnx.ModelProto.FromString(data) for name, data in parts.items()}


def results(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The outputs for random inputs, which are the same for the same inputs."""
    rng = np.random.default_rng(1)
    feeds = {}
    for value in model.graph.input:
        tensor = value.type.tensor_type
        shape = [axis.dim_value for axis in tensor.shape.dim]
        is_label = tensor.elem_type == onnx.TensorProto.INT64
        made = rng.integers(0, 3, shape) if is_label else rng.normal(size=shape)
        feeds[value.name] = np.asarray(made, np.int64 if is_label else np.float32)
    names = [output.name for output in model.graph.output]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return dict(zip(names, session.run(names, feeds), strict=True))


def widths(model: onnx.ModelProto) -> int:
    """The number of nodes that add channels."""
    return sum(node.name.startswith("gpu/") for node in model.graph.node)


def test_the_models_compute_the_same() -> None:
    """LeNet-5's convolution from 6 to 16 channels gets a seventh, and no result changes."""
    desk = Desk()
    desk.update(desk.example("lenet5"), None, {})
    plain, changed = models(desk, "wasm"), models(desk, "webgpu")
    for name, model in changed.items():
        onnx.checker.check_model(model)
        assert (widths(plain[name]), widths(model)) == (0, 2)
        found, wanted = results(model), results(plain[name])
        assert found.keys() == wanted.keys()
        for key, array in wanted.items():
            np.testing.assert_allclose(found[key], array, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "units", "is_widened"),
    [(6, 4, True), (15, 8, True), (3, 4, False), (12, 4, False), (6, 6, False), (5, 4, False)],
)
def test_only_what_is_at_fault_changes(channels: int, units: int, *, is_widened: bool) -> None:
    """More than 3 channels, a multiple of 3 but not of 4, to a multiple of 4."""
    desk = Desk()
    desk.update(NET.format(channels=channels, units=units, more=""), None, {})
    assert bool(widths(models(desk, "webgpu")["test"])) == is_widened


def test_groups_stay() -> None:
    """Convolutions in groups are computed by other programs there, which are right."""
    desk = Desk()
    desk.update(NET.format(channels=12, units=8, more=", groups = 2"), None, {})
    assert widths(models(desk, "webgpu")["test"]) == 0


def test_the_kinds_of_layers_stay() -> None:
    """The page knows each layer by the name of its value, on either processor."""
    desk = Desk()
    desk.update(desk.example("lenet5"), None, {})
    plain, changed = desk.training(2, "wasm"), desk.training(2, "webgpu")
    same = ("names", "kinds", "starts", "input", "output", "recipe", "data")
    assert json.dumps([plain[k] for k in same]) == json.dumps([changed[k] for k in same])
