"""Compares the library with published checkpoints, counts, Caffe descriptions and accuracies."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import netdsl
from netdsl.api import Net
from netdsl.driver import Compiled, compile_net, open_program, program_of
from netdsl.source import SourceFile
from tests.support.caffe import Caffe
from tests.support.paths import ROOT

SHARED = ROOT.parent / "shared"
REFERENCE = SHARED / "reference"
NETS = ROOT / "nets"
CORPORA = REFERENCE / "corpora"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the published figures are not beside the repository"
)
needs_data = pytest.mark.skipif(
    not (SHARED / "data" / "cifar10").is_dir(),
    reason="CIFAR-10 and the third-party weights are not beside the repository",
)

RESNETS, VGGS = (18, 34, 50, 101, 152), (11, 13, 16, 19)
TORCHVISION = {
    "alexnet": "alexnet:AlexNetOneTower",
    "convnext_tiny": "convnext:ConvNeXtT",
    "googlenet": "googlenet:GoogLeNetBN",
    **{f"resnet{n}": f"resnet:ResNet{n}" for n in RESNETS},
    **{f"vgg{n}": f"vgg:VGG{n}" for n in VGGS},
    **{f"vgg{n}_bn": f"vgg:VGG{n}BN" for n in VGGS},
    "densenet121": "densenet:DenseNet121",
    "mobilenet_v2": "mobilenet:MobileNetV2",
    "resnext50_32x4d": "resnext:ResNeXt50",
    "squeezenet1_0": "squeezenet:SqueezeNet",
    "squeezenet1_1": "squeezenet:SqueezeNet1_1",
    "wide_resnet50_2": "resnext:WideResNet50",
    "vit_b_16": "vit:ViT_B16",
}
PAPERS = {
    "LeNet-5": "lenet5:LeNet5Original",
    "AlexNet": "alexnet:AlexNet",
    "GoogLeNet": "googlenet:GoogLeNet",
    "VGG-A": "vgg:VGG11",
    "VGG-A-LRN": "vgg:VGG11LRN",
    "VGG-B": "vgg:VGG13",
    "VGG-C": "vgg:VGG16C",
    "VGG-D": "vgg:VGG16",
    "VGG-E": "vgg:VGG19",
    "light_bvlc_alexnet": "alexnet:AlexNet",
    "bvlc_alexnet": "alexnet:AlexNet",
    "light_inception_v1": "googlenet:GoogLeNet",
    "bvlc_googlenet": "googlenet:GoogLeNet",
    "light_vgg19": "vgg:VGG19",
    "VGG16": "vgg:VGG16",
    "VGG19": "vgg:VGG19",
    "FCN-VGG16 (FCN-32s)": "fcn:FCN32s",
    **{f"cifar_resnet{n}": f"resnet:CifarResNet{n}" for n in (20, 32, 44, 56, 110, 1202)},
}


@cache
def compiled(name: str, size: tuple[int, ...] | None = None) -> Compiled:
    """A net of the library, at an input size if one is given."""
    file, net = name.split(":")
    return compile_net(open_program(file), net, {"": size} if size else None)


def macs(name: str, size: tuple[int, ...] = (3, 224, 224)) -> int:
    """The multiply-accumulates of a net at an input size."""
    total = compiled(name, size).costs.totals().macs
    assert isinstance(total, int)
    return total


@cache
def figures() -> list[dict[str, Any]]:
    """The published figures, or none if the file is missing."""
    path = REFERENCE / "counts.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def entry(name: str, kind: str) -> dict[str, Any]:
    """The published figures of a net from a kind of source."""
    return next(e for e in figures() if (e["name"], e["source_kind"]) == (name, kind))


# ---- checkpoints


@needs_reference
@pytest.mark.parametrize(
    "path", sorted((REFERENCE / "state_dicts").glob("*.txt")), ids=lambda p: p.stem
)
def test_names_of_checkpoints(path: Path) -> None:
    """A module has the keys and shapes of the published checkpoint, in the same order.

    The order is not compared if there are auxiliary heads, which the checkpoint has at the end.
    """
    if path.stem not in TORCHVISION:
        pytest.skip("the library has no net for this checkpoint yet")
    with torch.device("meta"):
        module = netdsl.load(TORCHVISION[path.stem]).torch()
    expected = [
        tuple(line.split()) for line in path.read_text(encoding="utf-8").splitlines() if line
    ]
    actual = [(k, "x".join(map(str, v.shape)) or "scalar") for k, v in module.state_dict().items()]
    if any(k.startswith("aux") for k, _ in expected):
        expected, actual = sorted(expected), sorted(actual)
    assert expected == actual


# ---- counts


@needs_reference
@pytest.mark.parametrize(
    "name",
    sorted({e["name"] for e in figures() if e["source_kind"] == "torchvision"} & set(TORCHVISION)),
)
def test_figures_of_torchvision(name: str) -> None:
    """Parameters agree exactly, and multiply-accumulates to the last published digit."""
    published = entry(name, "torchvision")
    assert published["params"] == compiled(TORCHVISION[name]).costs.totals().params
    assert published["gmacs"] == round(macs(TORCHVISION[name], tuple(published["input"])) / 1e9, 3)


EXACT = [
    e
    for e in figures()
    if e["params_exact" if "params_exact" in e else "name"] is True and e["name"] in PAPERS
]


@needs_reference
@pytest.mark.parametrize("published", EXACT, ids=lambda e: f"{e['name']}-{e['source_kind']}")
def test_exact_counts(published: dict[str, Any]) -> None:
    """Exact counts of papers, ONNX's light models, Caffe and Keras agree with ours.

    These are trainable parameters, and multiply-accumulates if they are published.
    """
    totals = compiled(PAPERS[published["name"]]).costs.totals()
    assert published["params"] == totals.trainable
    if "gmacs" in published:
        assert round(published["gmacs"] * 1e9) == totals.macs


@needs_reference
@pytest.mark.parametrize("depth", [50, 101, 152])
def test_counts_of_keras_resnets(depth: int) -> None:
    """Keras and ONNX's light model also count numbers that we do not.

    For each normalised channel, Keras counts a bias of the convolution and two running statistics.
    ONNX's model counts the two statistics, and one additional number.
    """
    graph = compiled(f"resnet:ResNet{depth}").graph
    params = compiled(f"resnet:ResNet{depth}").costs.totals().params
    channels = sum(n.buffers()["running_mean"].size for n in graph.nodes if n.op.kind == "bn")
    assert entry(f"ResNet{depth}", "keras")["params"] == params + 3 * channels
    assert (
        depth != 50 or entry("light_resnet50", "onnx_light")["params"] == params + 2 * channels + 1
    )


@needs_reference
@pytest.mark.parametrize(
    "published",
    [e for e in figures() if e["source_kind"] == "pytorch_cifar_models"],
    ids=lambda e: f"{e['name']}-{e['variant']}",
)
def test_counts_of_cifar_models(published: dict[str, Any]) -> None:
    """Counts of CIFAR models with projection shortcuts agree to the published digits."""
    n = (int(published["name"].removeprefix("cifar_resnet")) - 2) // 6
    defines = {
        "n": str(n),
        "Block": "basicblock",
        "classes": published["variant"].removeprefix("CIFAR-"),
    }
    totals = compile_net(open_program("resnet", defines), "CifarResNet").costs.totals()
    assert published["params"] == round(totals.params, -4)
    assert isinstance(totals.macs, int)
    assert round(published["gmacs"] * 1e5) == round(totals.macs / 1e4)


@needs_reference
@pytest.mark.parametrize(
    "published",
    [e for e in figures() if e["source_kind"] == "paper" and e["name"].startswith("cifar_")],
    ids=lambda e: e["name"],
)
def test_counts_of_table_6(published: dict[str, Any]) -> None:
    """The parameters in Table 6 of the ResNet paper agree to the published digits.

    They are 0.27, 0.46, 0.66, 0.85, 1.7 and 19.4 million.
    """
    digits = -4 if published["params"] < 1e6 else -5
    assert published["params"] == round(
        compiled(PAPERS[published["name"]]).costs.totals().params, digits
    )


STRIDE_FIRST = """
import {file}
block first(width, stride = 1) {{
    residual {{
        | conv1: conv(width, 1, stride, bias = false) -> bn1: bn -> relu
          conv2: conv(width, 3, pad = 1, bias = false) -> bn2: bn -> relu
          conv3: conv(4 * width, 1, bias = false) -> bn3: bn {scale}
        | if stride != 1 or in.channels != 4 * width {{
            downsample: {{ conv(4 * width, 1, stride, bias = false) -> bn }}
        }}
    }}
    relu
}}
net Paper = ResNet(first, {layers})
"""


@needs_reference
@pytest.mark.parametrize(
    ("name", "layers", "scale"),
    [
        ("ResNet-50", [3, 4, 6, 3], ""),
        ("ResNet-101", [3, 4, 23, 3], ""),
        ("ResNet-152", [3, 8, 36, 3], ""),
        ("SE-ResNet-50", [3, 4, 6, 3], "-> se"),
    ],
)
def test_macs_of_the_papers_bottlenecks(name: str, layers: list[int], scale: str) -> None:
    """With the stride in a block's first convolution, the counts are those of the papers.

    Published checkpoints have the stride in the 3x3 convolution, which gives the same parameters
    and more products than the papers' 3.8, 7.6 and 11.3 billion.
    """
    program = program_of(
        SourceFile("<text>", STRIDE_FIRST.format(file="resnet", layers=layers, scale=scale))
    )
    paper_net = Net(compile_net(program, "Paper", {"": (3, 224, 224)}))
    assert isinstance(paper_net.macs, int)
    assert abs(entry(name, "paper")["gmacs"] - paper_net.macs / 1e9) < 0.06
    ours = {"": "resnet:ResNet", "-> se": "senet:SEResNet"}[scale] + name.rpartition("-")[2]
    assert compiled(ours).costs.totals().params == paper_net.params


@needs_reference
@pytest.mark.parametrize("name", ["ResNet-18", "ResNet-34"])
def test_macs_of_table_1(name: str) -> None:
    """Our counts, rounded down, are those in Table 1 of the ResNet paper: 1.8 and 3.6 billion."""
    assert entry(name, "paper")["gmacs"] == macs(f"resnet:{name.replace('-', '')}") // 10**8 / 10


# ---- layer by layer


def rows_with_weights(
    name: str, size: tuple[int, ...] | None = None, kinds: tuple[str, ...] = ("conv", "dense")
) -> list[tuple[str, tuple[Any, ...], int, Any]]:
    """The (name, output, params, macs) of each layer of some kinds, without auxiliary heads."""
    return [
        (n.name, n.type.shape, c.params, c.macs)
        for n, c in compiled(name, size).costs.rows()
        if n.op.kind in kinds and n.aux is None
    ]


@needs_reference
@pytest.mark.parametrize(
    "name", ["VGG-A", "VGG-A-LRN", "VGG-B", "VGG-C", "VGG-D", "VGG-E", "AlexNet"]
)
def test_tables_of_layers(name: str) -> None:
    """Each layer with weights has the output and counts of the paper.

    AlexNet's paper has no multiply-accumulates.
    """
    published = [(*r["out"], r["params"], r.get("macs")) for r in entry(name, "paper")["layers"]]
    ours = [
        (*shape, params, n if name != "AlexNet" else None)
        for _, shape, params, n in rows_with_weights(PAPERS[name])
    ]
    assert published == ours


@needs_reference
def test_table_of_lenet5() -> None:
    """Each layer of LeNet-5 has the output, parameters and connections of the paper."""
    net = compiled("lenet5:LeNet5Original")
    layers = {n.name: (n, c) for n, c in net.costs.rows()}
    for row in entry("LeNet-5", "paper")["layers"]:
        node, cost = layers["distances" if "RBF" in row["layer"] else row["layer"]]
        window = (
            5 * cost.units
            if node.op.kind == "subsample"
            else cost.macs + (cost.units if node.op.kind != "rbf" else 0)
        )
        assert row["params"] == (0 if node.frozen else cost.params)
        assert row["connections"] == window
        assert row.get("out", list(node.type.shape)) == list(node.type.shape)


@needs_reference
def test_table_of_googlenet() -> None:
    """Each module of GoogLeNet has the output, weights and products of Table 1.

    Weights and products are compared with exact values, and products also with the printed ones,
    except where the paper is wrong.
    """
    net = compiled("googlenet:GoogLeNet")
    for row in entry("GoogLeNet", "paper")["layers"]:
        words = row["layer"].split()
        labels = {
            "conv1": ["conv1"],
            "conv2": ["reduce2", "conv2"],
            "linear": ["fc"],
            "inception": [f"inception{words[-1]}"],
        }[words[0]]
        parts = [net.costs.of(label) for label in labels]
        products = sum(p.macs for p in parts if isinstance(p.macs, int))
        weights = sum(p.weights for p in parts)
        assert (row["weights_arith"], row["macs_arith"]) == (weights, products)
        assert row["out"] == list(net.labels[labels[-1]].type.shape)
        if words[-1] not in ("7x7/2", "5a"):  # errors in the paper
            assert row["ops_published"] in {f"{round(products / 1e6)}M", f"{products // 10**6}M"}


@needs_reference
def test_table_of_darknets_vgg16() -> None:
    """The outputs and billions of operations that Darknet prints for its VGG-16."""
    published = []
    for row in entry("vgg-16", "darknet_binary")["layers"]:
        size = re.search(r"-> *(\d+) x *(\d+) x *(\d+)$", row["text"])
        if row["type"] == "conv" and size:
            published.append(((int(size[3]), int(size[1]), int(size[2])), row["bflops"]))
    assert published == [
        (shape, round(2 * n / 1e9, 3))
        for _, shape, _, n in rows_with_weights("vgg:VGG16", kinds=("conv",))
    ]


# ---- Keras' totals

KERAS = {
    "ResNet50": 25_636_712,
    "ResNet101": 44_707_176,
    "ResNet152": 60_419_944,
}


@pytest.mark.parametrize("name", KERAS)
def test_totals_of_keras(name: str) -> None:
    """Parameters and buffers together are the total of Keras, whose ResNets have a bias in every
    convolution; ours follow torchvision and have none.
    """
    text = (NETS / "resnet.net").read_text(encoding="utf-8")
    block = (NETS / "lib" / "bottleneck.net").read_text(encoding="utf-8")
    biased = (text + block).replace(", bias = false", "")
    made = compile_net(program_of(SourceFile("biased.net", biased)), name).costs.totals()
    assert made.params + made.buffers == KERAS[name]
    ours = compiled(f"resnet:{name}").costs.totals()
    channels = made.params - ours.params  # a bias for each
    assert (ours.buffers, ours.params + ours.buffers + channels) == (2 * channels, KERAS[name])


def test_trainable_parameters_of_keras() -> None:
    """Keras' MobileNetV2 has 3,538,984 parameters, of which 34,112 are moving means and variances,
    and its MobileNet has 4,253,864, of which 21,888 are; VGG-16 has no such numbers.
    """
    totals = compiled("mobilenet:MobileNetV2").costs.totals()
    assert (totals.params, totals.buffers) == (3_538_984 - 34_112, 34_112)
    totals = compiled("mobilenet:MobileNet").costs.totals()
    assert (totals.params, totals.buffers) == (4_253_864 - 21_888, 21_888)
    vgg = compiled("vgg:VGG16").costs.totals()
    assert (vgg.params, vgg.buffers) == (138_357_544, 0)


@needs_reference
def test_totals_that_keras_publishes() -> None:
    """The totals above are those of Keras' own table."""
    published = {
        row["name"]: row["params"]
        for row in json.loads((REFERENCE / "counts.json").read_text(encoding="utf-8"))
        if row["source_kind"] == "keras"
    }
    assert {name: published[name] for name in KERAS} == KERAS
    assert published["VGG16"] == 138_357_544


# ---- Caffe's descriptions


ZOO, FCN = "BVLC__caffe/models/", "shelhamer__fcn.berkeleyvision.org/"
IMAGE, REGION, SCENE = (3, 224, 224), (3, 227, 227), (3, 600, 800)
SAME_LAYERS = [
    ("alexnet:AlexNet", ZOO + "bvlc_alexnet/deploy.prototxt", REGION),
    ("alexnet:AlexNet", ZOO + "bvlc_reference_caffenet/deploy.prototxt", REGION),
    ("googlenet:GoogLeNet", ZOO + "bvlc_googlenet/deploy.prototxt", IMAGE),
    ("rcnn:RCNN", ZOO + "bvlc_reference_rcnn_ilsvrc13/deploy.prototxt", REGION),
    ("rcnn:FastRCNN", "rbgirshick__fast-rcnn/models/VGG16/test.prototxt", SCENE),
    *((f"fcn:FCN{n}s", f"{FCN}voc-fcn{n}s/val.prototxt", (3, 500, 375)) for n in (32, 16, 8)),
    ("senet:SEInception", "hujie-frank__SENet/models/SE-BN-Inception.prototxt", IMAGE),
]
WITH_WEIGHTS = ("conv", "deconv", "dense", "bn")


@needs_reference
@pytest.mark.parametrize(
    ("name", "path", "size"),
    SAME_LAYERS,
    ids=[p.split("/")[-2] + "/" + n for n, p, _ in SAME_LAYERS],
)
def test_same_layers_as_caffes(name: str, path: str, size: tuple[int, ...]) -> None:
    """Each layer with weights has the output and parameters of the published description.

    The layers have the same order, and blobs with the name of a label have its shape.
    """
    theirs = Caffe(CORPORA / path, data=size, rois=(5,))
    ours = [
        (s[-1:] if len(s) == 2 else s, p)
        for _, s, p, _ in rows_with_weights(name, size, WITH_WEIGHTS)
    ]
    assert theirs.rows == ours
    labels = {k.rpartition(".")[2]: v.type.shape for k, v in compiled(name, size).labels.items()}
    for blob in (labels.keys() & theirs.blobs.keys()) - {"data"}:
        assert theirs.blobs[blob] == tuple(d for d in labels[blob] if isinstance(d, int)), blob


SAME_BLOCKS = [
    *(
        (
            f"resnet:ResNet{n}",
            f"KaimingHe__deep-residual-networks/prototxt/ResNet-{n}-deploy.prototxt",
        )
        for n in (50, 101, 152)
    ),
    *(
        (f"senet:SEResNet{n}", f"hujie-frank__SENet/models/SE-ResNet-{n}.prototxt")
        for n in (50, 101, 152)
    ),
]


@needs_reference
@pytest.mark.parametrize(("name", "path"), SAME_BLOCKS, ids=[n for n, _ in SAME_BLOCKS])
def test_same_blocks_as_caffes(name: str, path: str) -> None:
    """Layers have the parameters, and blocks the outputs, of Caffe's description.

    The outputs of layers differ, since Caffe's bottlenecks have their stride in another layer.
    """
    theirs = Caffe(CORPORA / path, data=IMAGE)
    ours = sorted(p for _, _, p, _ in rows_with_weights(name, IMAGE, WITH_WEIGHTS))
    # The first convolution of Caffe's ResNet-50 has a bias.
    conv1 = [
        p - 64 if i == 0 and name.startswith("resnet:ResNet50") else p
        for i, (_, p) in enumerate(theirs.rows)
    ]
    assert sorted(conv1) == ours
    assert theirs.sums == [
        n.type.shape for n in compiled(name, IMAGE).graph.nodes if n.op.kind == "add"
    ]


# ---- accuracy


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
@pytest.mark.parametrize(
    ("depth", "accuracy"), [(20, "91.73"), (32, "92.63"), (44, "93.10"), (56, "93.39")]
)
def test_accuracy_on_cifar10(
    depth: int, accuracy: str, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Third-party weights have their published accuracy on all 10,000 test images."""
    folder = tmp_path_factory.getbasetemp() / "cifar10"
    if not folder.exists():
        subprocess.run([sys.executable, SHARED / "data" / "unpack_cifar10.py", folder], check=True)
    weights = next((SHARED / "data" / "cifar_resnet_weights").glob(f"resnet{depth}-*.th"))
    argv = [
        "test",
        f"resnet:CifarResNet{depth}",
        "--weights",
        str(weights),
        "--data",
        f'cifar10(root = "{folder}")',
        "--engine",
        engine,
    ]
    process = subprocess.run(
        [sys.executable, "-m", "netdsl", *argv], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert f"accuracy {accuracy} %" in process.stdout
