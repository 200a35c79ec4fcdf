"""Element types of weights: their ranges, the types in checkpoints, and the memory of reading."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

import netdsl
from netdsl.ir.op import Param
from netdsl.weights.checkpoints import fit, read_weights
from netdsl.weights.fresh import CHUNK, chunks_of
from tests.support.commands import run_command

NET = "net Tiny {\n input x: 4\n a: dense(3)\n output b: dense(2)\n}"

EXPORT = ("export", "tiny.net", "-o", "m.onnx")


def state(**other: np.ndarray) -> dict[str, np.ndarray]:
    shapes = {"a.weight": (3, 4), "a.bias": (3,), "b.weight": (2, 3), "b.bias": (2,)}
    return {n: other.get(n.replace(".", "_"), np.ones(s, np.float32)) for n, s in shapes.items()}


# ---- numbers of 16 bits


@pytest.mark.parametrize("external", [False, True])
def test_a_number_too_large_for_half_precision_is_named(
    net_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    external: bool,
) -> None:
    """The error has the tensor and its largest number, wherever it is, and no file remains."""
    if external:
        monkeypatch.setattr("netdsl.backends.onnx.write.LIMIT", 10)
    monkeypatch.setattr("netdsl.weights.fresh.CHUNK", 2)
    save_file(state(b_weight=np.array([[1, 7e4, 3], [4, -2e5, 6]], np.float32)), "w.safetensors")
    err = run_command(capsys, *EXPORT, "--weights", "w.safetensors", "--fp16", code=1)[1]
    assert (
        "error[weights-overflow]: `b.weight` has numbers up to 200000, but the largest float16 is"
        " 65504" in err
    )
    assert "--bf16" in err
    assert sorted(p.name for p in net_folder.iterdir()) == ["tiny.net", "w.safetensors"]
    run_command(capsys, *EXPORT, "--weights", "w.safetensors", "--bf16")
    save_file(state(b_weight=np.full((2, 3), 3.4e38, np.float32)), "w.safetensors")
    assert (
        "`b.weight` has numbers up to 3.4e+38, but the largest bfloat16 is"
        in run_command(capsys, *EXPORT, "--weights", "w.safetensors", "--bf16", code=1)[1]
    )


def test_the_largest_numbers_of_half_precision(
    net_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number that rounds to the largest float16 is accepted, as are infinities if allowed."""
    save_file(state(a_bias=np.array([65519, -65504, np.inf], np.float32)), "w.safetensors")
    run_command(capsys, *EXPORT, "--weights", "w.safetensors", "--fp16", "--allow-nonfinite")
    bias = next(t for t in onnx.load("m.onnx").graph.initializer if t.name == "a.bias")
    assert onnx.numpy_helper.to_array(bias).tolist() == [65504, -65504, np.inf]


# ---- types in a checkpoint


@pytest.mark.parametrize("dtype", ["complex64", "int8", "uint8", "int64", "bool"])
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_numbers_that_are_no_floats(
    net_folder: Path, capsys: pytest.CaptureFixture[str], dtype: str, suffix: str
) -> None:
    """A weight must be a float, but tensors that the net does not use may have any type.

    Complex numbers would lose a part, and quantised numbers need their scale.
    """
    tensors = {n: torch.from_numpy(a) for n, a in state().items()}

    def save(state: dict[str, torch.Tensor]) -> None:
        torch.save(state, "w.pt") if suffix == "pt" else save_tensors(state, "w.safetensors")

    save(tensors | {"a.weight": tensors["a.weight"].to(getattr(torch, dtype))})
    assert (
        f"error[weights-mismatch]: w.{suffix} does not fit: `a.weight` has type {dtype} in the"
        " file, but the net takes floats"
        in run_command(capsys, *EXPORT, "--weights", f"w.{suffix}", code=1)[1]
    )
    save(tensors | {"other": tensors["a.weight"].to(getattr(torch, dtype))})
    assert "1 unused: other" in run_command(capsys, *EXPORT, "--weights", f"w.{suffix}")[0]


def test_a_whole_module_is_refused_in_plain_words(
    net_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message contains none of the terminal codes that PyTorch puts into its message."""
    torch.save(torch.nn.Linear(2, 3), "w.pt")
    err = run_command(capsys, *EXPORT, "--weights", "w.pt", code=1)[1]
    contents = (
        "Python objects besides its tensors, of `torch.nn.modules.linear.Linear`; they are not"
        " loaded"
    )
    assert f"error[corrupt-weights]: w.pt contains {contents}" in err
    assert "[1m" not in err
    assert "\ufffd" not in err


# ---- the memory of reading


def resident(path: Path) -> int:
    """The bytes of a mapped file that are in the memory of this process, as Linux counts them."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1]) << 10
    return total


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems may keep the pages of a file in memory"
)
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_pages_that_were_read_are_released(net_folder: Path, suffix: str) -> None:
    """After a checkpoint of 32 MB is read, at most 4 MB remain in memory.

    Reading it again gives the same numbers.
    """
    values = np.random.default_rng(0).standard_normal((4, 2 * CHUNK), dtype=np.float32)
    path = net_folder / f"w.{suffix}"
    if suffix == "pt":
        torch.save({f"module.{n}": torch.from_numpy(values + i) for i, n in enumerate("ab")}, path)
    else:
        save_file({f"module.{n}": values + i for i, n in enumerate("ab")}, path)
    params = {n: Param(values.shape) for n in "ab"}
    chunks = chunks_of(fit(params, read_weights(path), lazy=True))
    for _ in range(2):
        for i, name in enumerate("ab"):
            for k, chunk in enumerate(chunks(name, params[name])):
                np.testing.assert_array_equal(chunk, (values + i).ravel()[k * CHUNK :][:CHUNK])
    assert 0 < resident(path) <= 4 << 20


def test_a_checkpoint_that_cannot_be_mapped_keeps_its_numbers(net_folder: Path) -> None:
    """A file of PyTorch before 1.6 is read into memory, and can be read in pieces twice."""
    values = np.random.default_rng(0).standard_normal((4, CHUNK), dtype=np.float32)
    torch.save({"a": torch.from_numpy(values)}, "w.pt", _use_new_zipfile_serialization=False)
    params = {"a": Param(values.shape)}
    chunks = chunks_of(fit(params, read_weights("w.pt"), lazy=True))
    for _ in range(2):
        np.testing.assert_array_equal(
            np.concatenate(list(chunks("a", params["a"]))), values.ravel()
        )


# ---- numbers beyond float32


BN = "net Norm {\n input x: 3x4x4\n c: conv(2, 3) -> n: bn\n}\n"


def test_folding_beyond_float32(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Finite numbers that folding makes infinite are an error, but not without folding."""
    (net_folder / "tiny.net").write_text(BN)
    tensors = netdsl.loads(BN).torch().state_dict()
    tensors |= {"c.weight": torch.full((2, 3, 3, 3), 1e38), "n.running_var": torch.zeros(2)}
    save_tensors(tensors, "w.safetensors")
    err = run_command(capsys, *EXPORT, "--weights", "w.safetensors", code=1)[1]
    assert "error[weights-overflow]: `c.weight` goes beyond 3.40282e+38" in err
    run_command(capsys, *EXPORT, "--weights", "w.safetensors", "--no-fold")


def test_folding_numbers_that_are_allowed(
    net_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers that are not finite, but allowed, are folded without a warning from NumPy."""
    (net_folder / "tiny.net").write_text(BN)
    cases = {"c.weight": np.inf, "n.weight": np.nan, "n.running_var": np.inf}
    for name, number in cases.items():
        tensors = netdsl.loads(BN).torch().state_dict()
        tensors[name].fill_(number)
        save_tensors(tensors, "w.safetensors")
        run_command(capsys, *EXPORT, "--weights", "w.safetensors", "--allow-nonfinite")
        stored = {t.name: t for t in onnx.load("m.onnx").graph.initializer}
        weight = onnx.numpy_helper.to_array(stored["c.weight/folded"])
        assert np.isfinite(weight).all() == (name == "n.running_var")


def test_an_infinity_hides_no_overflow(
    net_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The largest finite number is reported, even if the tensor has an infinity that is allowed."""
    save_file(state(b_weight=np.array([[1, 7e4, np.inf], [4, 5, 6]], np.float32)), "w.safetensors")
    options = ["--weights", "w.safetensors", "--fp16", "--allow-nonfinite"]
    err = run_command(capsys, *EXPORT, *options, code=1)[1]
    assert "`b.weight` has numbers up to 70000, but the largest float16 is 65504" in err


@pytest.mark.parametrize("call", ["pad(1, value = 1e5)", "sumpool(300)"])
def test_numbers_of_the_text_in_half_precision(
    net_folder: Path, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    """A number of a layer beyond float16 is refused as a weight is; bfloat16 can represent it."""
    (net_folder / "tiny.net").write_text(f"net Tiny {{\n input x: 1x300x300\n {call}\n}}\n")
    assert "error[weights-overflow]: `0" in run_command(capsys, *EXPORT, "--fp16", code=1)[1]
    run_command(capsys, *EXPORT, "--bf16")
    run_command(capsys, *EXPORT)


LITERALS = [
    "conv(1, 1, weight = [[[[1e300]]]])",
    "dense(1, weight = [[1, -1e39]])",
    "pad(1, value = 3.5e38)",
    "bn(eps = 1e300)",
    "leaky_relu(1e40)",
]


@pytest.mark.parametrize("call", LITERALS)
def test_numbers_of_the_text_beyond_float32(call: str) -> None:
    """The error is at the argument, because every back end would turn it into an infinity."""
    shape = "2" if "dense" in call else "1x4x4"
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(f"net N {{\n    input x: {shape}\n    {call}\n}}\n")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "number-too-large"
    assert "beyond 3.40282e+38, the largest float32" in diagnostic.message
    assert diagnostic.span is not None
    assert diagnostic.span.first.line == 3
    assert "e" in diagnostic.span.text
