"""`netdsl verify` as a command, and on every net of the library."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import netdsl
from netdsl.cli import run
from netdsl.commands import verify
from netdsl.driver import compile_net, open_program
from netdsl.library import library_names
from netdsl.ops import LAYERS
from netdsl.verify import verify_graph
from netdsl.weights.checkpoints import tensors_of
from tests.support.verification import (
    CLAIMS,
    MIXED,
    line_of,
    mixed,
    replaced,
    swapped_pads,
    verified,
)

NETS = [f"{file}:{net}" for file in library_names() for net in open_program(file).nets()]
# 2 GB of weights and more
NEVER_RUN = {"perceptron:Megapixel", "gpt:GPT2Large", "gpt:GPT2XL", "vit:ViT_H14"}


# ---- the command


def written(tmp_path: Path, text: str = MIXED) -> str:
    """Write a text to a file and return its path."""
    path = tmp_path / "net.net"
    path.write_text(text)
    return str(path)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If all claims agree, the table lists each of them and the exit code is 0."""
    assert run(["verify", written(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"{re.escape(claim)} +agree", printed) for claim in CLAIMS), printed
    assert "values compared" in printed


def test_command_names_sizes_and_leaves_out_empty_claims(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The MACs are those of the first setting; without batch norms, no line is about them."""
    monkeypatch.setenv("COLUMNS", "120")
    path = written(tmp_path, "net A {\n    input x: 2xHxW\n    conv(5, 3)\n}")
    assert run(["verify", path]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    found = re.search(r"; for H = (\d+), W = (\d+) and for H = \d+, W = \d+$", title)
    assert found is not None, title
    h, w = map(int, found.groups())
    (macs,) = (line for line in lines if line.startswith("macs "))
    assert f"{90 * (h - 2) * (w - 2):,} for H = {h}, W = {w}" in macs
    assert not any("batch norm" in line for line in lines)


def test_command_names_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer with a wrong back end gives exit code 1 and a caret under the layer."""
    replaced(monkeypatch, "conv", "onnx", swapped_pads)
    path = written(tmp_path)
    assert run(["verify", path]) == 1
    printed = capsys.readouterr()
    assert re.search(r"values in onnxruntime +differ", printed.out)
    assert f"--> {path}:3:" in printed.err or "net.net:3:" in printed.err
    assert "error[values-differ]: `stem` (conv)" in printed.err
    assert "^^^^" in printed.err
    assert "fp64 on the same inputs gives: " in printed.err


def test_command_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--format json` reports the claims and the lines of the differences."""
    path = written(tmp_path)
    assert run(["verify", path, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["diagnostics"] == []
    assert report["nets"][0]["ok"] is True
    assert CLAIMS == [c["name"] for c in report["nets"][0]["claims"]]
    macs = LAYERS["lstm"].macs
    replaced(monkeypatch, "lstm", "macs", lambda self, y, x: macs(self, y, x) + 1)
    assert run(["verify", path, "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [("macs-differ", line_of("memory:"))] == [
        (d["code"], d["line"]) for d in report["diagnostics"]
    ]
    assert ["macs"] == [c["name"] for c in report["nets"][0]["claims"] if c["verdict"] == "differ"]


def test_command_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--input` sets open sizes and `-D` sets parameters."""
    path = written(tmp_path, "net A(width = 3) {\n    input x: 2xHxW\n    conv(width, 3)\n}")
    assert run(["verify", path, "--input", "2x9x8", "-D", "width=5", "--format", "json"]) == 0
    (net,) = json.loads(capsys.readouterr().out)["nets"]
    assert [{}] == net["sizes"]
    assert f"{5 * 7 * 6 * 18:,}" == next(c["detail"] for c in net["claims"] if c["name"] == "macs")


def test_a_note_about_sizes_that_take_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes before the work, and names the option that makes it less."""
    path = tmp_path / "a.net"
    path.write_text("net A {\n input x: 3xHxW\n conv(4, 3)\n}\n")
    assert run(["verify", str(path)]) == 0
    assert "note:" not in capsys.readouterr().err
    monkeypatch.setattr(verify, "LARGE", 1000)
    assert run(["verify", str(path)]) == 0
    note = capsys.readouterr().err
    assert re.search(r"multiply-accumulates, for H = \d+, W = \d+ and for H = \d+, W = \d+;", note)
    assert "`--input` gives smaller sizes" in note
    assert run(["verify", str(path), "--input", "3x9x9"]) == 0
    assert "note:" not in capsys.readouterr().err


def test_command_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint can be verified; one that is missing or incomplete is an error."""
    net = netdsl.loads(MIXED)
    stream = np.random.default_rng(0)
    arrays = {
        n: np.asarray(stream.random(p.shape), dtype=np.float32)
        for n, p in tensors_of(net.graph).items()
    }
    save_file(arrays, tmp_path / "w.safetensors")
    path = written(tmp_path)
    assert run(["verify", path, "--weights", str(tmp_path / "w.safetensors")]) == 0
    assert "w.safetensors" in capsys.readouterr().out
    assert run(["verify", path, "--weights", str(tmp_path / "none.safetensors")]) == 1
    assert "error[file-not-found]" in capsys.readouterr().err
    del arrays["head.bias"]
    save_file(arrays, tmp_path / "w.safetensors")
    assert run(["verify", path, "--weights", str(tmp_path / "w.safetensors")]) == 1
    assert "`head.bias` is missing" in capsys.readouterr().err


def test_given_weights_are_used() -> None:
    """The numbers of the checkpoint are used: zero weights give smaller errors than random ones."""
    arrays = {
        n: np.zeros(p.shape, np.float32) for n, p in tensors_of(netdsl.loads(MIXED).graph).items()
    }
    report = verified(MIXED, weights=arrays)
    assert report.ok
    assert report.worst < 1 < mixed().worst


def test_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown net, a missing file and invalid sizes are errors with exit code 1."""
    path = written(tmp_path, "net A {\n    input x: 1xH\n    conv(2, 5000)\n}")
    for arguments, code in (
        ([f"{path}:B"], "unknown-net"),
        ([str(tmp_path / "no.net")], "file-not-found"),
        ([path], "no-valid-size"),
        ([path, "--input", "1x20"], "window-too-large"),
    ):
        assert run(["verify", *arguments]) == 1
        assert f"error[{code}]" in capsys.readouterr().err


def test_command_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An exported model is compared with its manifest; the options for nets are refused."""
    model = tmp_path / "m.onnx"
    assert run(["export", written(tmp_path), "-o", str(model)]) == 0
    capsys.readouterr()
    assert run(["verify", str(model)]) == 0
    assert "m.onnx matches its manifest: checked " in capsys.readouterr().out
    assert run(["verify", str(model), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["diagnostics"] == []
    assert run(["verify", str(model), "--input", "3x4x4"]) == 2
    capsys.readouterr()
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    assert run(["verify", str(model)]) == 1
    assert "error[corrupt-model]" in capsys.readouterr().err


# ---- the library


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in NETS if n not in NEVER_RUN])
def test_library(name: str) -> None:
    """Every claim of every library net agrees."""
    torch.set_num_threads(os.cpu_count() or 1)
    file, net = name.split(":")
    report = verify_graph(compile_net(open_program(file), net).graph)
    assert [d.message for d in report.differences()] == []
    assert report.ok


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_nothing_finite_proves_nothing(
    number: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A net whose values all depend on NaN or infinity does not pass."""
    net = written(tmp_path, "net A {\n    input x: 3\n    a: dense(2)\n}")
    weights = {"a.weight": np.full((2, 3), number, np.float32), "a.bias": np.zeros(2, np.float32)}
    save_file(weights, str(tmp_path / "w.safetensors"))
    options = ["--weights", str(tmp_path / "w.safetensors"), "--allow-nonfinite"]
    assert run(["verify", net, *options]) == 1
    printed = capsys.readouterr()
    assert "error[not-finite]: no value can be compared" in printed.err
    assert re.search("values in PyTorch +differ", printed.out)
    assert re.search("outputs +differ", printed.out)
    assert "not compared: 8 of 8 numbers, in `a`:" in printed.out


def test_numbers_that_are_not_finite_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report counts the numbers that could not be compared."""
    net = written(tmp_path, "net A {\n    input x: 3\n    a: dense(2)\n}")
    weights = {"a.weight": np.ones((2, 3), np.float32), "a.bias": np.array([0, np.nan], np.float32)}
    save_file(weights, str(tmp_path / "w.safetensors"))
    options = ["--weights", str(tmp_path / "w.safetensors"), "--allow-nonfinite"]
    assert run(["verify", net, *options]) == 0
    assert "not compared: 4 of 8 numbers, in `a`:" in capsys.readouterr().out
    assert run(["verify", net, *options, "--format", "json"]) == 0
    (net_report,) = json.loads(capsys.readouterr().out)["nets"]
    assert (net_report["numbers"], net_report["not_compared"]) == (8, 4)
