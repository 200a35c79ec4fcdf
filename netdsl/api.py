"""The Python face: load a net, look at its figures, lower it.

Every function raises `TypeError` for an argument of a wrong type, `ValueError` for another wrong
argument, `CompileError` for what is wrong with a text, its parameters, weights, the environment or
a program that is missing, and `OSError` for a file that cannot be read or written.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from netdsl.analysis.summary import Summary
from netdsl.api_arguments import checked, texts_of
from netdsl.driver import Compiled, compile_net, open_program, program_of
from netdsl.errors import CompileError, NetdslError
from netdsl.limits import check_environment
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from pathlib import Path

    import onnx
    import torch

    from netdsl.analysis.summary import Row
    from netdsl.elaborate.program import Program
    from netdsl.ir.graph import Graph, NetOutput

    Given = Mapping[str, Any] | str | PathLike[str]  # a state dict, or the path of a file


class Net:
    """A net that has been compiled: its shapes and counts are known, and it can be lowered.

    PyTorch and ONNX are imported only by the methods that need them.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._summary = Summary(compiled.graph, compiled.costs, compiled.valid_for)
        self.name = compiled.graph.name

    @property
    def graph(self) -> Graph:
        """The typed graph."""
        return self._compiled.graph

    @property
    def params(self) -> int:
        """Learned numbers at inference."""
        return self._summary.totals.params

    @property
    def macs(self) -> Any:
        """Multiply-accumulates of one sample: an `int`, or a symbolic formula where an input size is open."""
        return self._summary.totals.macs

    @property
    def layers(self) -> list[Row]:
        """The rows of the layer table."""
        return self._summary.rows()

    @property
    def outputs(self) -> list[NetOutput]:
        """The outputs, each with a `name` and a `value` that has a `type`."""
        return self.graph.outputs

    @checked
    def summary(self, depth: int | None = None) -> None:
        """Print the layer table; `depth` folds deeper blocks into one row."""
        print(self._table(depth), end="")

    def _table(self, depth: int | None = None) -> str:
        return str(import_module("netdsl.draw.table").table_text(self._summary, depth))

    def __repr__(self) -> str:
        return f"<Net {self.name}: {self.params:,} params>"

    def _repr_html_(self) -> str:
        """Table and picture for notebooks."""
        from html import escape

        try:
            picture = self._svg()
        except NetdslError as error:  # no graphviz: the table is worth showing alone
            picture = f"<p>{escape(error.diagnostics[0].message)}</p>"
        return f"{picture}<pre>{escape(self._table(2))}</pre>"

    def _svg(self) -> str:
        dot = import_module("netdsl.draw.dot")
        return str(dot.svg_text(self.graph))

    @checked
    def torch(
        self, weights: Given | None = None, *, allow_nonfinite: bool = False
    ) -> torch.nn.Module:
        """The net as a `torch.nn.Module` in training mode, with the names of the file.

        Its weights are fresh, or come from a state dict or a file; for those it raises the same
        errors as `onnx`.
        """
        backend = import_module("netdsl.backends.torch.module")
        module: torch.nn.Module = backend.lower(self.graph)
        if weights is not None:
            backend.load(module, self.graph, weights, allow_nonfinite=allow_nonfinite)
        return module

    @checked
    def pytorch_source(self) -> str:
        """The net as PyTorch source that runs without netdsl."""
        return str(import_module("netdsl.backends.torch.source").emit_source(self.graph))

    @checked
    def onnx(
        self, weights: Given | None = None, *, opset: int | None = None, seed: int = 0,
        fold: bool = False, dtype: str = "float32", allow_nonfinite: bool = False,
    ) -> onnx.ModelProto:  # fmt: skip
        """The net as an ONNX model in memory, with fresh weights or those that are given.

        Raises `CompileError` for a net that ONNX cannot represent, for weights that do not fit, and
        for weights that are infinite or not numbers, unless `allow_nonfinite` is set. Raises
        `TypeError` for weights that are neither a state dict nor a path, and `ValueError` for an
        opset or a `dtype` that cannot be written.

        Every tensor has the name of the state dict, unless `fold` takes batch norms into the layers before them.
        `dtype` is that of weights, arithmetic, inputs and outputs: float32, float16 or bfloat16 (from opset 22 on, its default).
        """
        export = import_module("netdsl.backends.onnx.export")
        model: onnx.ModelProto = export.model_in_memory(
            self.graph, weights, _form(opset, dtype, fold=fold), seed=seed,
            metadata=export.metadata_of(self._compiled), allow_nonfinite=allow_nonfinite,
        )  # fmt: skip
        return model

    @checked
    def save_onnx(
        self, path: str | Path, weights: Given | None = None, *, opset: int | None = None,
        seed: int = 0, fold: bool = False, dtype: str = "float32", allow_nonfinite: bool = False,
    ) -> list[Path]:  # fmt: skip
        """Write the net as an ONNX file, with external data where it is over 2 GB.

        Returns the files made. A manifest of an older model is removed. Raises as `onnx` does, and
        `OSError` if the file cannot be written, for example because its folder does not exist. No
        file is left then.
        """
        export, manifest = import_module("netdsl.backends.onnx.export"), import_module("netdsl.backends.onnx.manifest")
        paths = export.export_onnx(
            self.graph, path, weights, _form(opset, dtype, fold=fold), seed=seed,
            metadata=export.metadata_of(self._compiled), allow_nonfinite=allow_nonfinite,
        )  # fmt: skip
        manifest.manifest_path(next(iter(paths))).unlink(missing_ok=True)
        return list(paths)

    @checked
    def draw(self, path: str | Path, depth: int | None = None) -> None:
        """Draw the net: the suffix says what is made (.svg, .png, .pdf, .dot, .mmd, .html); `depth` folds deeper blocks.

        Raises `ValueError` for another suffix, `CompileError` if graphviz is missing, which .dot and
        .mmd do not need, and `OSError` if the file cannot be written.
        """
        import_module("netdsl.draw.formats").draw(self.graph, path, depth)


def _form(opset: int | None, dtype: str, *, fold: bool) -> Any:
    form = import_module("netdsl.backends.onnx.form")
    if opset is None:
        opset = form.BFLOAT16_OPSET if dtype == "bfloat16" else form.OPSET
    return form.Form(opset=int(opset), dtype=dtype, fold=fold)


@checked
def load(name: str | os.PathLike[str], /, **parameters: Any) -> Net:
    """Load a net: `load("resnet:ResNet50", classes=10)`; raises `CompileError`, whose text is the diagnostics."""
    check_environment()
    name = os.fspath(name)
    file, colon, net = name.rpartition(":")
    if not colon or not net.isidentifier():
        file, net = name, ""
    return _net(open_program(file, texts_of(parameters)), net or None)


@checked
def loads(text: str, net: str | None = None, /, **parameters: Any) -> Net:
    """Load a net from text; raises `CompileError`."""
    check_environment()
    return _net(program_of(SourceFile("<text>", text), texts_of(parameters)), net)


def _net(program: Program, net: str | None) -> Net:
    try:
        name = program.pick(net)
    except NetdslError as error:
        raise NetdslError.of([*program.reporter.diagnostics, *error.diagnostics]) from None
    return Net(compile_net(program, name))


__all__ = ["CompileError", "Net", "load", "loads"]
