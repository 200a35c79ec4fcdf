"""Compares the length of a net's text with other texts of the same net.

    python benchmarks/concision.py [--corpora FOLDER] [--hndl FOLDER] [--torchvision FOLDER]

The other texts are those for Caffe, Darknet and HNDL, and the Python source in torchvision.

The benchmark counts non-blank characters and non-empty lines, both without comments. The texts are:

- netdsl: the net, and everything that it uses from its own file and from imported files: the family
  that it belongs to, blocks, `let`s and imports. `expect` lines and `train` sections do not count,
  because they do not describe the structure of the net. The first figure includes the blocks of
  `nets/lib` that the net calls; the second does not.
- Caffe: the published prototxt for inference. If only a prototxt for training or validation is
  published, layers that read data or compute a loss or an accuracy do not count.
- Darknet: the published cfg. Only the size of the input counts in the section `[net]`; the other
  lines of that section are about training. Darknet's nets differ in details: its AlexNet has
  neither groups nor normalisation, and its ResNets have leaky rectifiers.
- HNDL: the published text, and the two shapes from the JSON file beside it, which define the input
  and the number of classes. HNDL's `resblock` is Python code inside HNDL; netdsl's counterpart is
  a block of `nets/lib`. For this reason, HNDL is compared with the figure without `nets/lib`.
- torchvision: the function that builds the net, and the functions and classes of the same file that
  it uses. Imports, docstrings, decorators and the tables of published weights do not count. Each
  statement without a body is one line.

The exit code is 1 unless netdsl's text is shorter than every other, in characters and in lines. The
texts for Caffe and Darknet are read from the folder `shared/reference/corpora` beside the
repository, those for HNDL from its unpacked source distribution, and those of torchvision from its
unpacked wheel. If these are missing, the benchmark prints a note.
"""

from __future__ import annotations

import argparse
import ast as python
import json
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from netdsl.library import block_file, library_file, read
from netdsl.syntax import ast
from netdsl.syntax.parser import parse

ROOT = Path(__file__).resolve().parent.parent
CORPORA = ROOT.parent / "shared" / "reference" / "corpora"
GET_HNDL = (
    "python -m pip download --no-deps --no-binary :all: hndl==0.10.0, unpack it, and give its"
    " folder with --hndl or in HNDL_SOURCE"
)
GET_TORCHVISION = (
    "python -m pip download --no-deps torchvision==0.28.0, unpack it, and give its folder with"
    " --torchvision or in TORCHVISION_SOURCE"
)
DEPTHS = (50, 101, 152)
CAFFE = {
    "alexnet:AlexNet": "BVLC__caffe/models/bvlc_alexnet/deploy.prototxt",
    "googlenet:GoogLeNet": "BVLC__caffe/models/bvlc_googlenet/deploy.prototxt",
    "rcnn:RCNN": "BVLC__caffe/models/bvlc_reference_rcnn_ilsvrc13/deploy.prototxt",
    "rcnn:FastRCNN": "rbgirshick__fast-rcnn/models/VGG16/test.prototxt",
    **{
        f"fcn:FCN{n}s": f"shelhamer__fcn.berkeleyvision.org/voc-fcn{n}s/val.prototxt"
        for n in (32, 16, 8)
    },
    **{
        f"resnet:ResNet{n}": (
            f"KaimingHe__deep-residual-networks/prototxt/ResNet-{n}-deploy.prototxt"
        )
        for n in DEPTHS
    },
    **{f"senet:SEResNet{n}": f"hujie-frank__SENet/models/SE-ResNet-{n}.prototxt" for n in DEPTHS},
    "senet:SEInception": "hujie-frank__SENet/models/SE-BN-Inception.prototxt",
}
DARKNET = {
    "alexnet:AlexNet": "pjreddie__darknet/cfg/alexnet.cfg",
    "vgg:VGG16": "pjreddie__darknet/cfg/vgg-16.cfg",
    **{f"resnet:ResNet{n}": f"pjreddie__darknet/cfg/resnet{n}.cfg" for n in (18, 34, *DEPTHS)},
    "yolo:YOLOv3Tiny": "pjreddie__darknet/cfg/yolov3-tiny.cfg",
}
HNDL = {"lenet5:LeNet5": "lenet5", "resnet:ResNet18": "resnet18"}
TORCHVISION = {  # the file and the function of each net
    "alexnet:AlexNetOneTower": ("alexnet", "alexnet"),
    "convnext:ConvNeXtT": ("convnext", "convnext_tiny"),
    "densenet:DenseNet121": ("densenet", "densenet121"),
    "googlenet:GoogLeNetBN": ("googlenet", "googlenet"),
    "mobilenet:MobileNetV2": ("mobilenetv2", "mobilenet_v2"),
    "resnet:ResNet18": ("resnet", "resnet18"),
    "resnet:ResNet50": ("resnet", "resnet50"),
    "resnext:ResNeXt50": ("resnet", "resnext50_32x4d"),
    "resnext:WideResNet50": ("resnet", "wide_resnet50_2"),
    "squeezenet:SqueezeNet": ("squeezenet", "squeezenet1_0"),
    "squeezenet:SqueezeNet1_1": ("squeezenet", "squeezenet1_1"),
    "swin:SwinT": ("swin_transformer", "swin_t"),
    "vgg:VGG16": ("vgg", "vgg16"),
    "vit:ViT_B16": ("vision_transformer", "vit_b_16"),
}
NOT_THE_NET = ("Data", "Python", "SoftmaxWithLoss", "Accuracy")


class Size(NamedTuple):
    """The number of non-blank characters and of non-empty lines."""

    characters: int
    lines: int


def size_of(text: str) -> Size:
    """The size of a text that has no comments."""
    lines = [line for line in text.splitlines() if line.strip()]
    return Size(sum(len("".join(line.split())) for line in lines), len(lines))


# ---- ours


def without_comments(text: str) -> str:
    """Remove comments: they begin with `#` outside strings."""
    return re.sub(r'("[^"\n]*")|#[^\n]*', lambda m: m[1] or "", text)


def expectations(definition: ast.Definition | ast.Alias) -> list[ast.Expect]:
    """The `expect` lines of a net, a block or a member of a family."""
    if definition.body is None:
        return []
    return [s for s in definition.body.statements if isinstance(s, ast.Expect)]


def text_of(item: ast.Definition | ast.Alias | ast.Let | ast.Import) -> str:
    """The text of a definition without comments, `expect` lines, and braces that become empty."""
    file, start, text = item.span.file, item.span.start, ""
    if isinstance(item, ast.Definition | ast.Alias):
        for expect in expectations(item):
            text += file.text[start : expect.span.start]
            start = expect.span.end
    text = without_comments(text + file.text[start : item.span.end])
    if isinstance(item, ast.Alias):
        return re.sub(r"\{\s*\}\s*$", "", text)
    return text


class Ours:
    """The texts of which a net of the library consists.

    `own` are those from its file and from imported files; `shipped` are those from `nets/lib`.
    """

    def __init__(self, name: str) -> None:
        file, net = name.split(":")
        self.own: dict[tuple[str, str], str] = {}
        self.shipped: dict[tuple[str, str], str] = {}
        self._add(self._tree(library_file(file)), net, self.own)

    @staticmethod
    def _tree(path: str | None) -> ast.File:
        assert path is not None
        return parse(read(path))

    def _add(self, tree: ast.File, name: str, into: dict[tuple[str, str], str]) -> bool:
        """Add a definition and all that it uses; returns whether the file or an import has it."""
        item = next((d for d in (*tree.definitions, *tree.lets) if d.name == name), None)
        key = (tree.source.name, name)
        if item is not None and key not in into:
            into[key] = text_of(item)
            for word in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", into[key])):
                if not self._add(tree, word, into) and (path := block_file(word)):
                    self._add(self._tree(path), word, self.shipped)
        return item is not None or any(self._import(tree, i, name, into) for i in tree.imports)

    def _import(
        self, tree: ast.File, item: ast.Import, name: str, into: dict[tuple[str, str], str]
    ) -> bool:
        has_name = self._add(self._tree(library_file(item.target)), name, into)
        if has_name:
            into[tree.source.name, item.target] = text_of(item)
        return has_name

    def size(self, *, shipped: bool = True) -> Size:
        """The size of all texts, or of those outside `nets/lib`."""
        texts = [*self.own.values()]
        if shipped:
            texts += self.shipped.values()
        return size_of("\n".join(texts))


# ---- theirs


def caffe_size(path: Path) -> Size:
    """The size of a prototxt."""
    text = without_comments(path.read_text(encoding="utf-8"))
    layers = re.split(r"^(?=layers? *\{)", text, flags=re.MULTILINE)
    other = re.compile(rf'^\s*type: *"({"|".join(NOT_THE_NET)})"', re.MULTILINE)
    return size_of("".join(layer for layer in layers if not other.search(layer)))


def darknet_size(path: Path) -> Size:
    """The size of a cfg."""
    text = without_comments(path.read_text(encoding="utf-8")).lstrip()
    head, *rest = re.split(r"^(?=\[)", text, flags=re.MULTILINE)[1:]
    kept = [line for line in head.splitlines() if re.match(r"\[|(height|width|channels) *=", line)]
    sections = "".join(section for section in rest if not section.startswith("[cost]"))
    return size_of("\n".join(kept) + "\n" + sections)


def hndl_size(path: Path) -> Size:
    """The size of an HNDL text, with the shapes from the JSON file beside it."""
    shapes = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    text = without_comments(path.read_text(encoding="utf-8"))
    for key in ("input_shape", "output_shape"):
        text += f"\n{key}={shapes[key]}"
    return size_of(text)


def torchvision_size(path: Path, function: str) -> Size:
    """The size of a function and of what it uses from the same file."""
    tree = python.parse(path.read_text(encoding="utf-8"))
    statements = {name: item for item in tree.body for name in _names_defined_by(item)}
    used: dict[str, str] = {}
    waiting = [function]
    while waiting:
        name = waiting.pop()
        item = statements.get(name)
        if item is None or name in used:
            continue
        _strip(item)
        used[name] = python.unparse(item)
        waiting += [node.id for node in python.walk(item) if isinstance(node, python.Name)]
    return size_of("\n".join(used.values()))


def _names_defined_by(item: python.stmt) -> list[str]:
    """The names that a statement of a file defines, without those of tables of weights."""
    match item:
        case python.ClassDef(name=name, bases=[python.Name(id="WeightsEnum")]):
            return []
        case python.ClassDef(name=name) | python.FunctionDef(name=name):
            return [name]
        case python.Assign(targets=[python.Name(id=name)]):
            return [name]
    return []


def _strip(item: python.stmt) -> None:
    """Remove the docstrings and decorators of a definition and of what it contains."""
    for node in python.walk(item):
        if isinstance(node, python.ClassDef | python.FunctionDef):
            node.decorator_list = []
            if python.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [python.Pass()]


class Row(NamedTuple):
    """One net in netdsl and in one other format. `bare` is the size without `nets/lib`."""

    net: str
    peer: str
    ours: Size
    bare: Size
    theirs: Size

    @property
    def compared(self) -> Size:
        """The size that is compared with the other format's."""
        return self.bare if self.peer == "HNDL" else self.ours

    @property
    def shorter(self) -> bool:
        """Whether netdsl's text has fewer characters and fewer lines."""
        ours = self.compared
        return ours.characters < self.theirs.characters and ours.lines < self.theirs.lines


def rows(corpora: Path, hndl: Path | None, torchvision: Path | None) -> list[Row]:
    """One row for each net and each other format whose text is available."""
    others = []
    if corpora.is_dir():
        others += [(net, "Caffe", caffe_size(corpora / path)) for net, path in CAFFE.items()]
        others += [(net, "Darknet", darknet_size(corpora / path)) for net, path in DARKNET.items()]
    if hndl is not None:
        others += [
            (net, "HNDL", hndl_size(hndl / "examples" / "networks" / f"{name}.hndl"))
            for net, name in HNDL.items()
        ]
    if torchvision is not None:
        models = torchvision / "torchvision" / "models"
        others += [
            (net, "torchvision", torchvision_size(models / f"{file}.py", function))
            for net, (file, function) in TORCHVISION.items()
        ]
    return [
        Row(net, peer, Ours(net).size(), Ours(net).size(shipped=False), theirs)
        for net, peer, theirs in sorted(others)
    ]


def main() -> int:
    """Print the sizes; returns 1 if a text is not shorter, or if there is no other text."""
    arguments = _arguments()
    compared = rows(arguments.corpora, arguments.hndl, arguments.torchvision)
    print(
        f"{'characters / lines':26}{'ours':>12}{'without lib':>13}"
        f"{'theirs':>15}{'times as long':>16}"
    )
    for row in compared:
        sizes = [f"{s.characters:,} / {s.lines}" for s in (row.ours, row.bare, row.theirs)]
        mark = "" if row.shorter else "  NOT SHORTER"
        print(
            f"{row.net:26}{sizes[0]:>12}{sizes[1]:>13}{sizes[2]:>15}"
            f"{row.theirs.characters / row.compared.characters:>8.1f}"
            f"  {row.peer}{mark}"
        )
    if not arguments.corpora.is_dir():
        print(f"Caffe and Darknet are left out: there is no folder {arguments.corpora}")
    if arguments.hndl is None:
        print(f"HNDL is left out, because its installed package has no texts of nets: {GET_HNDL}")
    if arguments.torchvision is None:
        print(f"torchvision is left out: {GET_TORCHVISION}")
    return 0 if compared and all(row.shorter for row in compared) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the length of texts with other formats.")
    parser.add_argument(
        "--corpora",
        type=Path,
        default=CORPORA,
        help="the folder with Caffe's and Darknet's descriptions",
    )
    parser.add_argument(
        "--hndl",
        type=_path,
        default=os.environ.get("HNDL_SOURCE", ""),
        help="an unpacked source distribution of HNDL",
    )
    parser.add_argument(
        "--torchvision",
        type=_path,
        default=os.environ.get("TORCHVISION_SOURCE", ""),
        help="an unpacked wheel of torchvision",
    )
    return parser.parse_args()


def _path(text: str) -> Path | None:
    """A path; None for an empty text."""
    return Path(text) if text else None


if __name__ == "__main__":
    sys.exit(main())
