"""The same text and seed give the same bytes in every run, with every hash seed and folder."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netdsl.cli import run
from tests.support.paths import ROOT

TEXT = """
import "blocks.net"
# Arms, sharing, heads, open sizes, several inputs and outputs, every way to start weights.
net Mixed(classes = 10, act = relu) {
    input left:  3xHxW
    input right: 3xHxW
    tower: { conv(8, 3, pad = 1, init = he_normal) -> bn -> act
             for width in [8, 12] { conv(width, 1, init = xavier_uniform) -> act } }
    other: @right -> tower
    joined: concat(@tower)
    concat {
        | b1: conv(4, 1) -> relu
        | b2: unit(6)
        | identity
    }
    aux early(weight = 0.3) { gap -> flatten -> dense(classes) }
    residual { conv(34, 3, pad = 1, init = zeros) -> dropout(0.5) }
    let laplace = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    edges: conv(1, 3, pad = 1, bias = false, weight = 34 * [laplace]) -> frozen
    output scores: @joined -> gap -> flatten -> dense(classes, init = normal)
    output picture: @edges -> deconv(2, 4, stride = 2, pad = 1, init = bilinear)
    expect params(b1) == 24 * 4 + 4
}
"""
BLOCKS = (
    "block unit(width, k = 3) {\n    conv(width, k, pad = k // 2) -> bn -> relu\n    se(2)\n}\n"
)
COMMANDS = {
    "check.json": ["check", "net.net", "--format", "json"],
    "check.sarif": ["check", "net.net", "--format", "sarif"],
    "check.txt": ["check", "net.net", "--show", "all"],
    "wrong.json": ["check", "wrong.net", "--format", "json"],
    "resnet.json": ["check", "resnet", "--format", "json"],
    "net.dot": ["draw", "net.net", "-o", "net.dot"],
    "net.svg": ["draw", "net.net", "-o", "net.svg"],
    "net.py": ["export", "net.net", "-o", "net.py"],
    "net.onnx": ["export", "net.net", "-o", "net.onnx", "--seed", "7"],
    "half.onnx": ["export", "net.net", "-o", "half.onnx", "--fp16"],
    "net.net": ["fmt", "net.net"],
}
ON_STDOUT = {name for name in COMMANDS if name.startswith(("check.", "wrong.", "resnet."))}


def write_texts(folder: Path) -> Path:
    """Write the texts into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.net").write_text(TEXT)
    (folder / "blocks.net").write_text(BLOCKS)
    (folder / "wrong.net").write_text(
        TEXT.replace("conv(4, 1)", "konv(4)").replace("identity", "@nowhere")
    )
    return folder


def output_of(folder: Path, name: str) -> bytes:
    """Run a command in a folder, in this process, and return its output or the file it writes."""
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        code = run(COMMANDS[name])
    assert code == ("wrong" in name)
    return printed.getvalue().encode() if name in ON_STDOUT else (folder / name).read_bytes()


def marked(name: str) -> object:
    """The name as a parameter; pictures need `dot`, and the largest file takes long."""
    marks = [pytest.mark.slow] * (name == "resnet.json")
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", [marked(name) for name in COMMANDS])
def test_twenty_runs(tmp_path: Path, name: str) -> None:
    """Twenty runs in one process, alternating between two folders, give the same bytes."""
    folders = [write_texts(tmp_path / "a"), write_texts(tmp_path / "another" / "folder")]
    digests = {hashlib.sha256(output_of(folders[n % 2], name)).hexdigest() for n in range(20)}
    assert len(digests) == 1


SCRIPT = """
import contextlib, hashlib, io, sys
from pathlib import Path
from tests.commands.test_determinism import COMMANDS, output_of
for name in sys.argv[1:]:
    print(name, hashlib.sha256(output_of(Path.cwd(), name)).hexdigest())
"""


def digests(folder: Path, hash_seed: str) -> dict[str, str]:
    """The digest of each output, from a new process with a given hash seed."""
    names = [n for n in COMMANDS if not n.endswith(".svg") or shutil.which("dot")]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, *names],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return dict(line.split() for line in process.stdout.splitlines() if len(line.split()) == 2)


def test_processes(tmp_path: Path) -> None:
    """Processes with different hash seeds, in different folders, give the same bytes."""
    first = digests(write_texts(tmp_path / "a"), "1")
    assert first == digests(write_texts(tmp_path / "b" / "c"), "2")
    assert first == digests(write_texts(tmp_path / "a"), "3")
    assert len(first) >= len(COMMANDS) - 1


def test_the_seed_matters(tmp_path: Path) -> None:
    """Another seed gives other bytes, so the files of the other tests are not equal by chance."""
    folder = write_texts(tmp_path)
    first = output_of(folder, "net.onnx")
    with contextlib.chdir(folder):
        assert run(["export", "net.net", "-o", "net.onnx", "--seed", "8"]) == 0
    assert first != (folder / "net.onnx").read_bytes()
