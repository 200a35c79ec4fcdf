"""`netdsl layers` and `netdsl nets`: they are complete, correct, narrow, and start quickly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import netdsl
from netdsl.cli import run
from netdsl.errors import NetdslError
from netdsl.library import block_names, library_names
from netdsl.ops import LAYERS
from netdsl.reference import COMPOSITE, FAMILIES, LANGUAGE, entries, entry, outcomes
from tests.support.commands import run_command
from tests.support.paths import ROOT

WIDTH = 80


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The output of a command at 80 columns, which succeeds and prints no errors."""
    code = run(list(argv))
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= WIDTH
    return out


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))


def test_the_table_has_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """Every layer, shipped block and keyword has a line, and every family has a heading."""
    out = printed(capsys, "layers")
    for name in [*LAYERS, *block_names(), "residual", "identity", "frozen"]:
        call = rf"(F -> )?{name}\b"
        if not name.isidentifier():
            call = re.escape(f"(x {name} y)")
        assert re.search(f"^  {call}", out, re.MULTILINE), name
    for family in {cls.family for cls in LAYERS.values()} | {COMPOSITE, LANGUAGE}:
        assert f"{family}\n" in out


def test_every_family_is_in_the_reference() -> None:
    """`FAMILIES`, the order of the reference, contains every family of our own layers."""
    own = {cls.family for cls in LAYERS.values() if cls.__module__.startswith("netdsl.")}
    assert own <= set(FAMILIES)


@pytest.mark.parametrize("name", [e.name for e in entries()])
def test_a_page_agrees_with_the_definition(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A page has the arguments with their defaults, and the examples with their output shapes."""
    item = entry(name)
    page = " ".join(printed(capsys, "layers", name).split())
    assert item.doc
    for argument, _, default, meaning in item.arguments:
        assert re.search(rf"\b{argument}\b", page)
        assert default in page
        assert not meaning or meaning.split()[0] in page
    for shapes, _, result in outcomes(item):
        assert shapes in page
        assert f"-> {result}" in page


def test_a_page_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines of the page of `crop`, which takes a reference, as a user sees them."""
    lines = [line.rstrip() for line in printed(capsys, "layers", "crop").splitlines()]
    assert lines[0] == "crop(size = ..., offset = ...)"
    assert "  the current value and at most 1 `@` reference" in lines
    assert "  2x6x7, 3x4x4  crop(offset = 2x3, @x2)  -> 2x4x4" in lines
    assert lines[-1] == "family: shape"


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("conv2d", "it is called `conv` here"),
        ("cnov", "did you mean `conv`"),
        ("qqq", "lists the layers"),
    ],
)
def test_unknown_kinds(word: str, advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown layer is an error with advice."""
    assert run(["layers", word]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error[unknown-layer]")
    assert advice in error


def test_the_library_has_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    """The nets of every shipped file are listed with their figures and the year of the paper."""
    out = printed(capsys, "nets")
    for name in library_names():
        assert re.search(
            rf"^  {name}:\w+ +[\d,]+ +([\d,]+|-|open)( +(19|20)\d\d)?\s*$", out, re.MULTILINE
        ), name
    assert re.search(r"^  lenet5:LeNet5 +61,706 +416,520 1998\s*$", out, re.MULTILINE)
    assert re.search(r"^  resnet:ResNet50 +25,557,032 +4,089,184,256 2015\s*$", out, re.MULTILINE)
    assert re.search(r"^LeNet-5: LeCun, .*\n.* 1998\.\s*$", out, re.MULTILINE)


@pytest.mark.parametrize("argv", [["layers"], ["layers", "conv"], ["nets"]])
def test_the_reference_imports_little(argv: list[str]) -> None:
    """The commands that print it import neither torch nor onnx nor numpy."""
    program = (
        f"import sys; from netdsl.cli import run; run({argv!r}); sys.exit(bool({{'torch', 'numpy',"
        " 'onnx'} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stderr) == (0, "")


# ---- the examples


def test_the_kernels_example(tmp_path: Path) -> None:
    """The example runs without warnings and saves its picture."""
    process = subprocess.run(
        [sys.executable, ROOT / "examples" / "kernels.py", tmp_path / "k.png"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert (tmp_path / "k.png").stat().st_size > 2000


def test_the_kernels_on_a_uniform_picture() -> None:
    """The edge kernel finds no edge in a uniform picture, and blurring keeps its brightness."""
    import torch

    net = netdsl.load(str(ROOT / "examples" / "kernels.net"))
    with torch.no_grad():
        results = dict(
            zip(
                [o.name for o in net.outputs],
                net.torch()(torch.full((1, 1, 9, 9), 0.5)),
                strict=True,
            )
        )
    assert torch.allclose(results["edge"], torch.zeros(()), atol=1e-6)
    assert torch.allclose(results["blur"], torch.tensor(0.5), atol=1e-6)


def test_the_custom_layer(tmp_path: Path) -> None:
    """netdsl finds the package's layer through its entry point, and PyTorch and ONNX agree.

    The layer defines its own bound for rounding, and `verify` accepts the net.
    """
    folder = ROOT / "examples" / "custom_layer"
    info = tmp_path / "netdsl_swish_beta-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: netdsl-swish-beta\nVersion: 0.1.0\n"
    )
    (info / "entry_points.txt").write_text("[netdsl.layers]\nswish_beta = netdsl_swish_beta\n")
    program = """
import numpy, onnxruntime, torch, netdsl
net = netdsl.load("swish.net")
module = net.torch().eval()
state = {k: torch.randn_like(v) for k, v in module.state_dict().items()}
module.load_state_dict(state)
assert sum(p.numel() for p in module.parameters()) == net.params == 6003
model = net.onnx(state).SerializeToString()
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
x = torch.randn(2, 1, 28, 28)
(actual,) = session.run(None, {"image": x.numpy()})
expected = module(x).detach().numpy()
numpy.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)
from netdsl.cli import run
from netdsl.ir.op import Op
from netdsl.ops import LAYERS
assert LAYERS["swish_beta"].rounding is not Op.rounding
assert run(["check", "swish.net"]) == 0
assert run(["layers", "swish_beta"]) == 0
assert run(["verify", "swish.net"]) == 0
"""
    path = os.pathsep.join([str(tmp_path), str(folder), str(ROOT)])
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert "shared = true" in process.stdout


def test_the_entry_of_an_unknown_kind_fails() -> None:
    """`entry` raises the error that the command prints."""
    with pytest.raises(NetdslError, match="unknown-layer"):
        entry("no_such_layer")


@pytest.mark.parametrize("width", [45, 71])
def test_no_figure_of_the_library_is_cut(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nets` prints every digit on a narrow terminal, and no line is too long."""
    monkeypatch.setenv("COLUMNS", str(width))
    text = run_command(capsys, "nets")[0]
    figures = [line.split()[-3:] for line in text.splitlines() if "136,152,917" in line]
    assert figures == [["136,152,917", "62,787,564,288", "2015"]]
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
