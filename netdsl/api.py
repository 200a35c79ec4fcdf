"""The Python API: load a net, look at its figures, lower it to PyTorch or ONNX, draw it.

>>> import netdsl
>>> net = netdsl.load("lenet5")
>>> net
<Net LeNet5: 61,706 params>

Every function raises

- `TypeError` for an argument of a wrong type, and `ValueError` for any other wrong argument;
- `CompileError` for an error in a text, its parameters, weights or environment variables, and for a
  missing program;
- `OSError` for a file that cannot be read or written.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from netdsl.analysis.summary import Summary
from netdsl.api_arguments import checked, texts_of
from netdsl.driver import Compiled, compile_picked, open_program, program_of
from netdsl.errors import CompileError, NetdslError
from netdsl.limits import check_environment
from netdsl.render import output_width
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from pathlib import Path

    import onnx
    import torch

    from netdsl.analysis.summary import Row
    from netdsl.backends.onnx.form import Form
    from netdsl.ir.graph import Graph, NetOutput
    from netdsl.ir.types import Sym

    Given = Mapping[str, object] | str | PathLike[str]  # a state dict, or the path of a file


class Net:
    """A compiled net, with its shapes and counts, that can be lowered and drawn.

    `name` is its name in the text. Only the methods that need PyTorch or ONNX import them. `load`
    and `loads` make nets.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._summary = Summary(compiled.graph, compiled.costs, compiled.valid_for)
        self.name = compiled.graph.name

    @property
    def graph(self) -> Graph:
        """The typed graph: inputs, layers in order, outputs and scopes.

        >>> import netdsl
        >>> [node.op.kind for node in netdsl.load("lenet5").graph.nodes][:3]
        ['conv', 'tanh', 'avgpool']
        """
        return self._compiled.graph

    @property
    def params(self) -> int:
        """The number of learned numbers of the inference graph: weights and biases.

        Numbers that several layers share count once; auxiliary heads do not count.

        >>> import netdsl
        >>> netdsl.load("resnet:ResNet50").params
        25557032
        """
        return self._summary.totals.params

    @property
    def macs(self) -> int | Sym:
        """The multiply-accumulates for one sample, without those of biases and activations.

        It is a formula (`Sym`) if it depends on open sizes of an input, otherwise an `int`.

        >>> import netdsl
        >>> netdsl.load("lenet5").macs
        416520
        >>> text = "net A { input x: 3xHxW \\n conv(8, 3, pad = 1) }"
        >>> print(netdsl.loads(text).macs)
        216 * H * W
        """
        return self._summary.totals.macs

    @property
    def layers(self) -> list[Row]:
        """The rows of the layer table, one for each layer.

        A row has the fields `name`, `kind`, `shape` (of the output, without the batch), `params`,
        `macs`, `weights`, `units`, `bytes` (of the output in float32), `field` (the receptive field
        along each axis, in elements of the input), `line` and `aux`. `window` is the window and
        its stride, as in `7x7/2`. `sources` are the names of what the layer takes, and `buffers` is
        the number of stored numbers that are not learned.

        >>> import netdsl
        >>> row = netdsl.load("lenet5").layers[0]
        >>> row.name, row.kind, row.shape, row.params, row.macs
        ('C1', 'conv', (6, 28, 28), 156, 117600)
        """
        return self._summary.rows()

    @property
    def outputs(self) -> list[NetOutput]:
        """The outputs: each has a `name` and a `value`, whose `type` does not include the batch.

        >>> import netdsl
        >>> [(o.name, str(o.value.type)) for o in netdsl.load("lenet5").outputs]
        [('logits', '10')]
        """
        return self.graph.outputs

    @checked
    def summary(self, depth: int | None = None) -> None:
        """Print the layer table; with a `depth`, each deeper block is one row.

        On a terminal, blocks are a tree that fits into it. Elsewhere, every layer has a row, and
        the table is as wide as it has to be.

        >>> import netdsl
        >>> netdsl.loads("net A { input x: 4 \\n dense(3) }").summary()
        layer   kind    output   params   MACs
        ──────────────────────────────────────
        0       dense   3            15     12
        <BLANKLINE>
        params          15
        MACs            12
        weights         12 without biases
        depth           1 layer with weights
        memory          60 B params, 28 B activations, 28 B at the peak
        """
        width = output_width()
        if width is None:
            print(self._table(depth), end="")
        else:
            tree = import_module("netdsl.draw.tree")
            print(tree.tree_text(self._summary, depth, width), end="")

    def _table(self, depth: int | None = None) -> str:
        return str(import_module("netdsl.draw.table").table_text(self._summary, depth))

    def __repr__(self) -> str:
        return f"<Net {self.name}: {self.params:,} params>"

    def _repr_html_(self) -> str:
        """The table and the picture, for notebooks."""
        from html import escape

        try:
            picture = self._svg()
        except NetdslError as error:  # without Graphviz, the table is still useful
            picture = f"<p>{escape(error.diagnostics[0].message)}</p>"
        return f"{picture}<pre>{escape(self._table(2))}</pre>"

    def _svg(self) -> str:
        dot = import_module("netdsl.draw.dot")
        return str(dot.svg_text(self.graph))

    @checked
    def torch(
        self, weights: Given | None = None, *, allow_nonfinite: bool = False
    ) -> torch.nn.Module:
        """The net as a `torch.nn.Module` in training mode.

        Its members have the names that the text gives them. Its weights are fresh, or come from
        `weights`: a state dict or the path of a file. Raises `CompileError` for weights that do not
        fit, and for weights that are infinite or not a number, unless `allow_nonfinite` is set.

        >>> import netdsl, torch
        >>> module = netdsl.load("lenet5").torch()
        >>> module(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 10])
        """
        backend = import_module("netdsl.backends.torch.module")
        module: torch.nn.Module = backend.lower(self.graph)
        if weights is not None:
            backend.load(module, self.graph, weights, allow_nonfinite=allow_nonfinite)
        return module

    @checked
    def pytorch_source(self) -> str:
        """The net as PyTorch source that runs without netdsl.

        >>> import netdsl
        >>> "class LeNet5(nn.Module):" in netdsl.load("lenet5").pytorch_source()
        True
        """
        return str(import_module("netdsl.backends.torch.source").emit_source(self.graph))

    @checked
    def onnx(
        self,
        weights: Given | None = None,
        *,
        opset: int | None = None,
        seed: int = 0,
        fold: bool = False,
        dtype: str = "float32",
        allow_nonfinite: bool = False,
    ) -> onnx.ModelProto:
        """The net as an ONNX model in memory, with fresh weights or those of `weights`.

        `weights` is a state dict or the path of a file; fresh weights depend on `seed`. Every
        tensor has its name in the state dict, unless `fold` folds batch norms into the layers
        before them. `dtype` is the type of weights, arithmetic, inputs and outputs: float32,
        float16, or bfloat16, which needs opset 22 and makes it the default.

        Raises `CompileError` for a net that ONNX cannot represent, for weights that do not fit, and
        for weights that are infinite or not a number, unless `allow_nonfinite` is set. Raises
        `TypeError` for weights that are neither a state dict nor a path, and `ValueError` for an
        unsupported `opset` or `dtype`.

        >>> import netdsl
        >>> model = netdsl.load("lenet5").onnx(opset=18)
        >>> [node.op_type for node in model.graph.node][:3]
        ['Conv', 'Tanh', 'AveragePool']
        """
        export = import_module("netdsl.backends.onnx.export")
        form, metadata = _form(opset, dtype, fold=fold), export.metadata_of(self._compiled)
        model: onnx.ModelProto = export.model_in_memory(
            self.graph, weights, form, seed=seed, metadata=metadata, allow_nonfinite=allow_nonfinite
        )
        return model

    @checked
    def save_onnx(
        self,
        path: str | Path,
        weights: Given | None = None,
        *,
        opset: int | None = None,
        seed: int = 0,
        fold: bool = False,
        dtype: str = "float32",
        allow_nonfinite: bool = False,
    ) -> list[Path]:
        """Write the net as an ONNX file; returns the paths of the files.

        Weights of more than 2 GB go into a second file beside it. A manifest of an older model is
        removed. Raises as `onnx` does, and `OSError` if the file cannot be written, for example
        because its folder does not exist. After an error nothing is left behind.

        >>> import netdsl, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in netdsl.load("lenet5").save_onnx(f"{folder}/lenet5.onnx")]
        ['lenet5.onnx']
        """
        export = import_module("netdsl.backends.onnx.export")
        manifest = import_module("netdsl.backends.onnx.manifest")
        paths = export.export_onnx(
            self.graph,
            path,
            weights,
            _form(opset, dtype, fold=fold),
            seed=seed,
            metadata=export.metadata_of(self._compiled),
            allow_nonfinite=allow_nonfinite,
        )
        manifest.manifest_path(next(iter(paths))).unlink(missing_ok=True)
        return list(paths)

    @checked
    def draw(self, path: str | Path, depth: int | None = None) -> None:
        """Draw the net as a .svg, .png, .pdf, .dot, .mmd or .html file, by the suffix of `path`.

        With a `depth`, each deeper block is one box. Raises `ValueError` for any other suffix,
        `CompileError` if Graphviz is missing, which .dot and .mmd do not need, and `OSError` if the
        file cannot be written.

        >>> import netdsl, pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     netdsl.load("lenet5").draw(f"{folder}/lenet5.mmd")
        ...     print(pathlib.Path(folder, "lenet5.mmd").read_text().splitlines()[3])
        flowchart TB
        """
        import_module("netdsl.draw.formats").draw(self.graph, path, depth)


def _form(opset: int | None, dtype: str, *, fold: bool) -> Form:
    from netdsl.backends.onnx.form import BFLOAT16_OPSET, OPSET, Form

    if opset is None:
        opset = BFLOAT16_OPSET if dtype == "bfloat16" else OPSET
    return Form(opset=int(opset), dtype=dtype, fold=fold)


@checked
def load(name: str | os.PathLike[str], /, **parameters: object) -> Net:
    """Load the net of a file, or of the library.

    `name` is the path of a `.net` file or the name of a file of the library; `file:Net` picks one
    of several nets. `parameters` are those of the net: numbers, bools, texts, or lists of these.
    Raises `CompileError`, whose text has the place of every error, as the commands print it.

    >>> import netdsl
    >>> netdsl.load("resnet:ResNet50", classes=10)
    <Net ResNet50: 23,528,522 params>
    """
    check_environment()
    name = os.fspath(name)
    file, colon, net = name.rpartition(":")
    if not colon or not net.isidentifier():
        file, net = name, ""
    return Net(compile_picked(open_program(file, texts_of(parameters)), net or None))


@checked
def loads(text: str, net: str | None = None, /, **parameters: object) -> Net:
    """Load a net from its text; `net` picks one of several. Raises as `load` does.

    >>> import netdsl
    >>> netdsl.loads("net Line(n = 2) { input x: 4 \\n dense(n) }", n=3)
    <Net Line: 15 params>
    >>> netdsl.loads("net A { input x: 4 \\n conv(3, 3) }")
    Traceback (most recent call last):
    netdsl.errors.CompileError: error[wrong-rank]: ...
    """
    check_environment()
    program = program_of(SourceFile("<text>", text), texts_of(parameters))
    return Net(compile_picked(program, net))


__all__ = ["CompileError", "Net", "load", "loads"]
