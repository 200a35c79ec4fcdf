"""Names from files are printed without control characters, whichever command prints them."""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from netdsl.cli import run
from netdsl.commands.consoles import Cell, console, listing, plain_table
from netdsl.commands.output import note, say, say_json
from tests.support.small_nets import TINY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BAD = "\x1b[31m\u202ename\x9b1m\x07"


def is_plain(text: str) -> bool:
    """Whether a text has only printable characters, line ends and tabs."""
    return all(c.isprintable() or c in "\n\t" for c in text)


def save_weights(extra: str, path: str) -> None:
    """Write the weights of the tiny net and one more tensor, or hostile metadata for `meta`."""
    net = {"y.weight": np.zeros((3, 16), np.float32), "y.bias": np.zeros(3, np.float32)}
    metadata = {"classes": json.dumps([BAD] * 3), "mean": BAD, "net": BAD}
    save_file(net | {extra: np.zeros(1, np.float32)}, path, metadata if extra == "meta" else None)


def save_model(path: str) -> None:
    """Write a model whose names and metadata are all hostile."""
    x, y = (helper.make_tensor_value_info(BAD + n, TensorProto.FLOAT, ["N", 3]) for n in "xy")
    node = helper.make_node("Relu", [BAD + "x"], [BAD + "y"], name=BAD)
    model = helper.make_model(
        helper.make_graph([node], BAD, [x], [y]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    model.metadata_props.add(key="netdsl.classes", value=json.dumps([BAD] * 3))
    onnx.save(model, path)


def save_unknown(path: str) -> None:
    """Write a model with an unknown operator that has a hostile name."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 3]) for n in "xy")
    graph = helper.make_graph([helper.make_node(BAD, ["x"], ["y"], domain=BAD)], "g", [x], [y])
    onnx.save(
        helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(BAD, 1)],
            ir_version=8,
        ),
        path,
    )


@pytest.fixture
def hostile(model_folder: Path) -> Path:
    """A folder of files whose names and contents are hostile."""
    (model_folder / "tiny.net").write_text(TINY)
    (model_folder / f"{BAD}.net").write_text(TINY)
    (model_folder / f"{BAD} wrong.net").write_text("net A {\n input x: 3\n convv\n}\n")
    save_weights(BAD, "w.safetensors")
    save_weights("meta", "meta.safetensors")
    torch.save(
        {BAD: torch.zeros(1), "y.weight": torch.zeros(3, 16), "y.bias": torch.zeros(3)}, "w.pt"
    )
    save_model("bad.onnx")
    save_unknown("unknown.onnx")
    np.save("three.npy", np.ones((2, 3), np.float32))
    named: dict[str, Any] = {BAD: np.ones((1, 3), np.float32), "b": np.ones(3)}
    np.savez("named.npz", **named)
    (model_folder / f"{BAD}.npy").write_bytes((model_folder / "three.npy").read_bytes())
    (model_folder / f"{BAD}.png").write_bytes((model_folder / "ok.png").read_bytes())
    (model_folder / "labels.txt").write_text(f"{BAD}\n" * 3, encoding="utf-8")
    (model_folder / BAD).mkdir()
    (model_folder / BAD / f"{BAD}.txt").touch()
    (model_folder / BAD / "a.png").write_bytes((model_folder / "ok.png").read_bytes())
    header = json.dumps({BAD: {"dtype": BAD, "shape": [1], "data_offsets": [0, 4]}}).encode()
    (model_folder / "type.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header + bytes(4)
    )
    return model_folder


FEW = "fashion_mnist_sample(pad = 2, limit = 100)"
COMMANDS = [
    ["check", f"{BAD}.net"],
    ["check", f"{BAD} wrong.net"],
    ["check", f"{BAD} none.net"],
    ["check", f"tiny.net:{BAD}"],
    ["check", "tiny.net", "-D", f"{BAD}=1"],
    ["check", "tiny.net", "--input", BAD],
    ["check", "tiny.net", "--only", BAD],
    ["check", f"{BAD} wrong.net", "--format", "json"],
    ["check", f"{BAD} wrong.net", "--format", "sarif"],
    ["check", f"{BAD} wrong.net", "--format", "github"],
    ["check", "tiny.net", BAD],
    [BAD],
    ["check", "tiny.net", f"--{BAD}"],
    ["fmt", f"{BAD}.net"],
    ["fmt", "--check", f"{BAD}.net"],
    ["fmt", BAD],
    ["layers", BAD],
    ["draw", f"{BAD}.net", "-o", f"{BAD}.dot"],
    ["draw", "tiny.net", "-o", BAD],
    ["export", f"{BAD}.net", "-o", f"{BAD}.onnx"],
    ["export", "tiny.net", "-o", f"{BAD}.py"],
    ["export", "tiny.net", "-o", "t.onnx", "--weights", "w.safetensors"],
    ["export", "tiny.net", "-o", "t.onnx", "--weights", "w.pt"],
    ["export", "tiny.net", "-o", "t.onnx", "--weights", "meta.safetensors"],
    ["export", "tiny.net", "-o", "t.onnx", "--weights", BAD],
    ["export", "tiny.net", "-o", "t.onnx", "--weights", "type.safetensors"],
    ["export", "tiny.net", "-o", "t.onnx", "--labels", BAD],
    ["verify", f"{BAD}.net"],
    ["verify", "tiny.net", "--weights", "w.safetensors"],
    ["verify", f"{BAD}.onnx"],
    ["verify", "bad.onnx"],
    ["verify", f"{BAD}.net", "--format", "json"],
    ["test", "tiny.net", "--weights", "w.safetensors"],
    ["test", "tiny.net", "--weights", BAD, "--data", BAD],
    ["run", "bad.onnx", "three.npy"],
    ["run", "bad.onnx", f"{BAD}.npy"],
    ["run", "bad.onnx", "three.npy", "--json"],
    ["run", "bad.onnx", "named.npz"],
    ["run", "bad.onnx", f"{BAD}.png"],
    ["run", "bad.onnx", BAD],
    ["run", "bad.onnx", f"{BAD}*"],
    ["run", "bad.onnx", "three.npy", "--labels", "labels.txt"],
    ["run", "m.onnx", f"{BAD}.png"],
    ["run", "m.onnx", BAD],
    ["run", "unknown.onnx", "three.npy"],
    ["run", f"{BAD}.onnx", "three.npy"],
    ["run", "bad.onnx", "three.npy", "-o", f"{BAD}.npz"],
    ["bench", "bad.onnx", "--batch", "1", "--rounds", "1"],
    ["bench", "bad.onnx", "--batch", "1", "--rounds", "1", "--json"],
    ["bench", "bad.onnx", "--batch", BAD],
    ["bench", "bad.onnx", "--input", f"{BAD}=3"],
    ["train", "tiny.net", "--out", BAD],
    ["train", "lenet5", "--set", BAD],
    ["train", "lenet5", "--set", f"train.x={BAD}"],
    ["train", "lenet5", "--data", f'mnist(root = "{BAD}")'],
    ["train", "lenet5", "--out", BAD, "--set", "train.epochs=1", "--data", FEW],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda a: " ".join(a).replace(BAD, "BAD"))
def test_no_command_prints_control_characters(
    arguments: list[str], hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, metadata, file names and arguments are printed without them, in text and in JSON."""
    assert run(arguments) in (0, 1, 2)
    printed = capsys.readouterr()
    assert printed.out + printed.err
    assert is_plain(printed.out), repr(printed.out)
    assert is_plain(printed.err), repr(printed.err)


def test_the_name_of_an_unused_tensor(hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The note names the tensor, with U+FFFD in place of each unprintable character."""
    assert run(["export", "tiny.net", "-o", "t.onnx", "--weights", "w.safetensors"]) == 0
    assert "1 unused: \ufffd[31m\ufffdname\ufffd1m\ufffd\n" in capsys.readouterr().out


PRINTERS: dict[str, Callable[[], Any]] = {
    "say": lambda: say(BAD),
    "note": lambda: note(BAD),
    "console": lambda: console().print(BAD),
    "listing": lambda: listing().print(BAD),
    "json": lambda: say_json({BAD: BAD, "\U000e0001": 1}),
}


@pytest.mark.parametrize("printer", PRINTERS)
def test_the_printers_themselves(printer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every print function replaces control characters; JSON escapes them and loses nothing."""
    PRINTERS[printer]()
    printed = capsys.readouterr()
    assert is_plain(printed.out + printed.err)
    assert "name" in printed.out + printed.err
    if printer == "json":
        assert json.loads(printed.out) == {BAD: BAD, "\U000e0001": 1}


def test_a_name_with_a_line_end_is_one_line(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file name cannot start a line of its own, for example a command to GitHub Actions."""
    name = "a\n::error::b.npy"
    os.rename("one.npy", name)
    assert run(["run", "m.onnx", name]) == 0
    assert run(["run", "m.onnx", f"no{name}"]) == 1
    printed = capsys.readouterr()
    assert not [line for line in (printed.out + printed.err).splitlines() if line.startswith("::")]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("fashion_mnist_sample", 20, ["fashion_mnist_sample"]),
        ("fashion_mnist_sample", 14, ["fashion_mnist_", "sample"]),
        ("data fashion_mnist", 13, ["data", "fashion_mnist"]),
        ("optimizer.lr = 0.01", 14, ["optimizer.", "lr = 0.01"]),
        ("sgd(lr = 0.1, momentum = 0.9)", 18, ["sgd(lr = 0.1,", "momentum = 0.9)"]),
        ("runs/Digit-seed0", 12, ["runs/", "Digit-seed0"]),
        ("unbroken", 5, ["unbro", "ken"]),
        ("lr = 0.001", 4, ["lr =", " 0.", "001"]),
        ("", 5, [""]),
    ],
)
def test_cells_are_broken_between_words(text: str, width: int, lines: list[str]) -> None:
    """Then between the parts of a name; an assignment stays on one line, as long as it fits."""
    assert Cell(text).lines(width) == lines


def test_a_narrow_table_breaks_its_cells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cell is wider than its column, and figures stay on the right."""
    monkeypatch.setenv("COLUMNS", "30")
    rows = [["fashion_mnist_sample", "optimizer.lr = 0.01", "9"]]
    listing().print(plain_table(["data", "value", "n"], rows, right=["n"]))
    assert capsys.readouterr().out.splitlines() == [
        "data           value         n",
        "fashion_       optimizer.    9",
        "mnist_sample   lr = 0.01",
    ]
