"""`check`, `draw`, `verify`, `diff` and `bench` of ONNX models, whatever operators they have."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from netdsl.cli import run
from netdsl.importers.rules.kept import is_kept
from netdsl.importers.whole import whole_model
from netdsl.runtime.measure import Peak
from tests.support.onnx_models import model_of, saved

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = np.arange(108, dtype=np.float32).reshape(4, 3, 3, 3) / 100


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node; names are separated by blanks."""
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


@pytest.fixture
def mixed(folder: Path) -> str:
    """A model with two operators that are no layers; the MACs of one of them are not known."""
    nodes = [
        node("Conv", "x kernel", "a", pads=[1, 1, 1, 1]),
        node("Hardmax", "a", "b"),
        node("Einsum", "b b", "c", equation="nchw,nchv->ncwv"),
        node("Sigmoid", "c", "y"),
    ]
    return saved(model_of(nodes, kernel=KERNEL), folder / "mixed.onnx")


@pytest.fixture
def small(folder: Path) -> str:
    """The export of a net, without a manifest."""
    text = (
        "net Small {\n    input image: 3xHxW\n    stem: conv(8, 3, pad = 1) -> relu\n"
        "    gap -> flatten\n    output logits: dense(5)\n}\n"
    )
    (folder / "small.net").write_text(text, encoding="utf-8")
    assert run(["export", "small.net", "-o", "small.onnx", "-q"]) == 0
    (folder / "small.onnx.manifest.json").unlink()
    return "small.onnx"


def printed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What a command prints to standard output."""
    capsys.readouterr()
    assert run(list(words)) == code
    return capsys.readouterr().out


# ---- check


def test_a_model_has_the_table_of_its_net(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Names, figures, open sizes and receptive fields are those of the net."""
    tables = [printed(capsys, "check", name, "--show", "all") for name in (small, "small.net")]
    assert tables[0] == tables[1]
    assert "216 H W" in tables[0]
    sizes = printed(capsys, "check", small, "--input", "3x16x16")
    assert "55,336" in sizes
    assert "MACs            55,336" in printed(capsys, "check", small, "--input", "image=3x16x16")


def test_an_operator_without_a_layer_has_a_row(
    mixed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row has the operator's name, its shape, and ? for MACs that are not known."""
    rows = {
        line.split()[1]: line.split() for line in printed(capsys, "check", mixed).splitlines()[3:7]
    }
    assert ["4x8x8", "108", "6,912"] == rows["conv"][3:6]
    assert ["4x8x8", "-", "-"] == rows["Hardmax"][2:5]
    assert ["4x8x8", "-", "?"] == rows["Einsum"][2:5]
    out = printed(capsys, "check", mixed)
    assert "MACs            at least 6,912; not known for Einsum" in out
    assert "≥ 6,912" in printed(capsys, "check", mixed, "--depth", "0")


def test_forms_for_programs(mixed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has null, CSV an empty cell, Markdown a question mark."""
    net = json.loads(printed(capsys, "check", mixed, "--format", "json"))["nets"][0]
    layers = {layer["kind"]: layer for layer in net["layers"]}
    assert "mixed.onnx" == net["file"]
    assert ["Einsum"] == net["not_counted"]
    assert layers["Einsum"]["macs"] is None
    assert (6912, 0) == (layers["conv"]["macs"], layers["Hardmax"]["macs"])
    assert 6912 == net["totals"]["macs"]
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "check", mixed, "--csv"))))
    assert ["6912", "0", "", "0"] == [row["macs"] for row in rows]
    assert "| Einsum |  | 4x8x8 | - | ? |" in printed(capsys, "check", mixed, "--markdown")


def test_several_files(
    mixed: str, small: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Models and texts are checked together; one that is wrong does not hide the others."""
    (folder / "bad.onnx").touch()
    assert run(["check", mixed, small, "small.net", "bad.onnx"]) == 1
    shown = capsys.readouterr()
    assert "3 nets in 4 files: 1 error" in shown.out
    assert "error[corrupt-model]: bad.onnx is not an ONNX model: it has no nodes" in shown.err


def test_warnings_are_those_of_the_net(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning shows the line of the net as a text, and says what that text is."""
    saved(model_of([node("Relu", "x", "a"), node("Sigmoid", "a", "y")]), folder / "two.onnx")
    assert run(["check", "two.onnx"]) == 0
    err = capsys.readouterr().err
    assert "warning[double-activation]" in err
    assert "two.onnx is a model: the lines are those of its net, written as a text" in err
    assert run(["check", "two.onnx", "--deny", "warnings"]) == 1


def test_wrong_usage(mixed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A model has no parameters, and only one net."""
    for command in (["check", mixed], ["draw", mixed, "-o", "a.svg"], ["verify", mixed]):
        assert run([*command, "-D", "n=2"]) == 2
    assert run(["check", f"{mixed}:Nothing"]) == 1
    assert "`mixed.onnx` has no net `Nothing`" in capsys.readouterr().err


# ---- what operators without a layer are


@pytest.mark.parametrize(
    ("nodes", "constants", "macs", "params"),
    [
        ([node("Conv", "x k", "y")], {"k": KERNEL.astype(np.float16)}, 3888, 108),
        ([node("MatMul", "x m", "y")], {"m": np.ones((8, 5), np.float16)}, 960, 40),
        ([node("ConvTranspose", "x k", "y")], {"k": np.ones((3, 2, 3, 3), np.float16)}, 3456, 54),
        ([node("Relu", "x", "y")], {}, 0, 0),
    ],
)
def test_macs_of_operators(
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    macs: int,
    params: int,
    tmp_path: Path,
) -> None:
    """Half precision has no layers, so its products are counted operator by operator."""
    model = model_of(nodes, element=TensorProto.FLOAT16, **constants)
    result = whole_model(saved(model, tmp_path / "m.onnx"), {}).compiled
    assert all(is_kept(each) and each.op.is_counted for each in result.graph.nodes)
    totals = result.costs.totals()
    assert (macs, params) == (totals.macs, totals.params)
    assert bool(macs) == bool(totals.weights) == bool(totals.depth)


def test_values_without_a_batch(tmp_path: Path) -> None:
    """Operators on values whose first axis is not the batch stay as they are, with their shapes."""
    shape, back = np.array([-1, 4]), np.array([-1, 3, 8, 8])
    nodes = [
        node("Reshape", "x shape", "a"),
        node("MatMul", "a m", "b"),
        node("Reshape", "b back", "y"),
    ]
    constants = {"shape": shape, "back": back, "m": np.ones((4, 4), np.float32)}
    result = whole_model(saved(model_of(nodes, **constants), tmp_path / "m.onnx"), {}).compiled
    kinds = [each.op.kind for each in result.graph.nodes]
    assert ["Reshape", "MatMul", "Reshape"] == kinds
    assert (3, 8, 8) == result.graph.outputs[0].value.type.shape


def test_shapes_that_only_a_run_gives(tmp_path: Path) -> None:
    """ONNX does not know the operators of onnxruntime; running the model gives their shapes."""
    nodes = [node("Gelu", "x", "a", domain="com.microsoft"), node("Relu", "a", "y")]
    model = model_of(nodes)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    graph = whole_model(saved(model, tmp_path / "m.onnx"), {}).compiled.graph
    assert ["Gelu", "relu"] == [each.op.kind for each in graph.nodes]
    assert [(3, 8, 8)] * 2 == [each.type.shape for each in graph.nodes]
    assert not graph.nodes[0].op.is_counted


def test_further_results(tmp_path: Path) -> None:
    """An operator with several results makes all of them."""
    nodes = [
        node("TopK", "x k", "v i"),
        node("Cast", "i", "f", to=TensorProto.FLOAT),
        node("Add", "v f", "y"),
    ]
    result = whole_model(saved(model_of(nodes, k=np.array([3])), tmp_path / "m.onnx"), {})
    top = result.compiled.graph.nodes[0]
    assert ["float32", "int64"] == [value.type.dtype for value in top.outputs]
    assert (3, 8, 3) == result.compiled.graph.outputs[0].value.type.shape


def test_shared_tensors_count_once(tmp_path: Path) -> None:
    """A tensor that several operators take has its parameters at the first."""
    nodes = [node("MatMul", "x m", "a"), node("MatMul", "a m", "y")]
    model = model_of(nodes, element=TensorProto.FLOAT16, m=np.ones((8, 8), np.float16))
    result = whole_model(saved(model, tmp_path / "m.onnx"), {}).compiled
    assert 64 == result.costs.totals().params


def test_repeated_blocks_stay_folded(tmp_path: Path) -> None:
    """Equal parts with operators of the model are one block, as in an import."""
    nodes = []
    for i, (x, y) in enumerate((("x", "a"), ("a", "b"), ("b", "y"))):
        scope, weight = f"/layer/layer.{i}", f"layer.{i}.conv.weight"
        nodes += [
            node("Conv", f"{x} {weight}", f"c{i}", pads=[1] * 4, name=f"{scope}/conv/Conv"),
            node("Hardmax", f"c{i}", y, name=f"{scope}/Hardmax"),
        ]
    kernel = np.ones((3, 3, 3, 3), np.float32)
    constants = {f"layer.{i}.conv.weight": kernel * (i + 1) for i in range(3)}
    text = whole_model(saved(model_of(nodes, **constants), tmp_path / "m.onnx"), {}).text
    assert text.count("Hardmax(") == 1
    assert "repeat 3" in text


def test_constants_of_old_opsets(tmp_path: Path) -> None:
    """Arithmetic on weights is done with the version of the operator that the model uses."""
    nodes = [node("Unsqueeze", "w", "u", axes=[1, 2]), node("Mul", "x u", "y")]
    model = model_of(nodes, opset=9, w=np.array([1, 2, 4], np.float32))
    model.ir_version = 3
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [3]))
    graph = whole_model(saved(model, tmp_path / "m.onnx"), {}).compiled.graph
    assert ["param", "mul"] == [each.op.kind for each in graph.nodes]


def test_a_constant_output(tmp_path: Path) -> None:
    """An output that no input changes is a row."""
    tensor = numpy_helper.from_array(np.ones(3, np.float32))
    nodes = [node("Relu", "x", "z"), helper.make_node("Constant", [], ["y"], value=tensor)]
    graph = whole_model(saved(model_of(nodes), tmp_path / "m.onnx"), {}).compiled.graph
    assert (3,) == graph.outputs[0].value.type.shape


# ---- the other commands


def test_draw(mixed: str, folder: Path) -> None:
    """A picture has a box for each operator, without the arguments that stand for it."""
    assert run(["draw", mixed, "-o", "mixed.mmd"]) == 0
    text = (folder / "mixed.mmd").read_text(encoding="utf-8")
    assert "Einsum" in text
    assert "dtype" not in text


def test_verify(mixed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Layers are compared with the original in onnxruntime; operators are listed."""
    out = printed(capsys, "verify", mixed)
    assert "mixed.onnx: 2 layers of G agree with onnxruntime; largest error: layer `" in out
    assert "not compared: 2 operators without a layer: Hardmax, Einsum" in out
    net = json.loads(printed(capsys, "verify", mixed, "--format", "json"))["nets"][0]
    assert (2, ["1", "2"]) == (net["comparisons"], net["operators"])


def test_verify_finds_a_wrong_layer(
    small: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If a layer is not what its node computes, the node is named."""
    from netdsl.importers.flat import FlatLayer
    from netdsl.importers.rules.translate import RULES

    def wrong(each: Any, graph: Any) -> list[FlatLayer]:
        return [FlatLayer("silu", each.output, [each.input(0)], each)]

    monkeypatch.setattr("netdsl.importers.rules.translate.RULES", {**RULES, "Relu": wrong})
    assert run(["verify", small, "--input", "3x9x9"]) == 1
    assert "(Relu) of the original and the layer `" in capsys.readouterr().err


def test_diff(mixed: str, small: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A model is compared with a model or a text; lines of training are no difference."""
    with open("small.net", "a", encoding="utf-8") as file:
        file.write("train Small { data = fashion_mnist_sample }\n")
    assert "Small: no difference in the network" in printed(capsys, "diff", small, "small.net")
    assert "G: no difference in the network" in printed(capsys, "diff", mixed, mixed)
    out = printed(capsys, "diff", small, mixed, "--input", "3x8x8")
    assert "the MACs of Einsum are not known" in out


def test_bench_counts_the_macs(
    mixed: str, small: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The speed is also that of the arithmetic, unless MACs are not known."""
    # Measuring the peak of the machine takes seconds.
    monkeypatch.setattr("netdsl.commands.bench.peak", lambda *_: Peak(1e9, 1e9))
    model = onnx.load(small)
    del model.metadata_props[:]
    onnx.save(model, "bare.onnx")
    words = ["--batch", "1", "--rounds", "1", "--format", "json"]
    for name, is_counted in ((mixed, False), ("bare.onnx", True)):
        sizes = ["--input", "3x16x16"] * is_counted
        (result,) = json.loads(printed(capsys, "bench", name, *words, *sizes))["results"]
        assert is_counted == (result["flops"] is not None)
