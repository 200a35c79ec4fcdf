"""The page that compares netdsl with `torch.nn` is complete, and its formulas are right."""

from __future__ import annotations

import inspect
import re
from itertools import chain
from typing import NamedTuple

import pytest
import torch
from torch import nn

import netdsl
from netdsl.habits.arguments import RENAMED
from netdsl.habits.layers import find
from netdsl.ops import LAYERS
from netdsl.train.recipe.losses import LOSSES
from tests.support.contract import EXAMPLES
from tests.support.manual import blocks_of
from tests.support.paths import ROOT
from tests.support.small_nets import net

PAGE = ROOT / "docs" / "torch.md"
CLASSES = {
    name: cls
    for name, cls in vars(nn).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module)
}
BASES = {"Module", "RNNBase", "RNNCellBase"}
# Arguments that do not belong to the description of a net.
GENERAL = set("self args kwargs inplace device dtype batch_first".split())
GENERAL |= set("mode modules values parameters".split())  # of base classes and containers
OLDER = {"size_average", "reduce"}  # PyTorch has `reduction` in their place


class Row(NamedTuple):
    """A row of a table: classes of `torch.nn`, what to write here, and what is left out."""

    classes: list[str]
    here: str
    left_out: str


def code(cell: str) -> list[str]:
    """The code in a cell of a table."""
    return re.findall(r"`([^`]+)`", cell)


def parts() -> tuple[str, str]:
    """The page without its table of functions, and that table."""
    before, head, rest = PAGE.read_text(encoding="utf-8").partition("## Functions and methods\n")
    table, losses, after = rest.partition("## Losses\n")
    assert head
    assert losses
    return before + after, table


def rows() -> list[Row]:
    """The rows of the page; `ConvNd` becomes those of `Conv1d`, `Conv2d`, `Conv3d` that exist."""
    found = []
    for line in parts()[0].splitlines():
        if not line.startswith("| `") or line.startswith("| `torch.nn`"):
            continue
        names, here, left_out = (cell.strip() for cell in line.strip("|").split(" |", 2))
        each = [[n.replace("Nd", f"{d}d") for d in "123"] for n in code(names) if "Nd" in n]
        classes = [n for n in code(names) if "Nd" not in n]
        classes += [n for n in chain(*each) if n in CLASSES]
        found.append(Row(classes, here, left_out.strip(" |")))
    return found


def functions() -> list[tuple[str, str]]:
    """The rows about functions: an expression with PyTorch, and what to write here."""
    lines = [line for line in parts()[1].splitlines() if line.startswith("| `")]
    return [(code(line)[0], code(line)[1]) for line in lines]


@pytest.mark.parametrize(("python", "here"), functions(), ids=lambda text: text)
def test_functions_give_the_same_numbers(python: str, here: str) -> None:
    """The expression of a row and what stands beside it are equal for two batches of 3x4."""
    text = f"net A {{\n input a: 3x4\n input b: 3x4\n {here}\n}}\n"
    a, b = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    wanted = eval(python, {"torch": torch, "F": nn.functional, "a": a, "b": b})
    torch.testing.assert_close(netdsl.loads(text).torch().eval()(a, b), wanted)


ROWS = rows()
BY_CLASS = {name: row for row in ROWS for name in row.classes}


def test_every_class_is_on_the_page() -> None:
    """Each layer class of `torch.nn` has a row, and only one, and each name in a row is one."""
    assert set(CLASSES) == set(BY_CLASS)
    assert len(BY_CLASS) == sum(len(row.classes) for row in ROWS)


def test_what_is_left_out_has_a_reason() -> None:
    """A class without a counterpart here has a reason of a few words."""
    assert [row for row in ROWS if not row.here and len(row.left_out.split()) < 5] == []


def test_lowered_classes_have_a_counterpart() -> None:
    """If a layer becomes a class of PyTorch, the row of the class names the layer."""
    wrong = set()
    for example in EXAMPLES:
        match = re.search(r"self\.y = nn\.(\w+)\(", example.net().pytorch_source())
        if match is not None and match[1] in BY_CLASS:
            name = match[1]
            if example.kind not in code(BY_CLASS[name].here):
                wrong.add((name, example.kind))
    assert wrong == set()


@pytest.mark.parametrize("name", [name for name, row in BY_CLASS.items() if row.here])
def test_arguments(name: str) -> None:
    """Each argument of a class is one of the layer here, or the row of the class names it."""
    cls = CLASSES[name.removeprefix("Lazy")]
    if issubclass(cls, nn.RNNBase):
        cls = nn.RNNBase
    arguments = inspect.signature(cls.__init__).parameters.keys() - GENERAL - OLDER
    text = BY_CLASS[name].here + BY_CLASS[name].left_out
    assert [a for a in arguments - known(name) if not re.search(rf"\b{a}\b", text)] == []


def known(name: str) -> set[str]:
    """The arguments of a class that the layer in its row has, or that are translated for it."""
    known = set()
    for kind in re.findall(r"\w+", BY_CLASS[name].here):
        if kind in LAYERS:
            ours = {argument.name for argument in LAYERS[kind].args}
            known |= ours | {theirs for theirs, names in RENAMED.items() if ours & {*names}}
            for row in (find(name), find(kind)):
                words = (row.torch or "") if row is not None else ""
                known |= {w.partition("=")[0] for w in words.split() if not w.endswith("=!")}
    return known


# What PyTorch computes for the first code in a row that is not the name of a layer, and the sizes
# of the inputs. Functions of a softmax work along axis 1.
COMPARED: dict[str, tuple[nn.Module, str]] = {
    "ReflectionPad1d": (nn.ReflectionPad1d(1), "3x4"),
    "ReflectionPad2d": (nn.ReflectionPad2d(1), "3x4x5"),
    "ReflectionPad3d": (nn.ReflectionPad3d(1), "3x4x5x2"),
    "ReplicationPad1d": (nn.ReplicationPad1d(1), "3x4"),
    "ReplicationPad2d": (nn.ReplicationPad2d(1), "3x4x5"),
    "ReplicationPad3d": (nn.ReplicationPad3d(1), "3x4x5x2"),
    "CircularPad1d": (nn.CircularPad1d(1), "3x4"),
    "CircularPad2d": (nn.CircularPad2d(1), "3x4x5"),
    "CircularPad3d": (nn.CircularPad3d(1), "3x4x5x2"),
    "UpsamplingBilinear2d": (nn.UpsamplingBilinear2d(scale_factor=2), "3x4x5"),
    "CELU": (nn.CELU(2.0), "3x4"),
    "LogSigmoid": (nn.LogSigmoid(), "3x4"),
    "Hardtanh": (nn.Hardtanh(), "3x4"),
    "Tanhshrink": (nn.Tanhshrink(), "3x4"),
    "Softplus": (nn.Softplus(2.0), "3x4"),
    "Softsign": (nn.Softsign(), "3x4"),
    "Softshrink": (nn.Softshrink(), "3x4"),
    "Hardshrink": (nn.Hardshrink(), "3x4"),
    "Threshold": (nn.Threshold(2, 7), "3x4"),
    "Softmax2d": (nn.Softmax2d(), "3x4x5"),
    "Softmin": (nn.Softmin(1), "3x4"),
    "EmbeddingBag": (nn.EmbeddingBag(9, 4), "6 int64"),
    "CosineSimilarity": (nn.CosineSimilarity(), "5, 5"),
    "PairwiseDistance": (nn.PairwiseDistance(), "5, 5"),
}


LANGUAGE = {"identity", "block", "repeat", *(f"loss = {loss}" for loss in LOSSES)}


def calculation(row: Row) -> str | None:
    """The first code in a row, if it is more than the name of a layer."""
    first = next(iter(code(row.here)), None)
    return None if first in {*LAYERS, *LANGUAGE} else first


def test_every_calculation_is_compared() -> None:
    """Each row begins with the name of a layer or a word of the language, or it is compared."""
    assert {name for name, row in BY_CLASS.items() if calculation(row)} == set(COMPARED)


def compare(compiled: netdsl.Net, module: nn.Module) -> None:
    """Compare a net with a module of PyTorch, which gets the weights of the net."""
    generator = torch.Generator().manual_seed(7)
    ours = compiled.torch()
    for theirs, weight in zip(module.parameters(), ours.parameters(), strict=True):
        theirs.data = weight.data.reshape(theirs.shape)
    inputs = [
        torch.randint(0, 9, (2, *map(int, i.shape)), generator=generator)
        if i.dtype == "int64"
        else 3 * torch.randn((2, *map(int, i.shape)), generator=generator)
        for i in compiled.inputs
    ]
    torch.testing.assert_close(ours(*inputs), module(*inputs))


@pytest.mark.parametrize("name", COMPARED)
def test_calculations(name: str) -> None:
    """The code in the row of a class computes what the class computes."""
    module, sizes = COMPARED[name]
    lines = [f"input {n}: {s}" for n, s in zip("ab", sizes.split(", "), strict=False)]
    compare(net("\n".join([*lines, str(calculation(BY_CLASS[name]))])), module)


def test_bilinear() -> None:
    """The net `Bilinear` computes what `nn.Bilinear` computes, with the same weights."""
    (block,) = blocks_of(PAGE)
    compare(netdsl.loads(block.program), nn.Bilinear(3, 4, 5))


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - BASES))
def test_advice(name: str) -> None:
    """For the name of each class of `torch.nn`, the error leads to something to write here."""
    with pytest.raises(netdsl.CompileError) as caught:
        net(f"input x: 4x8x8\n{name}(2)")
    help_ = caught.value.diagnostics[0].help or ""
    assert "`" in help_ and "netdsl layers" not in help_
    assert not help_.startswith("did you mean") or name.lower() in LAYERS
