"""The golden files: outputs of netdsl, which are stored so that a diff shows every change.

`python -m tests.golden` rewrites them and the table in `docs/verify.md`. `layers/KIND.txt` has the
type, the counts, the PyTorch source and the ONNX nodes of each example of a layer. `nets/` has some
nets, each with its table, JSON, DOT, Mermaid, PyTorch source and ONNX listings. `tables/` has the
tables of some nets in terminals of several widths, and `pictures/` pictures of the library.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import onnx
from onnx import numpy_helper

import netdsl
from netdsl.cli import run
from netdsl.ops import LAYERS
from tests.support.contract import inputs_and_call

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent
NETS = sorted((FOLDER / "nets").glob("*.net"))
COMMANDS = {
    "txt": ["check", "{}.net", "--show", "all"],
    "folded.txt": ["check", "{}.net", "--depth", "1"],
    "json": ["check", "{}.net", "--format", "json", "--depth", "1"],
    "dot": ["draw", "{}.net", "-o", "made"],
    "folded.dot": ["draw", "{}.net", "-o", "made", "--depth", "1"],
    "mmd": ["draw", "{}.net", "-o", "made"],
    "tex": ["draw", "{}.net", "-o", "made"],
    "py.txt": ["export", "{}.net", "-o", "made"],
    "onnx.txt": ["export", "{}.net", "-o", "made", "--no-fold"],
    "fast.onnx.txt": ["export", "{}.net", "-o", "made"],
    "blocks.onnx.txt": ["export", "{}.net", "-o", "made", "--no-fold", "--functions"],
    "half.onnx.txt": ["export", "{}.net", "-o", "made", "--fp16", "--keep-io"],
}

TABLED = {  # the nets in `tables/`
    "lenet5": ["lenet5:LeNet5"],
    "resnet50": ["resnet:ResNet50"],
    "resnet50-224": ["resnet:ResNet50", "--input", "3x224x224"],
    "googlenet": ["googlenet:GoogLeNet"],
    "fcn8s": ["fcn:FCN8s"],
    "encoder": [str(FOLDER / "tables" / "encoder.net")],
}
PICTURES = {  # in `pictures/`: the arguments of `netdsl draw`
    "lenet5": ["lenet5:LeNet5"],
    "lenet5.volumes": ["lenet5:LeNet5", "--style", "volumes", "--field", "C3:5,5"],
    "alexnet": ["alexnet:AlexNet"],
    "alexnet.volumes": ["alexnet:AlexNet", "--style", "volumes"],
    "googlenet.blocks": ["googlenet:GoogLeNet", "--style", "blocks", "--direction", "right"],
    "resnet50": ["resnet:ResNet50"],
    "unet.volumes": ["unet:UNet", "--input", "1x572x572", "--style", "volumes"],
    "lstm": ["captioning:ShowAndTell"],
    "gcn": ["graphnet:GCN", "--theme", "dark"],
    "perceptron": ["perceptron:Perceptron"],
    "mlp.neurons": ["perceptron:MLP", "--style", "neurons", "--theme", "print"],
}
TABLES = {  # their forms: the width and the options
    "60": ["--tree"],
    "80": ["--tree"],
    "100": ["--tree"],
    "200": ["--tree"],
    "80.all": ["--tree", "--show", "all"],
    "80.flat": ["--flat"],
    "80.parallel": ["--tree", "--depth", "1", "--show", "parallel"],
}


def listing(model: onnx.ModelProto) -> str:
    """A model as text: its inputs, outputs, nodes, functions, stored tensors and metadata."""
    graph = model.graph
    lines = [
        f"opset {', '.join(f'{o.domain}:{o.version}'.lstrip(':') for o in model.opset_import)}"
    ]
    for word, values in (
        ("input", graph.input),
        ("output", graph.output),
        ("value", graph.value_info),
    ):
        lines += [f"{word} {v.name}: {_type(v.type)}" for v in values]
    lines += [_node(n) for n in graph.node]
    for function in model.functions:
        lines += [
            (
                f"function {function.name}({', '.join(function.input)}) ->"
                f" {', '.join(function.output)}"
            ),
            *(f"    {_node(n)}" for n in function.node),
        ]
    lines += [f"stored {_tensor(t)}" for t in graph.initializer]
    lines += [f"{p.key} = {_brief(p.value)}" for p in model.metadata_props]
    return "\n".join(lines) + "\n"


def _type(type_: onnx.TypeProto) -> str:
    shape = "x".join(str(d.dim_param or d.dim_value) for d in type_.tensor_type.shape.dim)
    return f"{onnx.TensorProto.DataType.Name(type_.tensor_type.elem_type).lower()} {shape}"


def _node(node: onnx.NodeProto) -> str:
    attributes = ", ".join(f"{a.name}={_attribute(a)}" for a in node.attribute)
    domain = f"{node.domain}." if node.domain else ""
    return (
        f"{node.name}: {', '.join(node.output)} ="
        f" {domain}{node.op_type}({', '.join(node.input)}){f' {attributes}' if attributes else ''}"
    )


def _attribute(attribute: onnx.AttributeProto) -> str:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return _tensor(value)
    return (
        f"{value:.6g}"
        if isinstance(value, float)
        else str(list(value) if attribute.ints or attribute.floats else value)
    )


def _tensor(tensor: onnx.TensorProto) -> str:
    """A tensor as text, with its numbers if the emitter computed them, but not for weights."""
    shape = "x".join(map(str, tensor.dims)) or "scalar"
    if tensor.HasField("raw_data") or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return f"{tensor.name} {onnx.TensorProto.DataType.Name(tensor.data_type).lower()} {shape}"
    return f"{tensor.name} {shape} {_brief(str(numpy_helper.to_array(tensor).tolist()))}"


def _brief(text: str) -> str:
    return (
        text
        if len(text) <= 160
        else f"{len(text)} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"
    )


def layer(kind: str) -> str:
    """The outputs for every example of a layer."""
    return "".join(_example(shapes, call) for shapes, call in LAYERS[kind].examples)


def _example(shapes: str, call: str) -> str:
    given = shapes.split(", ")
    names, call = inputs_and_call(len(given), call)
    pairs = zip(names, given, strict=True)
    inputs = "".join(f"    input {name}: {shape}\n" for name, shape in pairs)
    text = f"net Example {{\n{inputs}    @x0 -> y: {call}\n}}\n"
    net = netdsl.loads(text)
    parts = [
        f"{text}",
        f"{net.graph.nodes[-1].type}, {net.params} params, {net.macs} MACs\n",
        net.pytorch_source(),
        listing(net.onnx()),
    ]
    return "".join(parts) + "\n"


def output_of(net: Path, form: str) -> str:
    """The output of a command for a net."""
    command = [word.format(net.stem) for word in COMMANDS[form]]
    name = f"{net.stem}.{form.removesuffix('.txt').rpartition('.')[2]}"
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path(net.name).write_bytes(net.read_bytes())
        printed = _printed([name if word == "made" else word for word in command])
        if form == "json":
            return condensed(printed, _printed(command[: command.index("--depth")]))
        if "made" not in command:
            return printed
        if name.endswith(".onnx"):
            return listing(onnx.load(name))
        return Path(name).read_text(encoding="utf-8")


def tabled(net: str, form: str) -> str:
    """The table of a net in a terminal of the width in the name of the form."""
    return _printed(["check", *TABLED[net], *TABLES[form]], form.partition(".")[0])


def picture(name: str) -> str:
    """A picture of a net of the library; `graphviz-pure` gives the same bytes everywhere."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "net.svg")
        _printed(["draw", *PICTURES[name], "-o", str(path)])
        return path.read_text(encoding="utf-8")


def _printed(command: list[str], width: str = "") -> str:
    printed = io.StringIO()
    before = os.environ.get("COLUMNS", "")
    os.environ["COLUMNS"] = width
    with contextlib.redirect_stdout(printed):
        assert run(command) == 0
    os.environ["COLUMNS"] = before
    return printed.getvalue()


def condensed(folded: str, whole: str) -> str:
    """The JSON of a net with its rows at depth 1, and the digest of the JSON with all rows."""
    (net,) = json.loads(folded)["nets"]
    rows = ",\n  ".join(json.dumps(row) for row in net.pop("layers"))
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in net.items()]
    digest = hashlib.sha256(whole.encode()).hexdigest()
    lines += [f'"layers": [\n  {rows}\n]', f'"sha256 of the JSON with all layers": "{digest}"']
    return "{\n" + ",\n".join(lines) + "\n}\n"


def pages() -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Every golden file and its source: a layer kind, or a net and a form."""
    for kind, cls in LAYERS.items():
        name = kind if kind.isidentifier() else cls.__name__.lower()  # no file can be called `/`
        yield FOLDER / "layers" / f"{name}.txt", (kind,)
    for net in NETS:
        for form in COMMANDS:
            yield net.with_suffix(f".{form}"), (str(net), form)
    for name in PICTURES:
        yield FOLDER / "pictures" / f"{name}.svg", (name, "svg")
    for name in TABLED:
        for form in TABLES:
            yield FOLDER / "tables" / f"{name}.{form}.txt", (name, form)


def make(source: tuple[str, ...]) -> str:
    """The text of a golden file."""
    if len(source) == 1:
        return layer(source[0])
    if source[1] == "svg":
        return picture(source[0])
    if source[0] in TABLED:
        return tabled(*source)
    return output_of(Path(source[0]), source[1])
