"""Checks of the numbers of weights, from files and from Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

import netdsl
from netdsl.cli import run
from tests.support.weight_files import KINDS, NET, State, arrays, below, export, state

if TYPE_CHECKING:
    from collections.abc import Callable

Say = pytest.CaptureFixture[str]


# ---- numbers that cannot be weights


def spoilt(name: str, number: float, dtype: torch.dtype = torch.float32) -> State:
    """A state dict of the net in which `number` is the last number of one tensor."""
    tensors = state(dtype)
    tensors[name].view(-1)[-1] = number
    return tensors


NUMBERS = [
    (np.nan, "nan"),
    (np.inf, "inf"),
    (-np.inf, "-inf"),
    (1e300, "1e+300, beyond 3.40282e+38, the largest float32"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("number", "shown"), NUMBERS)
def test_numbers_that_are_not_finite(
    net_folder: Path, capsys: Say, kind: str, number: float, shown: str
) -> None:
    """The error names the tensor and the number; `--allow-nonfinite` accepts them."""
    Path("w").write_bytes(KINDS[kind](spoilt("y.weight", number, torch.float64)))
    fact = f"error[not-finite]: `y.weight` has the number {shown}\n"
    err = export(capsys, "w", code=1)[1]
    assert err.startswith(fact)
    assert "--allow-nonfinite" in err
    assert "m.onnx" not in os.listdir()
    export(capsys, "w", "--allow-nonfinite")


@pytest.mark.parametrize(
    "command",
    [
        ["verify", "tiny.net"],
        ["run", "tiny.net", "x.npy"],
        ["bench", "tiny.net"],
        ["test", "tiny.net", "--data", "fashion_mnist_sample()"],
    ],
)
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_every_command_refuses_numbers_that_are_not_finite(
    net_folder: Path, capsys: Say, command: list[str], number: float
) -> None:
    """Every command that takes weights checks their numbers before it uses them."""
    save_file(spoilt("n.bias", number), "w.safetensors")
    np.save("x.npy", np.ones((3, 6, 6), np.float32))
    assert run([*command, "--weights", "w.safetensors"]) == 1
    assert f"error[not-finite]: `n.bias` has the number {number}" in capsys.readouterr().err
    run([*command, "--weights", "w.safetensors", "--allow-nonfinite"])
    assert "`n.bias`" not in capsys.readouterr().err


def test_a_negative_variance(net_folder: Path, capsys: Say) -> None:
    """A negative variance in a batch norm is an error, because its square root is NaN."""
    save_file(spoilt("n.running_var", -0.5), "w.safetensors")
    for options in ([], ["--fp16"]):
        err = export(capsys, "w.safetensors", *options, code=1)[1]
        assert "error[negative-variance]: `n.running_var` has the variance -0.5, below 0" in err


# ---- from Python


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [str, Path])
def test_paths_from_python(net_folder: Path, kind: str, given: Callable[[str], Any]) -> None:
    """Every function that takes weights accepts the path of a file."""
    (net_folder / "w").write_bytes(KINDS[kind](below("module.", state())))
    net = netdsl.loads(NET)
    expected = net.onnx(weights=state())
    assert net.onnx(weights=given("w")) == expected
    net.save_onnx("m.onnx", given("w"))
    assert onnx.load("m.onnx") == expected
    loaded = net.torch(given("w")).state_dict()
    assert all(torch.equal(loaded[n], t) for n, t in state().items() if "tracked" not in n)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_state_dicts_of_every_type(dtype: torch.dtype) -> None:
    """A state dict of PyTorch gives the same model whatever the type of its floats."""
    net = netdsl.loads(NET)
    assert net.onnx(weights=state(dtype)) == net.onnx(weights=arrays(state()))


WRONG: list[tuple[object, str]] = [
    (3, "weights must be a state dict or the path of a file, not int"),
    ([torch.ones(2)], "weights must be a state dict or the path of a file, not list"),
    (b"w.pt", "weights must be a state dict or the path of a file, not bytes"),
    (torch.nn.Linear(2, 3), r"not Linear; give its `state_dict\(\)`"),
    ({"c.weight": [1.0, 2.0]}, r"weights\['c.weight'\] must be a tensor or an array, not list"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_other_types_from_python(net_folder: Path, given: Any, message: str) -> None:
    """Weights of other types are refused before any file is written."""
    net = netdsl.loads(NET)
    for call in (net.onnx, net.torch, lambda w: net.save_onnx("m.onnx", w)):
        with pytest.raises(TypeError, match=message):
            call(given)
    assert not Path("m.onnx").exists()


def test_numbers_from_python(net_folder: Path) -> None:
    """The same checks apply to state dicts as to files."""
    net = netdsl.loads(NET)
    for call in (net.onnx, net.torch, lambda w, **k: net.save_onnx("m.onnx", w, **k)):
        with pytest.raises(netdsl.CompileError, match=r"not-finite.*`y.bias` has the number nan"):
            call(spoilt("y.bias", np.nan))
        call(spoilt("y.bias", np.nan), allow_nonfinite=True)
        with pytest.raises(netdsl.CompileError, match="has type complex64 in the state dict"):
            call(state() | {"y.bias": torch.ones(3, dtype=torch.complex64)})
        with pytest.raises(netdsl.CompileError, match="has type int64 in the state dict"):
            call(state() | {"y.bias": np.ones(3, np.int64)})
    with pytest.raises(netdsl.CompileError, match="file-not-found"):
        net.onnx(weights="nowhere.pt")


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_other_readers_of_the_weights(net_folder: Path, capsys: Say, kind: str) -> None:
    """`export --verify` and `bench --vs torch` read every format, too."""
    (net_folder / "w").write_bytes(KINDS[kind](state(torch.float64)))
    assert run(["export", "tiny.net", "-o", "m.onnx", "--weights", "w", "--verify"]) == 0
    options = ["--batch", "1", "--rounds", "1", "--vs", "torch"]
    assert run(["bench", "tiny.net", "--weights", "w", *options]) == 0
    (net_folder / "w").write_bytes(KINDS[kind](spoilt("y.weight", 1e300, torch.float64)))
    options = ["--weights", "w", "--verify", "--allow-nonfinite"]
    assert run(["export", "tiny.net", "-o", "m.onnx", *options]) == 1
    assert "error[not-finite]: PyTorch and onnxruntime cannot be" in capsys.readouterr().err
