"""Models that are wrong, made to do harm, or beyond the language: one diagnostic, and no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from netdsl.cli import run
from netdsl.errors import NetdslError
from netdsl.importers.importing import import_onnx
from tests.support.onnx_models import model_of

if TYPE_CHECKING:
    from pathlib import Path


def refused(model: onnx.ModelProto, path: Path) -> NetdslError:
    """The error of the import of a model."""
    onnx.save(model, path / "m.onnx")
    with pytest.raises(NetdslError) as caught:
        import_onnx(path / "m.onnx", "m.net", {})
    return caught.value


def relu(x: str, y: str) -> onnx.NodeProto:
    """A node."""
    return helper.make_node("Relu", [x], [y], name=f"make_{y}")


@pytest.mark.parametrize(
    ("nodes", "code", "part"),
    [
        ([relu("x", "z"), relu("y", "y")], "bad-model", "takes `y`, which no node before it makes"),
        ([relu("b", "a"), relu("a", "b"), relu("a", "y")], "bad-model", "which no node before it"),
        ([relu("x", "y"), relu("x", "y")], "bad-model", "two nodes make a value of the same name"),
        ([relu("x", "z")], "bad-model", "no node makes the output `y`"),
        (
            [helper.make_node("NonZero", ["x"], ["y"], name="places")],
            "unsupported-operator",
            "the node `places` (NonZero) cannot be imported: the language has no such operator",
        ),
        (
            [helper.make_node("Softmax", ["x"], ["y"], name="s", axis=0)],
            "unsupported-operator",
            "it works along the batch",
        ),
    ],
)
def test_wrong_graphs(nodes: list[onnx.NodeProto], code: str, part: str, tmp_path: Path) -> None:
    """A cycle, a missing value, a name twice, and nodes without a layer are one diagnostic each."""
    error = refused(model_of(nodes), tmp_path)
    assert (code, 1) == (error.code, len(error.diagnostics))
    assert part in error.message


@pytest.mark.parametrize(
    ("graph", "classes", "name"),
    [
        ("Tiny", "['nets.Big', 'aten.relu.default']", "Tiny"),
        ("main_graph", "['nets.Big', 'aten.relu.default']", "Big"),
        ("main_graph", "['__main__.Big', 'torch.nn.modules.activation.ReLU']", "Big"),
        ("main_graph", "['torch.nn.modules.container.Sequential', 'x.Y']", "My_file"),
        ("torch-jit-export", "", "My_file"),
        ("", "", "My_file"),
    ],
)
def test_names_of_nets(graph: str, classes: str, name: str, tmp_path: Path) -> None:
    """A name that an exporter gives to every graph is none: the class or the file has it."""
    model = model_of([relu("x", "y")])
    model.graph.name = graph
    if classes:
        entry = model.graph.node[0].metadata_props.add()
        entry.key, entry.value = "pkg.torch.onnx.class_hierarchy", classes
    onnx.save(model, tmp_path / "my_file.onnx")
    assert name == import_onnx(tmp_path / "my_file.onnx", "m.net", {}).compiled.graph.name


@pytest.mark.parametrize("opset", [3, 999])
def test_wrong_versions(opset: int, tmp_path: Path) -> None:
    """An opset that is too old or too new is refused, with the versions that are not."""
    error = refused(model_of([relu("x", "y")], opset=opset), tmp_path)
    assert "bad-model" == error.code
    assert f"opset {opset}; netdsl imports opsets 7 to" in error.message


def test_a_truncated_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command fails with a diagnostic, and writes nothing."""
    whole = model_of([relu("x", "y")]).SerializeToString()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    assert run(["import", str(tmp_path / "cut.onnx"), "-o", str(tmp_path / "cut.net")]) == 1
    assert "error[corrupt-model]" in capsys.readouterr().err
    assert ["cut.onnx"] == [p.name for p in tmp_path.iterdir()]


def test_data_outside_the_folder(tmp_path: Path) -> None:
    """A model cannot read a file outside its own folder."""
    node = helper.make_node("Add", ["x", "c"], ["y"])
    model = model_of([node], c=np.ones((3, 8, 8), np.float32))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    assert "outside-data" == refused(model, tmp_path).code


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is tested before the file is read."""
    monkeypatch.setenv("NETDSL_MAX_MODEL_BYTES", "10")
    error = refused(model_of([relu("x", "y")]), tmp_path)
    assert "model-too-large" == error.code
    assert "NETDSL_MAX_MODEL_BYTES" in (error.help or "")


def test_a_constant_that_would_fill_the_memory(tmp_path: Path) -> None:
    """A shape of 10^12 elements is not computed."""
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("Add", ["x", "big"], ["y"]),
    ]
    model = model_of(nodes, s=np.array([1, 10**6, 10**6], np.int64))
    assert refused(model, tmp_path).code in ("bad-model", "unsupported-operator")


def test_every_refused_node_is_named(tmp_path: Path) -> None:
    """There is a diagnostic for each node that cannot be imported, and none for those after it."""
    nodes = [
        helper.make_node("Det", ["x"], ["a"], name="first"),
        relu("a", "b"),
        helper.make_node("Hardmax", ["x"], ["c"], name="second"),
        helper.make_node("Add", ["b", "c"], ["y"]),
    ]
    error = refused(model_of(nodes), tmp_path)
    assert ["`first`", "`second`"] == [d.message.split()[2] for d in error.diagnostics]


def test_open_sizes_that_matter(tmp_path: Path) -> None:
    """A net that depends on open sizes needs them; sizes that do not fit are refused."""
    shape = np.array([0, -1], np.int64)
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    model = model_of(nodes, ["N", 3, "H", "W"], shape=shape, w=np.ones((192, 4), np.float32))
    error = refused(model, tmp_path)
    assert error.code in ("open-size", "bad-model")
    with pytest.raises(NetdslError, match="has the shape 4x192, its input asks for 4x300") as other:
        import_onnx(tmp_path / "m.onnx", "m.net", {"": (3, 10, 10)})
    assert "shape-mismatch" == other.value.code
    result = import_onnx(tmp_path / "m.onnx", "m.net", {"": (3, 8, 8)})
    assert "input x: 3x8x8" in result.text
    with pytest.raises(NetdslError, match="has the sizes 3xHxW, --input has 4x8x8"):
        import_onnx(tmp_path / "m.onnx", "m.net", {"x": (4, 8, 8)})
    with pytest.raises(NetdslError, match="the model has no input `z`"):
        import_onnx(tmp_path / "m.onnx", "m.net", {"z": (3, 8, 8)})


def test_a_text_that_needs_open_sizes(tmp_path: Path) -> None:
    """The error is about the model, and not about a line of a text that nobody wrote."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["y"], transB=1),
    ]
    error = refused(model_of(nodes, ["N", 3, "H", "W"], w=np.ones((4, 192), np.float32)), tmp_path)
    assert "open-size" == error.code
    assert (
        "the net depends on the sizes H and W of `x`, which the model leaves open" in error.message
    )
    assert error.diagnostic.span is None
    assert "`--input x=3x224x224`" in (error.help or "")


@pytest.mark.parametrize(
    ("sizes", "code"), [((), "open-size"), (("3x7x8", "3x8x8"), "shape-mismatch")]
)
def test_sizes_that_do_not_fit(
    sizes: tuple[str, ...], code: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sizes that were chosen, or given, are at fault, and no operator."""
    node = helper.make_node("Add", ["x", "b"], ["y"])
    model = model_of([node], ["N", 3, "H", "W"])
    other = helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 3, "H2", "W2"])
    model.graph.input.append(other)
    onnx.save(model, "m.onnx")
    given = [f"--input={n}={s}" for n, s in zip(("x", "b"), sizes, strict=False)]
    for command in (["verify", "m.onnx"], ["import", "m.onnx", "-o", "m.net"]):
        assert run([*command, *given]) == 1
        assert f"error[{code}]" in capsys.readouterr().err
