"""Sentences of the README and of the manuals about the commands, page by page."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import onnx
import pytest

import netdsl
from netdsl.backends.onnx.form import OPSET, OPSETS
from netdsl.cli import run
from netdsl.driver import compile_net, open_program, program_of
from netdsl.library import library_names
from netdsl.source import SourceFile
from netdsl.verify import verify_graph
from netdsl.verify.report import BATCHES
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNNING = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
VERIFY = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")
SMALL = (
    "net Small {\n    input image: 3x8x8\n    c: conv(4, 3) -> n: bn -> relu\n    gap -> flatten\n "
    "   output logits: dense(10)\n}\n"
)


@pytest.fixture
def small_folder(folder: Path) -> Path:
    """A folder with a small net, which is the current folder."""
    (folder / "net.net").write_text(SMALL, encoding="utf-8")
    assert run(["export", "net.net", "-o", "model.onnx", "-q"]) == 0
    return folder


# ---- README


COMMANDS = [
    c
    for c in re.findall(r"`(netdsl [^`]+)`", README)
    if re.match(r"netdsl (check|fmt|layers|nets|export)\b", c) and "--weights" not in c
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_table(command: str, small_folder: Path) -> None:
    """The commands in the README that need neither data nor a model run as they are written."""
    assert len(COMMANDS) >= 8
    assert run(shlex.split(command)[1:]) == 0


def test_first_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints every line that the README shows of the table of LeNet-5."""
    shown = re.search(r"\$ netdsl check lenet5:LeNet5\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    assert run(["check", "lenet5:LeNet5"]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    lines = [line for line in shown[1].splitlines() if line != "..."]
    assert len(lines) > 8
    assert [line for line in lines if line not in printed] == []


def test_python_of_the_readme() -> None:
    """The Python example gives the figures in its comments."""
    net = netdsl.load("resnet:ResNet50", classes=10)
    assert f"# {net.params}, and a formula in H and W" in README
    assert {"H", "W"} <= set(re.findall(r"\w+", str(net.macs)))
    module = net.torch()
    names = set(module.state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.downsample.0.weight", "fc.bias"} <= names
    model = net.onnx(weights=module.state_dict())
    assert {i.name for i in model.graph.initializer} >= {"conv1.weight", "fc.bias"}


def test_number_of_nets() -> None:
    """The library has as many nets as the README states."""
    count = sum(len(open_program(name).nets()) for name in library_names())
    assert f"the whole library, {count} nets" in README


def test_tree_of_the_code() -> None:
    """Every folder of the package that the README lists exists."""
    listed = re.findall(r"^  (\w+)/", README, re.MULTILINE)
    assert len(listed) >= 6
    assert [name for name in listed if not (ROOT / "netdsl" / name).is_dir()] == []


# ---- docs/running.md


def test_opsets(small_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The possible opsets are those of the page's table, and the command prints the opset."""
    opsets = f"{OPSETS[0]} to {OPSETS[-1]}. The default is {OPSET}."
    assert f"| `--opset N` | {opsets} The command prints the opset. |" in RUNNING
    assert run(["export", "net.net", "-o", "m.onnx"]) == 0
    assert f"opset {OPSET}," in capsys.readouterr().out
    for opset in OPSETS:
        assert run(["export", "net.net", "-o", "m.onnx", "--opset", str(opset)]) == 0
        assert onnx.load(small_folder / "m.onnx").opset_import[0].version == opset
    for opset in (OPSETS[0] - 1, OPSETS[-1] + 1):
        assert run(["export", "net.net", "-o", "m.onnx", "--opset", str(opset)]) == 2


def test_metadata(small_folder: Path) -> None:
    """The metadata of a model have the keys of the page, and those of a node have its line."""
    listed = re.search(r"The metadata of the model has (.*?)\. The metadata of", RUNNING, re.DOTALL)
    assert listed is not None
    (small_folder / "classes.txt").write_text("".join(f"c{i}\n" for i in range(10)))
    more = ["--labels", "classes.txt", "--mean", "0.5", "--std", "0.5", "--fp16"]
    assert run(["export", "net.net", "-o", "m.onnx", *more]) == 0
    model = onnx.load(small_folder / "m.onnx")
    keys = {p.key for p in model.metadata_props}
    assert set(re.findall(r"`(netdsl\.\w+)`", listed[1])) <= keys
    lines = {p.value for n in model.graph.node for p in n.metadata_props if p.key == "netdsl.line"}
    assert {"net.net:3", "net.net:4", "net.net:5"} <= lines


def test_manifest(small_folder: Path) -> None:
    """The manifest has checksums of the model, the text, its imports, and of itself.

    Files of the library are left out.
    """
    (small_folder / "part.net").write_text("block part() { relu }\n")
    (small_folder / "net.net").write_text(f'import "part.net"\nimport resnet\n{SMALL}')
    assert run(["export", "net.net:Small", "-o", "m.onnx"]) == 0
    text = (small_folder / "m.onnx.manifest.json").read_text(encoding="utf-8")
    assert [name in text for name in ("m.onnx", "net.net", "part.net", "resnet")] == [
        True,
        True,
        True,
        False,
    ]
    assert len(set(re.findall(r"\b[0-9a-f]{64}\b", text))) == 4
    whole = (small_folder / "m.onnx").read_bytes()
    (small_folder / "m.onnx").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert run(["verify", "m.onnx"]) == 1


def test_training_layers_are_gone() -> None:
    """No model has dropout; `Net.onnx()` folds batch norms only with `fold=True`."""
    net = netdsl.loads(
        "net N {\ninput x: 3x8x8\nc: conv(4, 3, bias = false) -> bn -> dropout -> relu\n}"
    )
    kinds = [[n.op_type for n in net.onnx(fold=fold).graph.node] for fold in (False, True)]
    assert kinds == [["Conv", "BatchNormalization", "Relu"], ["Conv", "Relu"]]


def test_half_precision_keeps_its_ends(small_folder: Path) -> None:
    """`--fp16` converts inputs and outputs too; `--keep-io` and `--bf16` leave them in float32."""
    for options, expected in (
        (["--fp16"], onnx.TensorProto.FLOAT16),
        (["--fp16", "--keep-io"], onnx.TensorProto.FLOAT),
        (["--bf16"], onnx.TensorProto.FLOAT),
    ):
        assert run(["export", "net.net", "-o", "m.onnx", *options]) == 0
        graph = onnx.load(small_folder / "m.onnx").graph
        assert {v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)} == {expected}
    assert onnx.load(small_folder / "m.onnx").opset_import[0].version == 22


def test_bench_names_every_provider(small_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`bench --json` names the provider of the nodes."""
    assert run(["bench", "net.net", "--batch", "1", "--rounds", "3", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert "CPUExecutionProvider" in json.dumps(report)


# ---- docs/verify.md


def test_claims_of_the_page() -> None:
    """The claims of `verify` and its batch sizes, 1, 2 and 7, are those of the page."""
    program = program_of(SourceFile("n.net", SMALL))
    report = verify_graph(compile_net(program, "Small").graph)
    table = VERIFY[VERIFY.index("| claim |") :].split("\n\n")[0]
    listed = re.findall(r"^\| ([A-Za-z][\w ]+?) \|", table, re.MULTILINE)
    assert [c.name for c in report.claims] == listed[1:]
    assert "batches of 1, 2 and 7" in VERIFY
    assert sorted(BATCHES) == [1, 2, 7]


def test_one_setting_of_given_sizes() -> None:
    """A net with open sizes is verified at two settings; with given sizes, at those only."""
    program = program_of(SourceFile("n.net", "net N {\ninput x: 3xHxW\nconv(4, 3)\n}"))
    assert len(verify_graph(compile_net(program, "N").graph).sizes) == 2
    assert verify_graph(compile_net(program, "N", {"": (3, 5, 6)}).graph).sizes == [{}]
    assert compile_net(program, "N", {"": (3, 5, 6)}).graph.symbols == []
