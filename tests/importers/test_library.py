"""The export of each net of the library, imported again: the same net."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.analysis.sizes import usual_setting
from netdsl.cli import run
from netdsl.driver import open_program
from netdsl.importers.importing import import_onnx
from netdsl.ir.types import subs
from netdsl.library import library_names
from netdsl.verify.imported import prove
from netdsl.weights.checkpoints import tensors_of

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.importers.importing import Imported

# What the export does not contain, or contains in another form.
OTHERWISE = {
    "kernels:Sizes": "three of its layers have no use, so they are dropped",
    "lenet5:LeNet5Original": "its connections between maps become a full kernel with zeros",
    "swin:FashionSwin": "its constant masks become learned tensors",
    "swin:SwinT": "its constant masks become learned tensors",
    "swin:SwinS": "its constant masks become learned tensors",
    "swin:SwinB": "its constant masks become learned tensors",
    "swin:SwinL": "its constant masks become learned tensors",
}
LARGE = 60_000_000  # parameters of nets that take minutes
NETS = [f"{file}:{net}" for file in library_names() for net in open_program(file).nets()]
QUICK = set(
    """
    bert:BERTTiny convnetjs:ConvNetJS experiments:Norm experiments:ResShallow gpt:ByteGPT
    graphnet:GCN kernels:RGB lenet5:LeNet5 neocognitron:Neocognitron perceptron:Perceptron
    resnet:CifarResNet20 squeezenet:SqueezeNet1_1 vae:VAE vit:FashionViT yolo:YOLOv3Tiny
    """.split()
)


def imported_again(spec: str, path: Path) -> Imported:
    """The import of the export of a net of the library."""
    model = path / "model.onnx"
    assert run(["export", spec, "-o", str(model), "--no-fold", "-q"]) == 0
    return import_onnx(model, "again.net", {})


def _figures(net: netdsl.Net) -> tuple[int, int]:
    """Parameters and MACs, at the usual sizes."""
    graph = net._compiled.graph
    sizes = usual_setting(graph)
    return net.params, int(subs(net._compiled.costs.totals().macs, sizes))


def _marked(spec: str) -> object:
    marks = [] if spec in QUICK else [pytest.mark.slow]
    return pytest.param(spec, marks=marks)


@pytest.mark.parametrize("spec", [_marked(s) for s in NETS if s not in OTHERWISE])
def test_same_net(spec: str, tmp_path: Path) -> None:
    """The import has the same parameters and MACs, and every layer agrees with the export."""
    own = netdsl.load(spec)
    if own.params > LARGE:
        pytest.skip(f"{spec} has {own.params:,} parameters: its export takes minutes")
    result = imported_again(spec, tmp_path)
    again = netdsl.loads(result.text)
    assert _figures(own) == _figures(again)
    report = prove(result)
    assert report.ok
    assert 0 < report.comparisons <= len(result.flat.layers)


def test_deep_nets_are_short_texts(tmp_path: Path) -> None:
    """A ResNet with 56 layers is not longer than one with 20, and its weights have their names."""
    long, short = (imported_again(f"resnet:CifarResNet{n}", tmp_path) for n in (56, 20))
    assert long.text.count("\n") == short.text.count("\n") <= 30
    own = netdsl.load("resnet:CifarResNet56")._compiled.graph
    assert set(tensors_of(own)) == set(tensors_of(long.compiled.graph))


def test_open_sizes_stay_open(tmp_path: Path) -> None:
    """A fully convolutional net keeps its open sizes, and a language model its length."""
    assert "input image: 3xHxW" in imported_again("yolo:YOLOv3Tiny", tmp_path).text
    assert "input tokens: T int64" in imported_again("gpt:ByteGPT", tmp_path).text
