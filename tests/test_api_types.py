"""The types that mypy sees in the scripts of users."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
from pathlib import Path
from typing import reveal_type

import numpy as np

import netdsl

net = netdsl.load(Path("my.net"), "Net", inputs={"image": (3, 224, 224)}, Block="bottleneck", n=3)
reveal_type(net)  # netdsl.api_net.Net
reveal_type(netdsl.loads("net A { input x: 4\\n relu }"))  # netdsl.api_net.Net
reveal_type(net.params)  # int
reveal_type(net.macs)  # int | netdsl.ir.types.Sym
reveal_type(f"{net.macs:,}")  # str
reveal_type(int(net.macs))  # int
reveal_type(net.figure("macs", H=224, W=224))  # int
reveal_type(net.figure("memory").params)  # int
reveal_type(net.figure("shape(conv1)"))  # object
reveal_type(net.memory.params)  # int
reveal_type(net.layers)  # netdsl.api_parts.Layers
reveal_type(net.layers[0].name)  # str
reveal_type(net.layers["conv1"].params)  # int
reveal_type(net.layers[:2])  # netdsl.api_parts.Layers
reveal_type([row.kind for row in net.layers])  # list[str]
reveal_type(net.inputs[0].shape)  # tuple[int | netdsl.ir.types.Sym, ...]
reveal_type(net.outputs[0].dtype)  # str
reveal_type([expect.holds for expect in net.expects])  # list[bool | None]
reveal_type(net.warnings[0].code)  # str
reveal_type(net.valid_for)  # str
reveal_type(net.diff("other.net").figures["params"].old)  # int | netdsl.ir.types.Sym
reveal_type(net.torch(weights="w.pt"))  # torch.nn.modules.module.Module
reveal_type(net.onnx(opset=18))  # onnx.onnx_ml_pb2.ModelProto
reveal_type(net.save_onnx("n.onnx"))  # list[pathlib.Path]
reveal_type(net.run(np.zeros((1, 3, 224, 224))))  # numpy.ndarray
reveal_type(net.run({"image": np.zeros(3)}))  # dict[str, numpy.ndarray]
reveal_type(net.verify().ok)  # bool
reveal_type(net.train(epochs=3).weights)  # pathlib.Path
reveal_type(net.draw())  # netdsl.api_parts.Drawing
reveal_type(net.draw("net.svg"))  # None
try:
    netdsl.loads("net")
except netdsl.CompileError as error:
    reveal_type(error.code)  # str
    reveal_type([diagnostic.help for diagnostic in error.diagnostics])  # list[str | None]
if isinstance(net.macs, netdsl.Sym):
    reveal_type(net.macs.at({"H": 224, "W": 224}))  # int
"""
pytestmark = pytest.mark.slow  # mypy reads PyTorch's types, which takes most of a minute
ARRAY = "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]"


def strict(path: Path) -> list[str]:
    """The messages of `mypy --strict`, with a configuration that is empty."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    done = subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr
    return done.stdout.splitlines()


def test_types_of_a_script(tmp_path: Path) -> None:
    """Every expression has the type beside it, and there is no error."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    lines = SCRIPT.splitlines()
    expected = {
        n: line.split("  # ")[1] for n, line in enumerate(lines, 1) if "reveal_type(" in line
    }
    found = {}
    for message in strict(script):
        revealed = re.search(r'\.py:(\d+): note: Revealed type is "(.*)"', message)
        assert revealed is not None, message
        text = revealed[2].replace("builtins.", "").replace(ARRAY, "numpy.ndarray")
        # The order in a union is not always the same.
        found[int(revealed[1])] = re.sub(r"\bNone \| (\w+)", r"\1 | None", text)
    assert expected == found


WRONG = {
    "net = netdsl.load(3)": "arg-type",
    "netdsl.load('a', inputs=(3, 8, 8))": "arg-type",
    "netdsl.load('a').layer": "attr-defined",
    "netdsl.load('a').macs / 1e9": "operator",
    "netdsl.load('a').figure('macs', H='8')": "call-overload",
    "netdsl.load('a').run([1.0])": "call-overload",
    "netdsl.lod('a')": "attr-defined",
}


def test_wrong_calls(tmp_path: Path) -> None:
    """Wrong arguments, and formulas used as numbers, are errors."""
    script = tmp_path / "wrong.py"
    script.write_text("\n".join(["import netdsl", *WRONG]), encoding="utf-8")
    messages = [message for message in strict(script) if ": error: " in message]
    codes = {int(m.split(":")[1]): m.rpartition("[")[2].rstrip("]") for m in messages}
    assert dict(enumerate(WRONG.values(), 2)) == codes
