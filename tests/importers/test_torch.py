"""Networks that PyTorch exported, in both of its ways."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from netdsl.importers.importing import import_onnx
from netdsl.verify.imported import prove
from tests.support.torch_nets import CASES

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.importers.importing import Imported


def exported(name: str, path: Path, *, dynamo: bool) -> tuple[nn.Module, Path]:
    """A network of the support module, and its model; weights and averages are random."""
    torch.manual_seed(0)
    module = CASES[name].module().eval()
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    model = path / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, CASES[name].inputs(), str(model), dynamo=dynamo, verbose=False)
    return module, model


def imported(name: str, path: Path, *, dynamo: bool = False) -> tuple[nn.Module, Imported]:
    """A network, and its import after the proof."""
    module, model = exported(name, path, dynamo=dynamo)
    result = import_onnx(model, "imported.net", {})
    report = prove(result)
    made = [x for x in result.flat.layers if ":" not in x.output]
    assert report.comparisons == len(made)
    return module, result


def count(module: nn.Module) -> int:
    """The parameters without those of batch norms, which the exporter folds away."""
    own = sum(p.numel() for p in module.parameters())
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    return own - sum(norm.num_features for norm in norms)


def products(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> int:
    """The MACs that PyTorch counts, where each product is an operator that it counts."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about settings of GPUs
            plain = sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False)
            with FlopCounterMode(display=False) as counter, torch.no_grad(), plain[0], plain[1]:
                module(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    flops: int = counter.get_total_flops()
    return flops // 2


@pytest.mark.parametrize("name", CASES)
def test_export_by_tracing(name: str, tmp_path: Path) -> None:
    """The text has the parameters and MACs of the module; it is folded, and all layers agree."""
    module, result = imported(name, tmp_path)
    assert count(module) == result.compiled.costs.totals().params
    assert products(module, CASES[name].inputs()) == result.compiled.costs.totals().macs
    assert " v1: " not in result.text
    assert not result.missing()


@pytest.mark.parametrize("name", CASES)
def test_export_by_dynamo(name: str, tmp_path: Path) -> None:
    """The same for the newer exporter, which decomposes other layers."""
    if find_spec("onnxscript") is None:
        pytest.skip("the exporter needs onnxscript")
    module, result = imported(name, tmp_path, dynamo=True)
    assert count(module) == result.compiled.costs.totals().params
    assert products(module, CASES[name].inputs()) == result.compiled.costs.totals().macs


def test_weights_have_the_names_of_the_module(tmp_path: Path) -> None:
    """A module without batch norms gives its own state dict."""
    module, result = imported("transformer", tmp_path)
    state = module.state_dict()
    weights = result.weights()
    assert set(state) == set(weights)
    for name, tensor in state.items():
        assert tensor.numpy() == pytest.approx(weights[name].read())


def test_shared_weights_stay_shared(tmp_path: Path) -> None:
    """The output layer of a language model has the weights of its embedding."""
    _, result = imported("language", tmp_path)
    assert "weight = @wte.weight" in result.text


def test_texts_are_folded(tmp_path: Path) -> None:
    """Equal blocks are written once, runs are loops, and long skips are references."""
    _, residual = imported("residual", tmp_path)
    assert residual.text.count("\n") < 45
    assert 2 <= residual.text.count("block ")
    assert "repeat 2" in residual.text
    _, transformer = imported("transformer", tmp_path)
    assert transformer.text.count("attention(4)") == 1
    assert "repeat 3" in transformer.text
    _, unet = imported("unet", tmp_path)
    assert unet.text.count("concat([@") == 2
    assert "concat {" not in unet.text


def test_decomposed_layers_are_recognised(tmp_path: Path) -> None:
    """Each of these is one layer again."""
    texts = {name: imported(name, tmp_path)[1].text for name in ("shuffle", "norms", "mobilenet")}
    assert "channel_shuffle(2)" in texts["shuffle"]
    for layer in (
        "groupnorm(2)",
        "instancenorm(affine = true)",
        "mish",
        "lrn(n = 3)",
        "pixel_shuffle(2)",
    ):
        assert layer in texts["norms"]
    assert "hard_swish" in texts["mobilenet"]
    assert "hard_sigmoid" in texts["mobilenet"]
