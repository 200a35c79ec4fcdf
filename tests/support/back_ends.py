"""Runs nets with random weights in both back ends."""

from __future__ import annotations

import numpy as np
import onnx
import torch

import netdsl
from tests.support.sessions import session_of


def randomise(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Set every weight and statistic to random numbers, and the module to evaluation mode.

    If a back end ignores one of these tensors, its outputs are wrong. Constants keep their numbers.
    """
    learned = dict(module.named_parameters(remove_duplicate=False))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif name in learned or name.endswith("running_mean"):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5)
    return module.eval()


def inputs_for(
    net: netdsl.Net, batch: int = 2, sizes: dict[str, int] | None = None, seed: int = 0
) -> list[torch.Tensor]:
    """Random inputs of a net; `sizes` gives its open sizes.

    Integers are small enough for any embedding.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs = []
    for value in net.graph.inputs:
        shape = (batch, *(d if isinstance(d, int) else d.at(sizes or {}) for d in value.type.shape))
        if value.type.dtype == "float32":
            inputs.append(torch.randn(shape, generator=generator))
        else:
            dtype = getattr(torch, value.type.dtype)
            inputs.append(torch.randint(0, 2, shape, generator=generator, dtype=dtype))
    return inputs


def run_torch(module: torch.nn.Module, inputs: list[torch.Tensor]) -> list[np.ndarray]:
    """The outputs of a module."""
    with torch.no_grad():
        result = module(*inputs)
    outputs = result if isinstance(result, tuple) else (result,)
    return [t.detach().numpy() for t in outputs]


def run_onnx(model: onnx.ModelProto, inputs: list[torch.Tensor]) -> list[np.ndarray]:
    """The outputs of an ONNX model in onnxruntime."""
    session = session_of(model)
    outputs: list[np.ndarray] = session.run(
        None, {i.name: t.numpy() for i, t in zip(session.get_inputs(), inputs, strict=True)}
    )
    return outputs


def assert_back_ends_agree(
    net: netdsl.Net, sizes: dict[str, int] | None = None, batch: int = 2
) -> list[np.ndarray]:
    """Check that PyTorch and onnxruntime give the same outputs; return those of PyTorch."""
    module = randomise(net.torch())
    inputs = inputs_for(net, batch, sizes)
    expected = run_torch(module, inputs)
    actual = run_onnx(net.onnx(weights=module.state_dict()), inputs)
    assert [o.shape for o in expected] == [o.shape for o in actual]
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5)
    return expected


def both(net: netdsl.Net, *inputs: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The weights as float64, and the output, on which PyTorch and onnxruntime agree.

    The names of the weights have no `y.` in front.
    """
    module = randomise(net.torch())
    tensors = [torch.from_numpy(x.astype(np.float32)) for x in inputs]
    (expected,) = run_torch(module, tensors)
    (actual,) = run_onnx(net.onnx(weights=module.state_dict()), tensors)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    return {
        n.removeprefix("y."): t.numpy().astype(np.float64) for n, t in module.state_dict().items()
    }, expected


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Random numbers with a normal distribution."""
    return np.random.default_rng(seed).normal(size=shape)
