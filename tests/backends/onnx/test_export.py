"""Export: batch norm folded away, half precision, pictures as inputs, weights that stay in their file, manifests."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto
from PIL import Image
from safetensors.torch import save_file

import netdsl
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.graph import skeleton
from netdsl.backends.onnx.manifest import manifest_path, verify_model
from netdsl.errors import NetdslError
from netdsl.weights.checkpoints import read_weights
from netdsl.weights.safetensors import Mapped
from tests.support.back_ends import inputs_for, randomise, run_onnx, run_torch
from tests.support.commands import run_command

if TYPE_CHECKING:
    from collections.abc import Callable

NET = "net Tiny(classes = 3) {\n input image: 3x6x6\n c: conv(4, 3, bias = false) -> n: bn -> relu\n gap -> flatten -> dropout\n output y: dense(classes)\n}\n"
FOLDS = {
    "conv": "input x: 3x6x6\n conv(4, 3, bias = false) -> bn",
    "bias": "input x: 3x6x6\n conv(4, 3) -> bn(eps = 0.1) -> relu",
    "groups": "input x: 4x6x6\n conv(6, 3, groups = 2, stride = 2) -> bn",
    "line": "input x: 4x9\n conv(6, 3) -> bn",
    "depthwise": "input x: 4x6x6\n depthwise(3, multiplier = 2) -> bn",
    "deconv": "input x: 4x5x5\n deconv(6, 3, stride = 2) -> bn",
    "deconv in groups": "input x: 4x5x5\n deconv(6, 3, groups = 2, bias = false) -> bn",
    "dense": "input x: 7\n dense(5) -> bn -> relu -> dense(4, bias = false) -> bn",
    "plain": "input x: 3x6x6\n conv(4, 3) -> bn(affine = false)",
    "arms": "input x: 3x6x6\n conv(4, 1) -> bn -> relu\n residual { conv(4, 1) -> bn }\n relu",
}
STAYS = {
    "first": "input x: 3x6x6\n bn -> conv(4, 3)",
    "between": "input x: 3x6x6\n conv(4, 3) -> relu -> bn",
    "two uses": "input x: 3x6x6\n a: conv(3, 1) -> bn -> add(@a)",
    "connections": "input x: 3x6x6\n conv(4, 3, connections = [[0,1],[1,2],[0,2],[0,1,2]]) -> bn",
}


@pytest.fixture
def weights_folder(net_folder: Path) -> Path:
    """A folder with the net and a checkpoint, whose metadata tell classes and normalisation."""
    save_file(randomise(netdsl.loads(NET).torch()).state_dict(), "w.safetensors", {"classes": '["a", "b", "c"]', "mean": "[0.5]", "std": "[0.25]"})
    return net_folder


def operators(model: onnx.ModelProto) -> list[str]:
    return [n.op_type for n in model.graph.node]


def forward(path: str | Path, **inputs: np.ndarray) -> np.ndarray:
    made: np.ndarray = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, inputs)[0]
    return made


# ---- folding


@pytest.mark.parametrize("name", FOLDS)
def test_batch_norms_fold_away_and_nothing_else_changes(name: str) -> None:
    """The folded model has no batch norm, passes ONNX's check, and gives what PyTorch gives for weights and statistics of all kinds."""
    net = netdsl.loads(f"net F {{\n {FOLDS[name]}\n}}")
    module = randomise(net.torch())
    model = net.onnx(weights=module.state_dict(), fold=True)
    onnx.checker.check_model(model, full_check=True)
    assert "BatchNormalization" not in operators(model)
    assert "BatchNormalization" in operators(net.onnx())
    inputs = inputs_for(net)
    np.testing.assert_allclose(run_onnx(model, inputs)[0], run_torch(module, inputs)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", STAYS)
def test_a_batch_norm_that_cannot_fold_stays(name: str) -> None:
    net = netdsl.loads(f"net F {{\n {STAYS[name]}\n}}")
    module = randomise(net.torch())
    model = net.onnx(weights=module.state_dict(), fold=True)
    assert operators(model).count("BatchNormalization") == 1
    inputs = inputs_for(net)
    np.testing.assert_allclose(run_onnx(model, inputs)[0], run_torch(module, inputs)[0], rtol=1e-4, atol=1e-5)


def test_a_value_that_is_an_output_is_not_folded_away() -> None:
    net = netdsl.loads("net F {\n input x: 3x6x6\n output a: conv(4, 3)\n output b: bn\n}")
    module = randomise(net.torch())
    inputs = inputs_for(net)
    for ours, theirs in zip(run_onnx(net.onnx(weights=module.state_dict(), fold=True), inputs), run_torch(module, inputs), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_convolution_used_twice_is_folded_for_each_batch_norm() -> None:
    text = "net F {\n input x: 3x6x6\n c: conv(3, 1)\n bn\n c\n bn\n}"
    net = netdsl.loads(text)
    module = randomise(net.torch())
    inputs = inputs_for(net)
    model = net.onnx(weights=module.state_dict(), fold=True)
    assert "BatchNormalization" not in operators(model)
    np.testing.assert_allclose(run_onnx(model, inputs)[0], run_torch(module, inputs)[0], rtol=1e-4, atol=1e-5)


def test_a_large_weight_is_folded_in_pieces() -> None:
    """Weights of several pieces: the scale of each channel meets its own rows wherever a piece begins."""
    net = netdsl.loads("net F {\n input x: 1100\n dense(1500) -> bn\n}")
    module = randomise(net.torch())
    inputs = inputs_for(net)
    np.testing.assert_allclose(run_onnx(net.onnx(weights=module.state_dict(), fold=True), inputs)[0], run_torch(module, inputs)[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("call", ["lrn(5)", "lrn(n = 3, alpha = 0.5, beta = 0.5, k = 2)", "lrn(n = 3, alpha = 0.3, beta = 1)", "lrn(n = 7, alpha = 0.2, beta = 0.6)"])
@pytest.mark.parametrize("shape", ["8x5x4", "6x9", "2x3x3x3"])
def test_local_response_normalisation_becomes_products(call: str, shape: str) -> None:
    """An export for speed has none of onnxruntime's slow kernel, and gives what PyTorch gives; half precision keeps it, for its range."""
    net = netdsl.loads(f"net F {{\n input x: {shape}\n {call}\n}}")
    inputs = [3 * t for t in inputs_for(net)]
    model = net.onnx(fold=True)
    assert "LRN" not in operators(model)
    assert "LRN" in operators(net.onnx())
    assert "LRN" in [n.op_type for n in skeleton(net.graph, Form(fold=True, dtype="float16")).model.graph.node]
    np.testing.assert_allclose(run_onnx(model, inputs)[0], run_torch(net.torch(), inputs)[0], rtol=1e-5, atol=1e-6)


def test_names_are_those_of_the_checkpoint_unless_folded(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without folding every tensor has its name; a folded one cannot be taken for one of a checkpoint."""
    out, _ = run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "w.safetensors", "--verify")
    assert "opset 20, float32, batch norms folded" in out
    assert "agree" in out
    run_command(capsys, "export", "tiny.net", "-o", "p.onnx", "--weights", "w.safetensors", "--no-fold", "--verify")
    names = {t.name for t in onnx.load("p.onnx").graph.initializer}
    assert {n for n in netdsl.loads(NET).torch().state_dict() if not n.endswith("tracked")} <= names
    folded = onnx.load("m.onnx")
    assert {t.name for t in folded.graph.initializer if t.name.startswith(("c", "n"))} == {"c.weight/folded", "c.bias/folded"}
    assert operators(folded) == ["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]
    x = np.random.default_rng(0).random((2, 3, 6, 6), dtype=np.float32)
    np.testing.assert_allclose(forward("m.onnx", image=x), forward("p.onnx", image=x), rtol=1e-5, atol=1e-6)


# ---- precision, inputs, metadata


def test_half_precision_with_and_without_its_inputs(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "w.safetensors")
    run_command(capsys, "export", "tiny.net", "-o", "h.onnx", "--weights", "w.safetensors", "--fp16", "--verify")
    run_command(capsys, "export", "tiny.net", "-o", "k.onnx", "--weights", "w.safetensors", "--fp16", "--keep-io", "--verify")
    x = np.random.default_rng(0).random((2, 3, 6, 6), dtype=np.float32)
    expected = forward("m.onnx", image=x)
    half, kept = forward("h.onnx", image=x.astype(np.float16)), forward("k.onnx", image=x)
    assert [str(half.dtype), str(kept.dtype)] == ["float16", "float32"]
    np.testing.assert_allclose(half, expected, rtol=2e-2, atol=2e-2)
    np.testing.assert_allclose(kept, half, rtol=1e-3, atol=1e-3)
    assert {t.data_type for t in onnx.load("k.onnx").graph.initializer} <= {TensorProto.FLOAT16, TensorProto.INT64}


def test_bfloat16_is_rounded_to_nearest(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights as torch rounds them; the model passes ONNX's full check."""
    out, _ = run_command(capsys, "export", "tiny.net", "-o", "b.onnx", "--weights", "w.safetensors", "--bf16", "--no-fold")
    assert "bfloat16" in out
    model = onnx.load("b.onnx")
    onnx.checker.check_model(model, full_check=True)
    stored = next(t for t in model.graph.initializer if t.name == "c.weight")
    expected = randomise(netdsl.loads(NET).torch()).state_dict()["c.weight"].bfloat16().float().numpy()
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(stored).astype(np.float32), expected)
    assert "needs opset 22" in run_command(capsys, "export", "tiny.net", "-o", "b.onnx", "--bf16", "--opset", "20", code=2)[1]
    assert [v.type.tensor_type.elem_type for v in (*model.graph.input, *model.graph.output)] == [TensorProto.FLOAT] * 2


def test_pictures_go_in_as_bytes(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The graph resizes as Pillow does, scales and normalises, with the weights' own mean and std."""
    run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "w.safetensors")
    run_command(capsys, "export", "tiny.net", "-o", "p.onnx", "--weights", "w.safetensors", "--with-preprocess", "--verify")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8))
    small = np.asarray(picture.resize((6, 6), Image.Resampling.BILINEAR), dtype=np.float32)
    x = ((small / 255 - 0.5) / 0.25).transpose(2, 0, 1)[None]
    np.testing.assert_allclose(forward("p.onnx", image=np.asarray(picture)[None]), forward("m.onnx", image=x), rtol=2e-2, atol=2e-2)
    assert "wrong-shape" in failed(capsys, "net A {\n input x: 7\n dense(2)\n}", "--with-preprocess")


def failed(capsys: pytest.CaptureFixture[str], text: str, *options: str) -> str:
    Path("bad.net").write_text(text)
    err = run_command(capsys, "export", "bad.net", "-o", "bad.onnx", *options, code=1)[1]
    assert not Path("bad.onnx").exists()
    return err


def test_the_model_says_what_it_is(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (weights_folder / "names.txt").write_text("x\ny\nz\n")
    run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "-D", "classes=3", "--weights", "w.safetensors", "--labels", "names.txt", "--mean", "0.1,0.2,0.3")
    found = {p.key: p.value for p in onnx.load("m.onnx").metadata_props}
    assert found["netdsl.net"] == "Tiny"
    assert found["netdsl.source"] == "tiny.net"
    assert json.loads(found["netdsl.parameters"]) == {"classes": "3"}
    assert json.loads(found["netdsl.classes"]) == ["x", "y", "z"]
    assert json.loads(found["netdsl.mean"]) == [0.1, 0.2, 0.3]
    assert json.loads(found["netdsl.std"]) == [0.25]
    assert int(found["netdsl.macs"]) == 4 * 3 * 9 * 16 + 12


# ---- blocks as functions

BLOCKS = """
block Pair(n) { conv(n, 3, pad = 1) -> bn -> relu -> gate: Gate }
block Gate() { residual { conv(4, 1) -> sigmoid } }
net B {
 input x: 4x6x6
 Pair(4)
 second: Pair(4)
 wide: Pair(4) -> conv(4, 1)
 output y: relu
}
"""


@pytest.mark.parametrize("fold", [False, True])
def test_blocks_are_functions_on_request(weights_folder: Path, capsys: pytest.CaptureFixture[str], fold: bool) -> None:
    """Equal blocks share one function, blocks of blocks call theirs, and the model computes the same."""
    (weights_folder / "b.net").write_text(BLOCKS)
    net = netdsl.load("b.net")
    module = randomise(net.torch())
    save_file(module.state_dict(), "b.safetensors")
    run_command(capsys, "export", "b.net", "-o", "f.onnx", "--weights", "b.safetensors", "--functions", "--fold" if fold else "--no-fold")
    model = onnx.load("f.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert sorted(f.name for f in model.functions) == ["Gate", "Pair"]
    assert operators(model) == ["Pair", "Pair", "Pair", "Conv", "Relu"]
    assert "Gate" in [n.op_type for f in model.functions if f.name == "Pair" for n in f.node]
    inputs = inputs_for(net)
    np.testing.assert_allclose(forward("f.onnx", x=inputs[0].numpy()), run_torch(module, inputs)[0], rtol=1e-4, atol=1e-5)


def test_blocks_that_differ_are_functions_of_their_own() -> None:
    net = netdsl.loads("block P(n) { conv(n, 1) -> relu }\nnet B {\n input x: 4x6x6\n P(4)\n P(5)\n P(5)\n}")
    made = skeleton(net.graph, Form(functions=True))
    assert [n.op_type for n in made.model.graph.node] == ["P", "P", "P"]
    assert len(made.model.functions) == 1  # the weights come in: what differs is their size alone
    net = netdsl.loads("block P(k) { conv(4, k) -> relu }\nnet B {\n input x: 4x6x6\n P(1)\n P(3)\n}")
    assert [f.name for f in skeleton(net.graph, Form(functions=True)).model.functions] == ["P", "P_2"]


# ---- weights


def test_weights_stay_in_their_file(weights_folder: Path) -> None:
    """What is read of a safetensors file are views of it, of every element type, and released pages come back when they are read."""
    tensors = {str(d): torch.arange(5000).to(d) for d in (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8)}
    save_file(tensors | {"none": torch.empty(0, 3)}, "all.safetensors")
    found = read_weights("all.safetensors").tensors
    assert isinstance(found, Mapped)
    assert found["none"].shape == (0, 3)
    for name, tensor in tensors.items():
        assert not found[name].flags.owndata
        np.testing.assert_array_equal(found[name].astype(np.float64), tensor.double().numpy())
        found.release(name, 7, 3000)
        np.testing.assert_array_equal(found[name].astype(np.float64), tensor.double().numpy())


@pytest.mark.parametrize("kind", ["half.safetensors", "brain.safetensors", "brain.pt", "old.pt"])
def test_checkpoints_of_other_kinds_give_the_same_model(weights_folder: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    dtype = torch.float16 if "half" in kind else torch.bfloat16
    state = {n: t.to(dtype) if t.is_floating_point() else t for n, t in randomise(netdsl.loads(NET).torch()).state_dict().items()}
    if kind.endswith(".pt"):
        torch.save(state, kind, _use_new_zipfile_serialization="old" not in kind)
    else:
        save_file(state, kind)
    run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", kind)
    save_file({n: t.float() for n, t in state.items()}, "wide.safetensors")
    run_command(capsys, "export", "tiny.net", "-o", "w.onnx", "--weights", "wide.safetensors")
    assert [t.raw_data for t in onnx.load("m.onnx").graph.initializer] == [t.raw_data for t in onnx.load("w.onnx").graph.initializer]


def test_a_training_run_is_a_checkpoint(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (weights_folder / "runs").mkdir()
    (weights_folder / "w.safetensors").rename(weights_folder / "runs" / "weights.safetensors")
    assert "tensors loaded" in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "runs")[0]
    assert "file-not-found" in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", ".", code=1)[1]


@pytest.mark.parametrize("spoil", [lambda b: b[:40], lambda b: b[:-5], lambda b: b"text", lambda b: b"", lambda b: struct.pack("<Q", 1 << 60) + b[8:]])
def test_damaged_weights_are_named_and_nothing_is_written(weights_folder: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[bytes], bytes]) -> None:
    (weights_folder / "bad.safetensors").write_bytes(spoil((weights_folder / "w.safetensors").read_bytes()))
    assert "corrupt-weights" in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "bad.safetensors", code=1)[1]
    assert not list(weights_folder.glob("*m.onnx*"))


@pytest.mark.parametrize("options", [(), ("--weights", "w.safetensors"), ("--fp16", "--keep-io"), ("--with-preprocess",)])
def test_export_imports_neither_torch_nor_onnxruntime(weights_folder: Path, options: tuple[str, ...]) -> None:
    code = f"import sys; from netdsl.cli import run; assert run(['export', 'tiny.net', '-o', 'm.onnx', *{options!r}]) == 0; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "onnxruntime"} & set(loaded)


# ---- the manifest


def exported(folder: Path, capsys: pytest.CaptureFixture[str], *, external: bool = False, monkeypatch: pytest.MonkeyPatch | None = None) -> Path:
    if external and monkeypatch:
        monkeypatch.setattr("netdsl.backends.onnx.write.LIMIT", 100)
    run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "w.safetensors")
    return folder / "m.onnx"


@pytest.mark.parametrize("external", [False, True])
def test_any_flipped_bit_is_found(weights_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, external: bool) -> None:
    """In the model, its data, its text and the manifest itself."""
    model = exported(weights_folder, capsys, external=external, monkeypatch=monkeypatch)
    assert [f.name for f in verify_model(model).files] == ["m.onnx", "m.onnx.data"][: 1 + external]
    assert verify_model(model).notes == []
    stream = np.random.default_rng(0)
    for path in (model, *([model.with_name("m.onnx.data")] if external else []), weights_folder / "tiny.net", manifest_path(model)):
        good = path.read_bytes()
        for at in (0, len(good) - 1, *stream.integers(0, len(good), 20).tolist()):
            bad = bytearray(good)
            bad[at] ^= 1 << int(stream.integers(8))
            path.write_bytes(bad)
            if path.suffix == ".json" and equal_as_json(bad, good):
                continue
            with pytest.raises(NetdslError) as caught:
                verify_model(model)
            assert caught.value.diagnostics[0].code in {"corrupt-model", "source-changed", "corrupt-manifest", "file-not-found"}
        path.write_bytes(good)
    assert verify_model(model).notes == []


def equal_as_json(bad: bytes | bytearray, good: bytes) -> bool:
    """White space that became another white space means nothing."""
    try:
        return bool(json.loads(bad) == json.loads(good))
    except ValueError:
        return False


def test_a_model_without_its_parts_is_told(weights_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model = exported(weights_folder, capsys, external=True, monkeypatch=monkeypatch)
    (weights_folder / "tiny.net").unlink()
    assert "tiny.net is not here" in verify_model(model).notes[0]
    (weights_folder / "m.onnx.data").unlink()
    with pytest.raises(NetdslError, match=r"m\.onnx\.data, which the manifest names"):
        verify_model(model)
    manifest_path(model).unlink()
    with pytest.raises(NetdslError, match="has no manifest"):
        verify_model(model)


def test_a_manifest_names_files_of_its_folder_alone(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from netdsl.backends.onnx.manifest import _own_sum

    model = exported(weights_folder, capsys)
    entries = json.loads(manifest_path(model).read_text())
    entries.pop("manifest")
    entries["files"]["../secret"] = {"bytes": 1, "sha256": ""}
    manifest_path(model).write_text(json.dumps({**entries, "manifest": _own_sum(entries)}))
    with pytest.raises(NetdslError, match="is damaged"):
        verify_model(model)


def test_a_model_written_anew_from_python_has_no_old_manifest(weights_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = exported(weights_folder, capsys)
    netdsl.loads(NET).save_onnx(model)
    assert not manifest_path(model).exists()
