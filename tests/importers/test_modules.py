"""Modules of PyTorch: their code runs in a process of its own, with literal arguments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import onnx
import pytest

from netdsl.cli import run
from netdsl.importers.torch import program
from netdsl.importers.torch.code import ModuleError, imported_module
from netdsl.importers.torch.process import is_module, parsed_call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NET = """
import sys
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

class Leaving(nn.Module):
    def __init__(self):
        print("a line that is no error", file=sys.stderr)
        sys.exit(3)

class Pair(nn.Module):
    def forward(self, image, mask):
        return {"boxes": image * mask, "image": [image.relu()], "3": image.sigmoid()}

def number():
    return 3

class Half(torch.nn.Module):
    pass

def make():
    return Net()

constant = 3
"""


class NamedOutputs(NamedTuple):
    """A result whose parts have names."""

    first: int
    second: int


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
    ("Broken", (), "RuntimeError: no such luck (small_nets.py, line 43)", "the code that makes"),
    ("number", (), "it makes a value of the type `int`, not a torch.nn.Module", "name a class"),
    ("Half", (), "the class `Half` has no `forward`", "define `forward(self, x)` in it"),
    ("constant", (), "it is of the type `int`, not a torch.nn.Module", "name a class"),
    ("sys", (), "it is of the type `module`", "name a class"),
    ("Absent", (), "`small_nets` has no `Absent`", "it has Block, Branch"),
    ("Nett", (), "`small_nets` has no `Nett`", "did you mean `Net`?"),
    ("Block", (), "TypeError: Block.__init__() missing 1", "`small_nets:Block(width=...)`"),
    ("Net", ("a",), "TypeError: not all arguments", "it gets the arguments in the brackets"),
    ("Net", (1, 2, 3), "TypeError: Net.__init__()", "`small_nets:Net(width=..., depth=...)`"),
    ("Leaving", (), "its code calls sys.exit(3) (small_nets.py, line 48)", "__main__"),
    ("Pair", (), "forward needs `mask`, which has no --input", "--input image=3x4x4 --input mask="),
    ("Block", (5,), "RuntimeError: Given groups=1, weight of", "`x` of 3x3x4x4 in float32"),
    ("Branch", (), "GuardOnDataDependentSymNode: ", "decides by the values of tensors"),
    ("Random", (), "other values than the module", "random numbers"),
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
    for name in ("small_nets", "bad_net"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_an_export(here: Path) -> None:
    """The model has the batch norms, and the inputs and weights have their names."""
    assert "Net" == program.run(request("make", (), here / "m.onnx", image=(3, 4, 4)))
    graph = onnx.load(here / "m.onnx").graph
    assert ["image"] == [each.name for each in graph.input]
    assert 2 == [node.op_type for node in graph.node].count("BatchNormalization")
    assert "blocks.1.conv.weight" in {t.name for t in graph.initializer}


@pytest.mark.parametrize(
    ("name", "args", "fact", "advice"),
    [
        pytest.param(*case, id=f"{case[0]}{i}", marks=[pytest.mark.slow] if case[0] in LATE else [])
        for i, case in enumerate(FAILING)
    ],
)
def test_code_that_fails(
    name: str, args: tuple[object, ...], fact: str, advice: str, here: Path
) -> None:
    """What cannot be exported has a fact with its line, and advice."""
    with pytest.raises(ModuleError) as caught:
        program.run(request(name, args, here / "m.onnx"))
    assert fact in str(caught.value)
    assert advice in caught.value.help


@pytest.mark.parametrize(
    ("text", "fact", "advice"),
    [
        ("import nowhere_else", "No module named 'nowhere_else' (bad_net.py, line 1)", "install"),
        ("def f(:", "SyntaxError: invalid syntax", "correct bad_net.py, line 1"),
        ("import sys; sys.exit('bye')", "its code calls sys.exit('bye')", "__main__"),
        (
            "1 / 0",
            "ZeroDivisionError: division by zero (bad_net.py, line 1)",
            "when it is imported",
        ),
    ],
)
def test_imports_that_fail(text: str, fact: str, advice: str, here: Path) -> None:
    """The advice depends on what the import needs."""
    (here / "bad_net.py").write_text(text)
    with pytest.raises(ModuleError) as caught:
        imported_module("bad_net")
    assert fact in str(caught.value)
    assert advice in caught.value.help


@pytest.mark.parametrize(
    ("name", "advice"), [("small_net", "did you mean `small_nets`?"), ("far.off", "in the folder")]
)
def test_modules_that_are_not_there(name: str, advice: str, here: Path) -> None:
    """A name that is close is suggested."""
    with pytest.raises(ModuleError, match="No module named") as caught:
        imported_module(name)
    assert advice in caught.value.help


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("small_nets.py:Net()", "write the name of the module, `small_nets:Net()`"),
        ("inner/small.py:Net(2)", "not a path: `inner.small:Net(2)`"),
        ("inner/small:Net", "not a path: `inner.small:Net`"),
        ("inner/none:Net", "import reads .onnx, .cfg, .prototxt and package.file:Class()"),
        ("inner.small.Net", "write `netdsl import 'inner.small:Net()' --input 3x8x8 -o n.net`"),
        ("small.Net('a')", """write `netdsl import "small:Net('a')" --input 3x8x8 -o n.net`"""),
        ("resnet18", "it is a net of the library: `netdsl check resnet:ResNet18`"),
    ],
)
def test_paths_of_modules(
    text: str, part: str, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path in the place of a name is wrong usage, and the name is suggested."""
    (code / "inner").mkdir()
    (code / "inner" / "small.py").write_text("")
    assert run(["import", text, "--input", "3x8x8", "-o", "n.net"]) == 2
    assert part in capsys.readouterr().err


@pytest.mark.parametrize(
    ("result", "names"),
    [
        ((1, [2, 3]), []),
        ({"a": 1, "b": [2, 3]}, ["a", "b_0", "b_1"]),
        ({"a b": 1, 3: 2, "_c": 3}, ["a_b", "output1", "output2"]),
        ({"a": {"b": 1}, "a_b": 2}, []),
        (NamedOutputs(1, 2), ["first", "second"]),
    ],
)
def test_names_of_outputs(result: object, names: list[str]) -> None:
    """Keys and fields are names, if no two are equal; numbers of places are no names."""
    assert names == program.output_names(result)


@pytest.mark.slow
def test_outputs_of_a_dict(here: Path) -> None:
    """The outputs have the keys as names, also where an input has the same name."""
    sizes = {"image": (3, 4, 4), "mask": (3, 4, 4)}
    assert "Pair" == program.run(request("Pair", (), here / "m.onnx", **sizes))
    names = [each.name for each in onnx.load(here / "m.onnx").graph.output]
    assert ["boxes", "image_0", "output2"] == names


def test_an_unknown_input(here: Path) -> None:
    """A name that `forward` does not have is refused."""
    with pytest.raises(ModuleError, match="no parameter `imag`") as caught:
        program.run(request("Net", (), here / "m.onnx", imag=(3, 4, 4)))
    assert "did you mean `image`?" == caught.value.help


@pytest.mark.slow
def test_a_module_that_fails(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is one diagnostic with the error of the code, and nothing is written."""
    before = sorted(code.iterdir())
    assert run(["import", "small_nets:Broken()", "--input", "3x8x8", "-o", "n.net"]) == 1
    error = capsys.readouterr().err
    assert 1 == error.count("error[")
    assert "error[module-fails]: `small_nets:Broken()` fails: RuntimeError: no such luck" in error
    assert "help: the code that makes the module fails" in error
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
