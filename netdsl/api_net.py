"""The net of the Python API: its figures, its back ends, its pictures."""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, NoReturn, overload

from netdsl.api_arguments import check_model_name, checked, refuse_model
from netdsl.api_parts import beside
from netdsl.api_training import TrainableNet
from netdsl.api_values import check_shapes
from netdsl.driver import compile_net, program_of, values_claims
from netdsl.errors import CompileError, NetdslError
from netdsl.render import output_width

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import onnx
    import torch

    from netdsl.api_diff import Changes
    from netdsl.backends.onnx.form import Form
    from netdsl.elaborate.loader import Reference
    from netdsl.source import SourceFile
    from netdsl.verify import Report

    Given = Mapping[str, object] | str | PathLike[str]  # a state dict, or the path of a file
    Array = np.ndarray | torch.Tensor


class Net(TrainableNet):
    """A compiled net, made by `load` or `loads`. It can be copied and pickled.

    - Figures, which are attributes and not methods: `params`, `trainable`, `buffers`, `weights`,
      `macs`, `depth`, `memory`; `figure("macs", H=224, W=224)` for any figure of the net or of a
      part, for sizes that the text leaves open.
    - What it consists of: `name`, `inputs`, `outputs`, `layers`, `graph`; `valid_for`, the sizes
      for which it is valid.
    - Checks: `expects`, `warnings`; `verify()` compares the back ends.
    - Tables and pictures: `summary()`, `draw()`. A notebook shows both for the net itself.
    - Back ends: `torch()`, `pytorch_source()`, `onnx()`, `save_onnx()`; `run()` computes outputs,
      and `train()` trains.

    Every method takes a net whose sizes are open. Only the methods that need PyTorch, ONNX or
    onnxruntime import them.
    """

    def __reduce__(self) -> tuple[object, ...]:
        program = self._compiled.program
        arguments = program.source, program.loader.files, program.defines
        return _restored, (*arguments, self.name, self._compiled.inputs)

    # ---- tables and pictures

    @checked
    def summary(self, depth: int | None = None) -> None:
        """Print the layer table; with a `depth`, each deeper block is one row.

        On a terminal, blocks are a tree that fits into it. Elsewhere, every layer has a row, and
        the table is as wide as it has to be. Raises `TypeError` and `ValueError` for a wrong depth.

        >>> import netdsl
        >>> netdsl.loads("net A { input x: 4 \\n dense(3) }").summary()
        layer   kind    output   params   MACs
        ──────────────────────────────────────
        0       dense   3            15     12
        <BLANKLINE>
        params          15
        MACs            12
        weights         12 without biases
        depth           1 layer with weights on the longest path
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

    def __call__(self, *_inputs: object) -> NoReturn:
        raise TypeError(
            "a Net is a description: net.run(array) computes its outputs, and net.torch() is the"
            " module, which takes tensors"
        )

    def __repr__(self) -> str:
        return f"<Net {self.name}: {self.params:,} params>"

    def _repr_html_(self) -> str:
        """The table and the picture, for notebooks."""
        from html import escape

        try:
            picture = str(self.draw())
        except NetdslError as error:  # without the program, the table is still useful
            picture = f"<p>{escape(error.message)}</p>"
        # Exported notebooks show plain `<pre>` in letters of different widths.
        table = f'<pre style="font-family:monospace">{escape(self._table(2))}</pre>'
        return beside(picture, table)

    @checked
    def diff(self, other: Net | str | PathLike[str], /) -> Changes:
        """What changes from this net to another one, as `netdsl diff` reports it.

        `other` is a net, or names one: a file, `file:Net`, a net of the library, an ONNX model, or
        `git:REVISION:FILE`. The result has `equal`, `figures`, `loaded`, `renamed` and `as_json()`.
        Raises `CompileError` if there is no such net, and `TypeError` for anything else.

        >>> import netdsl
        >>> netdsl.load("resnet:ResNet18").diff("resnet:ResNet34").figures["params"]
        FigureChange(old=11689512, new=21797672)
        """
        api = import_module("netdsl.api_diff")
        match other:
            case Net(_compiled=after):
                changes: Changes = api.changes_of(self._compiled, after)
            case str() | PathLike():
                changes = api.changes_of(self._compiled, api.named_net(other))
            case _:
                message = f"other must be a Net, a str or a Path, not {type(other).__name__}"
                raise TypeError(message)
        return changes

    # ---- back ends

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

        Raises `CompileError` for a net that has no such source.

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
        batch: int | None = None,
        allow_nonfinite: bool = False,
    ) -> onnx.ModelProto:
        """The net as an ONNX model in memory, with fresh weights or those of `weights`.

        `weights` is a state dict or the path of a file; fresh weights depend on `seed`. Every
        tensor has its name in the state dict, unless `fold` folds batch norms into the layers
        before them, as `netdsl export` does. `dtype` is the type of weights, arithmetic, inputs and
        outputs: float32, float16, or bfloat16, which needs opset 22 and makes it the default.
        `batch` is the number of samples that the model takes; by default, it takes any number.

        Raises `CompileError` for a net that ONNX cannot represent, for weights that do not fit, and
        for weights that are infinite or not a number, unless `allow_nonfinite` is set. Raises
        `TypeError` for weights that are neither a state dict nor a path, and `ValueError` for an
        unsupported `opset`, `dtype` or `batch`.

        >>> import netdsl
        >>> model = netdsl.load("lenet5").onnx(opset=18)
        >>> [node.op_type for node in model.graph.node][:3]
        ['Conv', 'Tanh', 'AveragePool']
        """
        refuse_model(weights)
        export = import_module("netdsl.backends.onnx.export")
        form, metadata = _form(opset, dtype, batch, fold=fold), export.metadata_of(self._compiled)
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
        batch: int | None = None,
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
        check_model_name(path)
        paths = export.export_onnx(
            self.graph,
            path,
            weights,
            _form(opset, dtype, batch, fold=fold),
            seed=seed,
            metadata=export.metadata_of(self._compiled),
            allow_nonfinite=allow_nonfinite,
        )
        manifest.manifest_path(next(iter(paths))).unlink(missing_ok=True)
        return list(paths)

    @overload
    def run(
        self,
        arrays: Array,
        weights: Given | None = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        allow_nonfinite: bool = False,
    ) -> np.ndarray: ...

    @overload
    def run(
        self,
        arrays: Mapping[str, Array],
        weights: Given | None = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        allow_nonfinite: bool = False,
    ) -> dict[str, np.ndarray]: ...

    @checked
    def run(
        self,
        arrays: Array | Mapping[str, Array],
        weights: Given | None = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        allow_nonfinite: bool = False,
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Run the net in onnxruntime, and return its output.

        `arrays` is a batch for a net with one input and one output; the result is an array. For any
        net, it can be a dict of batches by input; the result is then a dict of arrays by output. A
        single sample is taken as a batch of one. The weights are fresh, or those of `weights`, as
        for `onnx`. `device` is cpu, cuda, tensorrt or auto.

        Each call exports the net, so a single call for many samples is faster than many calls.
        Raises `TypeError` and `ValueError` for arrays that do not fit, and `CompileError` for
        weights that do not fit, for open sizes for which the net is not valid, and for a device
        that is missing.

        >>> import netdsl, numpy
        >>> net = netdsl.load("lenet5")
        >>> net.run(numpy.zeros((2, 1, 32, 32), "float32")).shape
        (2, 10)
        """
        runner = import_module("netdsl.runtime.feeds")
        feeds = runner.feeds_of(arrays, self.graph.inputs)
        is_dict = hasattr(arrays, "keys")
        if not is_dict and len(self.outputs) > 1:
            names = " and ".join(output.name for output in self.outputs)
            message = f"the outputs are {names}: give a dict of arrays, and the result is one too"
            raise ValueError(message)
        check_shapes(self._compiled, {name: array.shape[1:] for name, array in feeds.items()})
        runner.check_indices(self.graph, feeds)
        start = runner.Start(weights, seed, device, allow_nonfinite)
        results: list[np.ndarray] = runner.run_graph(self.graph, feeds, start)
        if is_dict:
            return {o.name: array for o, array in zip(self.outputs, results, strict=True)}
        return results[0]

    @checked
    def verify(
        self, weights: Given | None = None, *, seed: int = 0, allow_nonfinite: bool = False
    ) -> Report:
        """Compare the net in PyTorch and onnxruntime, layer by layer, with netdsl's own figures.

        Returns the report, which prints its claims; all of them hold. Raises `CompileError` if the
        back ends differ; it names the first layer at fault. For open sizes, two choices of numbers
        are tried for which the net is valid, or one if there is no second: `report.sizes` has them,
        and `net.valid_for` has what is valid. The weights are random, made from `seed`, or those of
        `weights`, as for `onnx`. Raises as `onnx` for weights that do not fit.

        >>> import netdsl
        >>> netdsl.loads("net A { input x: 4 \\n dense(3) }").verify().ok
        True
        """
        checkpoints = import_module("netdsl.weights.checkpoints")
        fitting = None
        if weights is not None:
            read = checkpoints.weights_of(weights)
            wanted = checkpoints.tensors_of(self.graph)
            fitting = checkpoints.fit(wanted, read, allow_nonfinite=allow_nonfinite)
        verify = import_module("netdsl.verify").verify_graph
        stated = values_claims(self._compiled)
        report: Report = verify(self.graph, weights=fitting, seed=seed, stated=stated)
        if not report.ok:
            raise CompileError.of(list(report.differences()))
        return report


def _restored(
    source: SourceFile,
    files: Mapping[Reference, SourceFile],
    defines: Mapping[str, str],
    name: str,
    inputs: Mapping[str, tuple[int, ...]],
) -> Net:
    """The net of a pickle, which has the texts of all files."""
    return Net(compile_net(program_of(source, defines, files), name, inputs))


def _form(opset: int | None, dtype: str, batch: int | None, *, fold: bool) -> Form:
    from netdsl.backends.onnx.form import BFLOAT16_OPSET, OPSET, Form

    if opset is None:
        opset = BFLOAT16_OPSET if dtype == "bfloat16" else OPSET
    if batch is not None:
        batch = int(batch)
    return Form(opset=int(opset), dtype=dtype, fold=fold, batch=batch)
