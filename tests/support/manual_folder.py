"""The folder in which the commands of `docs/diagnostics.md` run."""

from __future__ import annotations

import shutil
import tarfile
from contextlib import chdir
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import save_file

import netdsl
from netdsl.cli import run
from netdsl.data.cifar import CIFAR10
from netdsl.data.idx import NAMES
from tests.support.back_ends import randomise
from tests.support.datasets import idx_contents
from tests.support.paths import ROOT
from tests.support.photos import write_photos

if TYPE_CHECKING:
    from pathlib import Path

TINY = """\
# A small classifier of 28x28 grey pictures.
net Tiny {
    input image: 1x28x28
    convolution: conv(4, 5, stride = 4) -> relu
    flatten
    output logits: dense(10)
}

train Tiny {
    data   = mnist(root = "mnist")
    epochs = 1
}
"""
TEXTS = {
    "tiny.net": TINY,
    "edited.net": TINY,
    "messy.net": TINY.replace(" = ", "=").replace("    ", "  "),
    "open.net": """\
net Open {
    input image: 3xHxW
    conv(8, 3) -> relu
    gap -> flatten
    output logits: dense(10)
}
""",
    "two.net": """\
net Narrow {
    input image: 1x28x28
    flatten
    output logits: dense(10)
}

net Wide {
    input image: 1x28x28
    flatten -> dense(64) -> relu
    output logits: dense(10)
}
""",
    "nested.net": """\
net Nested {
    input image: 1x28x28
    residual { conv(1, 3, pad = (((2 - 1)))) -> relu }
}
""",
    "norm.net": """\
net Norm {
    input image: 1x28x28
    conv(4, 5, stride = 4, bias = false) -> norm: bn -> relu
    flatten
    output logits: dense(10)
}
""",
    "sides.net": """\
net Sides {
    input left: 1x28x28
    input right: 1x28x28
    concat(@right) -> conv(4, 5, stride = 4) -> relu
    flatten
    output logits: dense(10)
}

train Sides {
    epochs = 1
}
""",
    "words.net": """\
net Words {
    input words: 8 int64
    embedding(100, 4)
    flatten
    output logits: dense(3)
}
""",
    "double.net": """\
net Double {
    input x: 6
    double
}
""",
    "parts/head.net": """\
net Head {
    input features: 64
    output logits: dense(10)
}
""",
}
DARKNET = "[net]\nchannels=3\nheight=8\nwidth=8\n\n[convolutional]\nfilters=4\nsize={}\n"
TEXTS |= {"small.cfg": DARKNET.format(3), "wide.cfg": DARKNET.format(9)}
MANY = 101
UNITS = "\n".join(f"let units{i} = 32" for i in range(MANY))
LAYERS = "\n".join(f"    dense(units{i}) -> relu" for i in range(MANY))
LONG = f"net Long {{\n    input x: 784\n{LAYERS}\n    output logits: dense(10)\n}}\n"


def fill(folder: Path) -> None:
    """Write the files that the page lists."""
    texts = {**TEXTS, "many_errors.net": LONG, "corrected.net": f"{UNITS}\n\n{LONG}"}
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    umlaut = f"# für Ziffern\n{TINY}"
    (folder / "utf8.net").write_text(umlaut, encoding="utf-8")
    (folder / "windows.net").write_text(umlaut, encoding="cp1252")
    shutil.copy(ROOT / "examples" / "custom_layer" / "swish.net", folder)
    _write_pictures(folder)
    _write_arrays(folder)
    _write_data(folder)
    _write_photos(folder)
    with chdir(folder):
        _write_weights()
        _write_models()
        _write_broken_models()


def _write_pictures(folder: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(colours).save(folder / "photo.png")
    digit = Image.fromarray(colours).convert("L").resize((28, 28))
    digit.save(folder / "digit.png")
    (folder / "pictures").mkdir()
    digit.save(folder / "pictures" / "digit.png")
    (folder / "broken.png").write_bytes((folder / "photo.png").read_bytes()[:200])
    Image.new("1", (20_000, 10_000)).save(folder / "huge.png")


def _write_arrays(folder: Path) -> None:
    digits = np.random.default_rng(0).random((3, 1, 28, 28), np.float32)
    np.save(folder / "digits.npy", digits)
    np.save(folder / "small.npy", digits[:, :, :20, :20])
    np.savez(folder / "sides.npz", left=digits, right=digits)
    np.savez(folder / "unnamed.npz", digits, digits)
    np.save(folder / "known_words.npy", np.arange(8))
    np.save(folder / "unknown_word.npy", np.arange(93, 101))


def _write_data(folder: Path) -> None:
    names = [f"class {i}" for i in range(10)]
    (folder / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    (folder / "colours.txt").write_text("red\ngreen\nblue\n", encoding="utf-8")
    for root in ("mnist", "damaged_mnist"):
        (folder / root).mkdir()
        for name, content in idx_contents().items():
            (folder / root / name).write_bytes(content)
    _cut(folder / "mnist" / NAMES[0], folder / "damaged_mnist" / NAMES[0])


def _write_photos(folder: Path) -> None:
    """Write folders of pictures, each with one fault but the first, and labels of arrays."""
    write_photos(folder / "photos", 6)
    for name in ("damaged", "unknown", "missing", "shared"):
        write_photos(folder / f"{name}_photos" / "train", 6)
        write_photos(folder / f"{name}_photos" / "test", 2, seed=1)
    _cut(folder / "photos/cat/00.png", folder / "damaged_photos/train/cat/00.png")
    (folder / "unknown_photos/test/owl").rename(folder / "unknown_photos/test/elk")
    shutil.rmtree(folder / "missing_photos/test/owl")
    shutil.copy(folder / "photos/cat/00.png", folder / "shared_photos/test/cat/00.png")
    write_photos(folder / "rare_photos", 30)
    for path in sorted((folder / "rare_photos/owl").iterdir())[2:]:
        path.unlink()
    for name, last in (("labels", 2), ("wrong_labels", 3)):
        x = np.random.default_rng(0).random((9, 4), np.float32)
        np.savez(folder / f"{name}.npz", x=x, y=np.array([0, 1, 2, 0, 1, 2, 0, 1, last]))
    pixels = np.random.default_rng(0).integers(0, 256, (9, 1, 28, 28)).astype(np.float32)
    for name, x in (("scaled", pixels / 255), ("unscaled", pixels)):
        np.savez(folder / f"{name}.npz", x=x, y=np.arange(9))
    (folder / "linked").mkdir()
    with tarfile.open(folder / "linked" / CIFAR10.archive, "w:gz") as archive:
        link = tarfile.TarInfo("data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


def _write_weights() -> None:
    torch.manual_seed(0)
    tiny = randomise(netdsl.load("tiny.net").torch()).state_dict()
    norm = randomise(netdsl.load("norm.net").torch()).state_dict()
    weight = tiny["convolution.weight"]
    save_file(tiny, "tiny.safetensors")
    save_file(norm, "norm.safetensors")
    save_file({**tiny, "convolution.weight": weight * torch.nan}, "diverged.safetensors")
    save_file({**tiny, "convolution.weight": weight * 1e6}, "large.safetensors")
    save_file({**tiny, "convolution.weight": weight.sign() * 6e4}, "overflowing.safetensors")
    save_file({**norm, "norm.running_var": -norm["norm.running_var"]}, "negative.safetensors")
    _cut("tiny.safetensors", "damaged.safetensors")
    run(["train", "tiny.net", "--out", "runs/first"])
    shutil.copytree("runs/first", "runs/damaged")
    _cut("runs/first/checkpoint.safetensors", "runs/damaged/checkpoint.safetensors")
    shutil.copytree("runs/first", "cut_runs/Tiny")
    _cut("runs/first/run.json", "cut_runs/Tiny/run.json")


def _write_models() -> None:
    for name in ("tiny", "edited", "sides", "words"):
        run(["export", f"{name}.net", "-o", f"{name}.onnx"])
    run(["export", "tiny.net", "-o", "private.onnx"])
    with open("edited.net", "a", encoding="utf-8") as file:
        file.write("# edited\n")
    for name in ("alone", "renamed"):
        shutil.copy("tiny.onnx", f"{name}.onnx")
    shutil.copy("tiny.onnx.manifest.json", "renamed.onnx.manifest.json")
    _cut("tiny.onnx", "cut.onnx")


def _write_broken_models() -> None:
    model = onnx.load("tiny.onnx")
    entry = model.metadata_props.add()
    entry.key, entry.value = "netdsl.mean", "grey"
    onnx.save(model, "metadata.onnx")
    _write_models_with_data()
    _write_model("bad.onnx", [helper.make_node("Relu", ["x", "x"], ["y"])])
    _write_model("custom.onnx", [helper.make_node("Sharpen", ["x"], ["y"])])
    _write_model("functions.onnx", [_call("Twice", "x", "y")], _function("Twice", "Relu"))
    _write_model("recursive.onnx", [_call("Self", "x", "y")], _function("Self", "Self"))


def _write_models_with_data() -> None:
    """Write two models with their weights in a file: one names it, the other a path outside."""
    onnx.save(
        onnx.load("tiny.onnx"),
        "beside.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    model = onnx.load("beside.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = entry.value.replace("weights.bin", "../weights.bin")
    onnx.save(model, "outside.onnx")


def _call(name: str, x: str, y: str) -> onnx.NodeProto:
    """A node that calls a function of the model, or the operator `Relu`."""
    return helper.make_node(name, [x], [y], domain="" if name == "Relu" else "local")


def _function(name: str, inner: str) -> onnx.FunctionProto:
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    nodes = [_call(inner, "x", "z"), _call(inner, "z", "w"), _call(inner, "w", "y")]
    return helper.make_function("local", name, ["x"], ["y"], nodes, opsets)


def _write_model(name: str, nodes: list[onnx.NodeProto], *functions: onnx.FunctionProto) -> None:
    """Write a model whose input is a batch of 28x28 grey pictures."""
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 1, 28, 28]) for n in ("x", "y")
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    graph = helper.make_graph(nodes, "g", [x], [y])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=list(functions))
    onnx.save(model, name)


def _cut(name: str | Path, copy: str | Path) -> None:
    """Write the first two thirds of a file."""
    with open(name, "rb") as file:
        content = file.read()
    with open(copy, "wb") as file:
        file.write(content[: len(content) * 2 // 3])
