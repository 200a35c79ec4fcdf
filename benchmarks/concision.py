"""How long a net's text is, beside what Caffe, Darknet and HNDL publish of the same net.

    python benchmarks/concision.py [--hndl FOLDER] [--corpora FOLDER]

What is counted, for everyone alike: characters that are not blanks, and lines that are not empty, without comments. Then

- ours: the net with all that it uses: the family it is a member of, blocks, `let`s and imports of its own and of imported files.
  `expect` lines and `train` sections say nothing about the net's structure and are left out. The shipped blocks that it calls
  (`nets/lib`) count too; the second figure is without them;
- Caffe: the published prototxt for inference; of one written for training or validation, layers that read data or compute a loss
  or an accuracy are left out;
- Darknet: the published cfg; of `[net]` only the input's size, the rest of that section is about training. What it publishes under
  these names differs in details: its AlexNet has neither groups nor normalisation, its ResNets have leaky rectifiers;
- HNDL: the published text with the two shapes from the file beside it, without which it has neither input nor classes. Its
  `resblock` is Python code inside HNDL; the counterpart is our shipped block, so ours counts here without `nets/lib`.

Exits with 1 where ours is not shorter than each, in characters and in lines. The peers' texts are read where they lie, from a folder
`shared/reference/corpora` beside the repository and from an unpacked source distribution of HNDL; what is not there is said.
"""

from __future__ import annotations

import argparse
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
GET_HNDL = "python -m pip download --no-deps --no-binary :all: hndl==0.10.0, unpack it, and give its folder with --hndl or in HNDL_SOURCE"
DEPTHS = (50, 101, 152)
CAFFE = {
    "alexnet:AlexNet": "BVLC__caffe/models/bvlc_alexnet/deploy.prototxt",
    "googlenet:GoogLeNet": "BVLC__caffe/models/bvlc_googlenet/deploy.prototxt",
    "rcnn:RCNN": "BVLC__caffe/models/bvlc_reference_rcnn_ilsvrc13/deploy.prototxt",
    "rcnn:FastRCNN": "rbgirshick__fast-rcnn/models/VGG16/test.prototxt",
    **{f"fcn:FCN{n}s": f"shelhamer__fcn.berkeleyvision.org/voc-fcn{n}s/val.prototxt" for n in (32, 16, 8)},
    **{f"resnet:ResNet{n}": f"KaimingHe__deep-residual-networks/prototxt/ResNet-{n}-deploy.prototxt" for n in DEPTHS},
    **{f"senet:SEResNet{n}": f"hujie-frank__SENet/models/SE-ResNet-{n}.prototxt" for n in DEPTHS},
    "senet:SEInception": "hujie-frank__SENet/models/SE-BN-Inception.prototxt",
}
DARKNET = {
    "alexnet:AlexNet": "pjreddie__darknet/cfg/alexnet.cfg",
    "vgg:VGG16": "pjreddie__darknet/cfg/vgg-16.cfg",
    **{f"resnet:ResNet{n}": f"pjreddie__darknet/cfg/resnet{n}.cfg" for n in (18, 34, *DEPTHS)},
}
HNDL = {"lenet5:LeNet5": "lenet5", "resnet:ResNet18": "resnet18"}
NOT_THE_NET = ("Data", "Python", "SoftmaxWithLoss", "Accuracy")


class Size(NamedTuple):
    """Characters without blanks, and lines."""

    characters: int
    lines: int


def size_of(text: str) -> Size:
    """The size of a text that has no comments."""
    lines = [line for line in text.splitlines() if line.strip()]
    return Size(sum(len("".join(line.split())) for line in lines), len(lines))


# ---- ours


def without_comments(text: str) -> str:
    """A text without what `#` begins outside strings."""
    return re.sub(r'("[^"\n]*")|#[^\n]*', lambda m: m[1] or "", text)


def expectations(definition: ast.Definition | ast.Alias) -> list[ast.Expect]:
    """The `expect` lines that stand in a net, a block or behind a member of a family."""
    return [s for s in (definition.body.statements if definition.body else ()) if isinstance(s, ast.Expect)]


def text_of(item: ast.Definition | ast.Alias | ast.Let | ast.Import) -> str:
    """What the file says of it, without comments and `expect` lines, and without braces that only held those."""
    file, start, text = item.span.file, item.span.start, ""
    if isinstance(item, ast.Definition | ast.Alias):
        for expect in expectations(item):
            text += file.text[start : expect.span.start]
            start = expect.span.end
    text = without_comments(text + file.text[start : item.span.end])
    return re.sub(r"\{\s*\}\s*$", "", text) if isinstance(item, ast.Alias) else text


class Ours:
    """The texts that a net of the library is made of: those of its own and imported files, and those of `nets/lib`."""

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
        """Take the definition of that name and all that it mentions; whether the file or one that it imports has it."""
        found = next((d for d in (*tree.definitions, *tree.lets) if d.name == name), None)
        key = (tree.source.name, name)
        if found is not None and key not in into:
            into[key] = text_of(found)
            for word in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", into[key])):
                if not self._add(tree, word, into) and (path := block_file(word)):
                    self._add(self._tree(path), word, self.shipped)
        return found is not None or any(self._import(tree, i, name, into) for i in tree.imports)

    def _import(self, tree: ast.File, item: ast.Import, name: str, into: dict[tuple[str, str], str]) -> bool:
        found = self._add(self._tree(library_file(item.target)), name, into)
        if found:
            into[tree.source.name, item.target] = text_of(item)
        return found

    def size(self, *, shipped: bool = True) -> Size:
        """The size of all of it, or without what the library's blocks hold."""
        return size_of("\n".join([*self.own.values(), *(self.shipped.values() if shipped else ())]))


# ---- theirs


def caffe_size(path: Path) -> Size:
    """The size of a prototxt."""
    text = without_comments(path.read_text(encoding="utf-8"))
    layers = re.split(r"^(?=layers? *\{)", text, flags=re.MULTILINE)
    return size_of("".join(p for p in layers if not re.search(rf'^\s*type: *"({"|".join(NOT_THE_NET)})"', p, re.MULTILINE)))


def darknet_size(path: Path) -> Size:
    """The size of a cfg."""
    head, *rest = re.split(r"^(?=\[)", without_comments(path.read_text(encoding="utf-8")).lstrip(), flags=re.MULTILINE)[1:]
    kept = [line for line in head.splitlines() if re.match(r"\[|(height|width|channels) *=", line)]
    return size_of("\n".join(kept) + "\n" + "".join(p for p in rest if not p.startswith("[cost]")))


def hndl_size(path: Path) -> Size:
    """The size of an HNDL text with the shapes from the file beside it."""
    shapes = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return size_of(without_comments(path.read_text(encoding="utf-8")) + "".join(f"\n{key}={shapes[key]}" for key in ("input_shape", "output_shape")))


class Row(NamedTuple):
    """One net beside one peer."""

    net: str
    peer: str
    ours: Size
    bare: Size
    theirs: Size

    @property
    def shorter(self) -> bool:
        """Whether ours has fewer characters and fewer lines."""
        ours = self.bare if self.peer == "HNDL" else self.ours
        return ours.characters < self.theirs.characters and ours.lines < self.theirs.lines


def rows(corpora: Path, hndl: Path | None) -> list[Row]:
    """Every net beside every peer whose text is there."""
    found = []
    if corpora.is_dir():
        found += [(net, "Caffe", caffe_size(corpora / path)) for net, path in CAFFE.items()]
        found += [(net, "Darknet", darknet_size(corpora / path)) for net, path in DARKNET.items()]
    if hndl is not None:
        found += [(net, "HNDL", hndl_size(hndl / "examples" / "networks" / f"{name}.hndl")) for net, name in HNDL.items()]
    return [Row(net, peer, Ours(net).size(), Ours(net).size(shipped=False), theirs) for net, peer, theirs in sorted(found)]


def main() -> int:
    """Print the sizes; returns 1 where ours is not the shorter, or nothing is there to compare with."""
    parser = argparse.ArgumentParser(description="The length of our nets' texts beside that of others.")
    parser.add_argument("--corpora", type=Path, default=CORPORA, help="the folder with Caffe's and Darknet's descriptions")
    parser.add_argument("--hndl", type=Path, default=os.environ.get("HNDL_SOURCE"), help="an unpacked source distribution of HNDL")
    arguments = parser.parse_args()
    made = rows(arguments.corpora, Path(arguments.hndl) if arguments.hndl else None)
    print(f"{'characters / lines':22}{'ours':>12}{'without lib':>13}{'theirs':>15}{'times as long':>16}")
    for row in made:
        ours = row.bare if row.peer == "HNDL" else row.ours
        sizes = [f"{s.characters:,} / {s.lines}" for s in (row.ours, row.bare, row.theirs)]
        mark = "" if row.shorter else "  NOT SHORTER"
        print(f"{row.net:22}{sizes[0]:>12}{sizes[1]:>13}{sizes[2]:>15}{row.theirs.characters / ours.characters:>8.1f}  {row.peer}{mark}")
    if not arguments.corpora.is_dir():
        print(f"no texts of Caffe and Darknet: there is no folder {arguments.corpora}")
    if not arguments.hndl:
        print(f"no texts of HNDL, which its package does not hold: {GET_HNDL}")
    return 0 if made and all(row.shorter for row in made) else 1


if __name__ == "__main__":
    sys.exit(main())
