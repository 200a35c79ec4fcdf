"""Export: half precision, pictures as inputs, metadata, and the kinds of checkpoints."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from PIL import Image
from safetensors.torch import save_file

import netdsl
from netdsl.weights.checkpoints import read_weights
from netdsl.weights.safetensors import Mapped
from tests.support.back_ends import randomise
from tests.support.commands import run_command
from tests.support.onnx_files import forward
from tests.support.small_nets import NORMED as NET

if TYPE_CHECKING:
    from collections.abc import Callable


# ---- precision, inputs, metadata


def test_half_precision_with_and_without_keep_io(
    weights_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A float16 model gives values close to float32, with and without `--keep-io`."""
    run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "w.safetensors")
    run_command(
        capsys,
        "export",
        "tiny.net",
        "-o",
        "h.onnx",
        "--weights",
        "w.safetensors",
        "--fp16",
        "--verify",
    )
    run_command(
        capsys,
        "export",
        "tiny.net",
        "-o",
        "k.onnx",
        "--weights",
        "w.safetensors",
        "--fp16",
        "--keep-io",
        "--verify",
    )
    x = np.random.default_rng(0).random((2, 3, 6, 6), dtype=np.float32)
    expected = forward("m.onnx", image=x)
    half, kept = forward("h.onnx", image=x.astype(np.float16)), forward("k.onnx", image=x)
    assert [str(half.dtype), str(kept.dtype)] == ["float16", "float32"]
    np.testing.assert_allclose(half, expected, rtol=2e-2, atol=2e-2)
    np.testing.assert_allclose(kept, half, rtol=1e-3, atol=1e-3)
    assert {t.data_type for t in onnx.load("k.onnx").graph.initializer} <= {
        TensorProto.FLOAT16,
        TensorProto.INT64,
    }


def test_bfloat16_is_rounded_to_nearest(
    weights_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights are rounded as PyTorch rounds them, and the model passes ONNX's full check.

    bfloat16 needs opset 22, and inputs and outputs stay in float32.
    """
    out, _ = run_command(
        capsys,
        "export",
        "tiny.net",
        "-o",
        "b.onnx",
        "--weights",
        "w.safetensors",
        "--bf16",
        "--no-fold",
    )
    assert "bfloat16" in out
    model = onnx.load("b.onnx")
    onnx.checker.check_model(model, full_check=True)
    stored = next(t for t in model.graph.initializer if t.name == "c.weight")
    expected = (
        randomise(netdsl.loads(NET).torch()).state_dict()["c.weight"].bfloat16().float().numpy()
    )
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(stored).astype(np.float32), expected)
    assert (
        "needs opset 22"
        in run_command(
            capsys, "export", "tiny.net", "-o", "b.onnx", "--bf16", "--opset", "20", code=2
        )[1]
    )
    assert [v.type.tensor_type.elem_type for v in (*model.graph.input, *model.graph.output)] == [
        TensorProto.FLOAT
    ] * 2


def test_pictures_go_in_as_bytes(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The graph resizes pictures as Pillow does, and scales and normalises them.

    Mean and std are those in the metadata of the checkpoint. A net that takes no pictures is
    refused.
    """
    run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "w.safetensors")
    run_command(
        capsys,
        "export",
        "tiny.net",
        "-o",
        "p.onnx",
        "--weights",
        "w.safetensors",
        "--with-preprocess",
        "--verify",
    )
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)
    )
    small = np.asarray(picture.resize((6, 6), Image.Resampling.BILINEAR), dtype=np.float32)
    x = ((small / 255 - 0.5) / 0.25).transpose(2, 0, 1)[None]
    np.testing.assert_allclose(
        forward("p.onnx", image=np.asarray(picture)[None]),
        forward("m.onnx", image=x),
        rtol=2e-2,
        atol=2e-2,
    )
    assert "wrong-shape" in failed(
        capsys, "net A {\n input x: 7\n dense(2)\n}", "--with-preprocess"
    )


def failed(capsys: pytest.CaptureFixture[str], text: str, *options: str) -> str:
    Path("bad.net").write_text(text)
    err = run_command(capsys, "export", "bad.net", "-o", "bad.onnx", *options, code=1)[1]
    assert not Path("bad.onnx").exists()
    return err


def test_the_model_has_metadata(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The metadata give net, file, parameters, classes, normalisation and MACs.

    `--labels` and `--mean` take precedence over the metadata of the checkpoint.
    """
    (weights_folder / "names.txt").write_text("x\ny\nz\n")
    run_command(
        capsys,
        "export",
        "tiny.net",
        "-o",
        "m.onnx",
        "-D",
        "classes=3",
        "--weights",
        "w.safetensors",
        "--labels",
        "names.txt",
        "--mean",
        "0.1,0.2,0.3",
    )
    metadata = {p.key: p.value for p in onnx.load("m.onnx").metadata_props}
    assert metadata["netdsl.net"] == "Tiny"
    assert metadata["netdsl.source"] == "tiny.net"
    assert json.loads(metadata["netdsl.parameters"]) == {"classes": "3"}
    assert json.loads(metadata["netdsl.classes"]) == ["x", "y", "z"]
    assert json.loads(metadata["netdsl.mean"]) == [0.1, 0.2, 0.3]
    assert json.loads(metadata["netdsl.std"]) == [0.25]
    assert int(metadata["netdsl.macs"]) == 4 * 3 * 9 * 16 + 12


# ---- weights


def test_weights_stay_in_their_file(weights_folder: Path) -> None:
    """Arrays read from a safetensors file are views of the mapped file, for every element type.

    After the pages of an array are released, reading the array still gives the same numbers.
    """
    tensors = {
        str(d): torch.arange(5000).to(d)
        for d in (
            torch.float32,
            torch.float16,
            torch.bfloat16,
            torch.float64,
            torch.int64,
            torch.uint8,
        )
    }
    save_file(tensors | {"none": torch.empty(0, 3)}, "all.safetensors")
    mapped = read_weights("all.safetensors").tensors
    assert isinstance(mapped, Mapped)
    assert mapped["none"].shape == (0, 3)
    for name, tensor in tensors.items():
        assert not mapped[name].flags.owndata
        np.testing.assert_array_equal(mapped[name].astype(np.float64), tensor.double().numpy())
        mapped.release(name, 7, 3000)
        np.testing.assert_array_equal(mapped[name].astype(np.float64), tensor.double().numpy())


@pytest.mark.parametrize("kind", ["half.safetensors", "brain.safetensors", "brain.pt", "old.pt"])
def test_checkpoints_of_other_kinds_give_the_same_model(
    weights_folder: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """The weights of a checkpoint in 16 bits are exported as if it were stored in float32."""
    dtype = torch.float16 if "half" in kind else torch.bfloat16
    state = {
        n: t.to(dtype) if t.is_floating_point() else t
        for n, t in randomise(netdsl.loads(NET).torch()).state_dict().items()
    }
    if kind.endswith(".pt"):
        torch.save(state, kind, _use_new_zipfile_serialization="old" not in kind)
    else:
        save_file(state, kind)
    run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", kind)
    save_file({n: t.float() for n, t in state.items()}, "wide.safetensors")
    run_command(capsys, "export", "tiny.net", "-o", "w.onnx", "--weights", "wide.safetensors")
    assert [t.raw_data for t in onnx.load("m.onnx").graph.initializer] == [
        t.raw_data for t in onnx.load("w.onnx").graph.initializer
    ]


def test_a_training_run_is_a_checkpoint(
    weights_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--weights` takes the folder of a training run; a folder without weights is an error."""
    (weights_folder / "runs").mkdir()
    (weights_folder / "w.safetensors").rename(weights_folder / "runs" / "weights.safetensors")
    assert (
        "tensors loaded"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "runs")[0]
    )
    assert (
        "file-not-found"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", ".", code=1)[1]
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b[:40],
        lambda b: b[:-5],
        lambda b: b"text",
        lambda b: b"",
        lambda b: struct.pack("<Q", 1 << 60) + b[8:],
    ],
)
def test_damaged_weights_are_named_and_nothing_is_written(
    weights_folder: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[bytes], bytes]
) -> None:
    (weights_folder / "bad.safetensors").write_bytes(
        spoil((weights_folder / "w.safetensors").read_bytes())
    )
    assert (
        "corrupt-weights"
        in run_command(
            capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "bad.safetensors", code=1
        )[1]
    )
    assert not list(weights_folder.glob("*m.onnx*"))


@pytest.mark.parametrize(
    "options", [(), ("--weights", "w.safetensors"), ("--fp16", "--keep-io"), ("--with-preprocess",)]
)
def test_export_imports_neither_torch_nor_onnxruntime(
    weights_folder: Path, options: tuple[str, ...]
) -> None:
    code = (
        "import sys; from netdsl.cli import run; assert run(['export', 'tiny.net', '-o', 'm.onnx',"
        f" *{options!r}]) == 0; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"torch", "onnxruntime"} & set(loaded)
