"""Modules of PyTorch: their code runs in a process of its own, with literal arguments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import onnx
import pytest

from netdsl.cli import run
from netdsl.importers import module_export
from netdsl.importers.modules import is_module, parsed_call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NET = """
import time
import torch
from torch import nn

print("a line on standard output")

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(x + self.norm(self.conv(x)))

class Net(nn.Module):
    def __init__(self, width=4, depth=2):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 1)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.head = nn.Linear(width, 5)

    def forward(self, image):
        return self.head(self.blocks(self.stem(image)).mean((2, 3)))

class Branch(nn.Module):
    def forward(self, x):
        return x.relu() if x.sum() > 0 else x

class Random(nn.Module):
    def forward(self, x):
        return x + torch.rand(()).item()

class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        time.sleep(20)

class Broken(nn.Module):
    def __init__(self):
        raise RuntimeError("no such luck\\nsecond line")

def number():
    return 3
"""


@pytest.fixture
def code(folder: Path) -> Path:
    """A folder, the current one, with a file of modules."""
    (folder / "small_nets.py").write_text(NET)
    return folder


@pytest.mark.slow
def test_a_module(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text has the module's blocks, batch norms and names, and the weights load."""
    command = ["import", "small_nets:Net(8, depth=3)", "--input", "3x8x8", "-o", "n.net"]
    assert run([*command, "--weights", "n.safetensors"]) == 0
    out, err = capsys.readouterr()
    assert "running the code of small_nets in another process" in err
    assert "a line on standard output" not in out
    text = (code / "n.net").read_text()
    assert text.startswith("# Imported from small_nets:Net(8, depth=3).\nnet Net {")
    assert "input image: 3x8x8" in text
    assert "repeat 3" in text
    assert "norm: bn" in text
    assert run(["verify", "n.net", "--weights", "n.safetensors"]) == 0


FAILING = [
    ("Broken", (), RuntimeError, "no such luck"),
    ("number", (), TypeError, "makes a int, not a torch.nn.Module"),
    ("Absent", (), AttributeError, "has no attribute 'Absent'"),
    ("Net", ("a",), TypeError, "invalid combination|not supported|str"),
    ("Branch", (), RuntimeError, "data-dependent"),
    ("Random", (), ValueError, "other values than the module"),
]

LATE = ("Branch", "Random")  # these fail after the export has begun, which loads much


def request(name: str, args: tuple[object, ...], path: Path, **sizes: tuple[int, ...]) -> str:
    """What the other process reads."""
    return repr(("small_nets", name, args, {}, sizes or {"": (3, 4, 4)}, str(path)))


@pytest.fixture
def here(code: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of modules, which can be imported in this process."""
    monkeypatch.syspath_prepend(str(code))
    yield code
    sys.modules.pop("small_nets", None)


@pytest.mark.slow
def test_an_export(here: Path) -> None:
    """The model has the batch norms, and the inputs and weights have their names."""
    module_export.run(request("Net", (4,), here / "m.onnx", image=(3, 4, 4)))
    graph = onnx.load(here / "m.onnx").graph
    assert ["image"] == [each.name for each in graph.input]
    assert 2 == [node.op_type for node in graph.node].count("BatchNormalization")
    assert "blocks.1.conv.weight" in {t.name for t in graph.initializer}


@pytest.mark.parametrize(
    ("name", "args", "kind", "part"),
    [
        pytest.param(*case, id=case[0], marks=[pytest.mark.slow] if case[0] in LATE else [])
        for case in FAILING
    ],
)
def test_code_that_fails(
    name: str, args: tuple[object, ...], kind: type[Exception], part: str, here: Path
) -> None:
    """What is no module, decides by values, or gives random values is not exported."""
    with pytest.raises(kind, match=part):
        module_export.run(request(name, args, here / "m.onnx"))


def test_an_unknown_input(here: Path) -> None:
    """A name that `forward` does not have is refused."""
    with pytest.raises(TypeError, match="no parameter picture, only image"):
        module_export.run(request("Net", (), here / "m.onnx", picture=(3, 4, 4)))


@pytest.mark.slow
def test_a_module_that_fails(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is one diagnostic with the error of the code, and nothing is written."""
    before = sorted(code.iterdir())
    assert run(["import", "small_nets:Broken()", "--input", "3x8x8", "-o", "n.net"]) == 1
    error = capsys.readouterr().err
    assert 1 == error.count("error[")
    assert "error[module-fails]: `small_nets:Broken()` fails: RuntimeError: no such luck" in error
    assert [p for p in sorted(code.iterdir()) if p.name != "__pycache__"] == before


def test_a_limit_of_time(
    code: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module that does not end is stopped."""
    monkeypatch.setenv("NETDSL_MAX_MODULE_SECONDS", "1")
    assert run(["import", "small_nets:Slow()", "--input", "3x8x8", "-o", "n.net"]) == 1
    assert "takes more than 1 seconds" in capsys.readouterr().err
    assert not (code / "n.net").exists()


@pytest.mark.parametrize(
    "call",
    [
        "Net(open('a'))",
        "Net(x)",
        "Net(*[1])",
        "Net(**{'a': 1})",
        "Net()()",
        "Net(1",
        "Net; Net",
        "(lambda: 0)()",
        "Net(" + "[" * 3000 + "]" * 3000 + ")",
        "Net(" + "1," * 6000 + ")",
    ],
)
def test_arguments_are_literals(call: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is wrong usage, before a process starts."""
    assert run(["import", f"small_nets:{call}", "--input", "3x8x8", "-o", "n.net"]) == 2
    assert "cannot run" in capsys.readouterr().err or not is_module(f"small_nets:{call}")


def test_parts_of_a_call() -> None:
    """Positional and named arguments are values; brackets can be left out."""
    call = parsed_call("a.b:C.d(1, (2, 'x'), e=[None, True])")
    assert ("a.b", "C.d", (1, (2, "x")), {"e": [None, True]}) == call[1:]
    assert ((), {}) == parsed_call("a:C")[3:]


def test_a_module_needs_sizes(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The size of the input is asked for before any code runs."""
    assert run(["import", "small_nets:Net()", "-o", "n.net"]) == 2
    assert "--input 3x224x224" in capsys.readouterr().err
