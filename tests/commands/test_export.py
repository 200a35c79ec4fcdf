"""`netdsl export`: which options it refuses, and how `--verify` checks the written model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.torch import save_file

import netdsl
from netdsl.verify import exported
from tests.support.back_ends import randomise
from tests.support.commands import run_command
from tests.support.small_nets import NORMED as NET


def test_wrong_numbers_of_channels_are_named(
    net_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        "--mean takes numbers"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--mean", "a", code=2)[1]
    )
    assert (
        "`mean` has 2 numbers, `image` has 3 channels"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--mean", "1,2", code=1)[1]
    )
    assert (
        "--std takes numbers, each above 0"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--std", "0,1,1", code=2)[1]
    )
    assert (
        "found `nan`"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--mean", "nan", code=2)[1]
    )
    save_file(
        randomise(netdsl.loads(NET).torch()).state_dict(), "bad.safetensors", {"std": '["a"]'}
    )
    assert (
        '`std` stored with the weights is ["a"], which is not a list of numbers above 0'
        in run_command(
            capsys, "export", "tiny.net", "-o", "m.onnx", "--weights", "bad.safetensors", code=1
        )[1]
    )
    assert not list(net_folder.glob("m.*"))


def test_wrong_number_of_class_names_is_named(
    net_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Class names that `run` would refuse are an error, and no model is written."""
    (net_folder / "one.txt").write_text("cat\n")
    assert (
        "labels-mismatch"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--labels", "one.txt", code=1)[
            1
        ]
    )
    assert not list(net_folder.glob("m.*"))


@pytest.mark.parametrize(
    "option", ["--bf16", "--no-fold", "--fold", "--opset=18", "--seed=0", "--labels=n.txt"]
)
def test_model_options_are_refused_for_source(
    net_folder: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert (
        f"{option.partition('=')[0]} applies only to .onnx"
        in run_command(capsys, "export", "tiny.net", "-o", "m.py", option, code=2)[1]
    )
    assert not list(net_folder.glob("m.*"))


def test_what_cannot_be_verified_is_not_written(
    net_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        "cannot run a bfloat16 model"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--bf16", "--verify", code=2)[
            1
        ]
    )
    assert not list(net_folder.glob("m.*"))


def test_suffix_in_capitals(net_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`export` and `verify` recognise a suffix in capitals."""
    run_command(capsys, "export", "tiny.net", "-o", "M.ONNX")
    assert (
        "M.ONNX matches its manifest: checked M.ONNX" in run_command(capsys, "verify", "M.ONNX")[0]
    )


@pytest.mark.parametrize(
    "body",
    [
        "input x: 3xHxH\n down: conv(4, 3, stride = 3)\n deconv(3, 3, stride = 3)\n add(@x)",
        "input x: Vx3\n input e: UxU\n gcn(4, @e)",
        "input t: 5 int64\n embedding(7, 3)",
    ],
)
def test_verify_uses_valid_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    """`--verify` runs at sizes that the net's conditions allow, with inputs of the right type."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.net").write_text(f"net A {{\n {body}\n}}\n")
    assert (
        "onnxruntime and PyTorch agree"
        in run_command(capsys, "export", "a.net", "-o", "a.onnx", "--verify")[0]
    )


@pytest.mark.parametrize("factor", [1.1, np.nan])
def test_verify_reports_different_outputs(
    net_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    factor: float,
) -> None:
    """Different values and NaN in the second output are an error, although the first agrees."""
    (net_folder / "tiny.net").write_text(NET.replace("}\n", " output z: @n -> gap -> flatten\n}\n"))
    right = exported._in_torch
    monkeypatch.setattr(
        exported,
        "_in_torch",
        lambda *given: [a * by for a, by in zip(right(*given), (1, factor), strict=True)],
    )
    assert (
        "error[back-ends-differ]: onnxruntime and PyTorch differ"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--verify", code=1)[1]
    )


def test_verify_reports_a_back_end_that_fails(
    net_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in a back end is reported under the same code, without a traceback."""
    monkeypatch.setattr(exported, "_in_onnxruntime", lambda *_: 1 / 0)
    assert (
        "error[back-ends-differ]: onnxruntime fails on m.onnx: division by zero"
        in run_command(capsys, "export", "tiny.net", "-o", "m.onnx", "--verify", code=1)[1]
    )


@pytest.mark.parametrize(
    ("dtype", "element", "opset"), [("float32", 1, 20), ("float16", 10, 20), ("bfloat16", 16, 22)]
)
def test_the_type_of_a_model_made_in_python(
    net_folder: Path, dtype: str, element: int, opset: int
) -> None:
    """Weights, inputs and outputs have the requested type, in memory and in a file."""
    net = netdsl.loads(NET)
    for model in (
        net.onnx(dtype=dtype, fold=True),
        onnx.load(net.save_onnx("m.onnx", dtype=dtype, fold=True)[0]),
    ):
        values = [*model.graph.input, *model.graph.output]
        assert {v.type.tensor_type.elem_type for v in values} | {
            t.data_type for t in model.graph.initializer if "/" not in t.name
        } == {element}
        assert model.opset_import[0].version == opset


def test_types_that_no_model_has(net_folder: Path) -> None:
    with pytest.raises(ValueError, match="'int8' is not supported; it can be float32, float16, bf"):
        netdsl.loads(NET).onnx(dtype="int8")


TIED = """net Tied {
    input x: 8
    a: dense(8) -> relu
    scale: param(value = [1, 2, 3, 4, 5, 6, 7, 8])
    c: @a -> const([1, 0, 1, 0, 1, 0, 1, 0])
    @a -> mul(@c, @scale)
    output y: dense(8, weight = @a.weight, bias = [0, 0, 0, 0, 0, 0, 0, 1])
}
"""


@pytest.mark.parametrize("option", [[], ["--fp16"], ["--no-fold"]])
def test_tied_weights_and_constants_are_verified(
    net_folder: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    """The fresh weights of a model and of a module agree, in which a weight has two names."""
    Path("tied.net").write_text(TIED, encoding="utf-8")
    said = run_command(capsys, "export", "tied.net", "-o", "tied.onnx", "--verify", *option)[0]
    assert "onnxruntime and PyTorch agree" in said
