"""`netdsl import`: turns a model of another tool into a text, and proves that they are equal."""

from __future__ import annotations

import re
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.common import UsageError, parse_inputs, suffix_of
from netdsl.commands.destinations import STANDARD_OUTPUT, destination
from netdsl.commands.elsewhere import elsewhere
from netdsl.commands.output import note, say
from netdsl.files import check_replaceable, replacing, scratch_folder
from netdsl.habits.files import binary_kind
from netdsl.importers.torch.process import (
    dotted_call,
    export_module,
    is_module,
    meant_module,
    parsed_call,
)
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse

    from netdsl.importers.importing import Imported
    from netdsl.importers.torch.process import ModuleCall
    from netdsl.verify import Report

MODULE = "module"  # in the place of a suffix
SUFFIXES = (".onnx", ".cfg", ".prototxt")  # of the models that can be imported


def run(arguments: argparse.Namespace) -> int:
    """Write the text, and the weights if `--weights` names a file for them."""
    _check(arguments)
    with ExitStack() as stack:
        imported = _imported(arguments, stack)
        from netdsl.verify.imported import prove  # after a module has run: it starts threads

        report = prove(imported)
        if arguments.weights:
            _write_weights(imported, Path(arguments.weights))
    with destination(arguments.output, ".net") as path, replacing(path) as temporary:
        temporary.write_text(imported.text, encoding="utf-8")
    _print(arguments, imported, report)
    return 0


def _imported(arguments: argparse.Namespace, stack: ExitStack) -> Imported:
    """The text of the model, which its suffix tells how to read; `stack` keeps files for it."""
    from netdsl.importers import descriptions
    from netdsl.importers.importing import import_onnx

    path, sizes = Path(arguments.model), parse_inputs(arguments.input)
    name, partial = _name(arguments.output), arguments.partial
    if is_module(arguments.model):
        call = _call(arguments.model)
        folder = stack.enter_context(scratch_folder())
        exported = Path(folder) / "module.onnx"
        note(f"running the code of {call.module} in another process")
        title = export_module(call, sizes, exported)
        return descriptions.import_exported(exported, call, title, name, partial=partial)
    if path.suffix.lower() == ".cfg":
        given = Path(arguments.from_weights) if arguments.from_weights else None
        return descriptions.import_darknet(path, name, sizes, weights=given, partial=partial)
    if path.suffix.lower() == ".prototxt":
        return descriptions.import_caffe(path, name, sizes, partial=partial)
    return import_onnx(path, name, sizes, partial=partial)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse wrong names of files before the work begins; raises `UsageError` and `OSError`."""
    suffix = suffix_of(arguments.model)
    if is_module(arguments.model):
        _call(arguments.model)
        if not arguments.input:
            raise UsageError("a module needs the sizes of its input: --input 3x224x224")
        suffix = MODULE
    elif suffix not in SUFFIXES:
        meant = meant_module(arguments.model)
        if meant is not None:
            raise UsageError(f"a module has a name with dots, not a path: `{meant}`")
        raise UsageError(_unreadable(arguments))
    if arguments.from_weights and suffix != ".cfg":
        raise UsageError("--from-weights is for a .cfg, whose weights are another file")
    if arguments.weights and suffix == ".prototxt":
        raise UsageError("a .prototxt has no weights, and those of a .caffemodel are not read")
    if arguments.weights and suffix == ".cfg" and not arguments.from_weights:
        raise UsageError("a .cfg has no weights: name their file with --from-weights")
    if arguments.output != STANDARD_OUTPUT:
        if suffix_of(arguments.output) != ".net":
            raise UsageError(f"-o takes a name that ends in .net, found `{arguments.output}`")
        check_replaceable(Path(arguments.output))
    if arguments.weights:
        if suffix_of(arguments.weights) != ".safetensors":
            found = arguments.weights
            raise UsageError(f"--weights takes a name that ends in .safetensors, found `{found}`")
        check_replaceable(Path(arguments.weights))


def _unreadable(arguments: argparse.Namespace) -> str:
    """What is wrong with a name whose suffix is none of `SUFFIXES`."""
    model = arguments.model
    fact = f"import reads .onnx, .cfg, .prototxt and package.file:Class(), found `{model}`"
    if suffix_of(model) == ".py":
        stem = Path(model).stem
        return f'{fact}; name a class in it: `netdsl import "{stem}:Class()" --input 3x224x224`'
    call = dotted_call(model)
    if call is not None and not Path(model).exists():
        given = [f"--input {size}" for size in arguments.input or ["3x224x224"]]
        written = " ".join([_quoted(call), *given, "-o", shlex.quote(arguments.output)])
        return f"{fact}; for a Python module, write `netdsl import {written}`"
    kind = binary_kind(model, b"\0")  # by its suffix
    known = elsewhere(model)
    if known is not None:
        return f"{fact}; {known}"
    return fact if kind is None or suffix_of(model) == ".bin" else f"{fact}; {kind.advice(model)}"


def _quoted(call: str) -> str:
    """A call as a shell takes it, in double quotes if it has single ones."""
    if "'" in call and not re.search(r'["$`\\!]', call):
        return f'"{call}"'
    return shlex.quote(call)


def _call(text: str) -> ModuleCall:
    try:
        return parsed_call(text)
    except ValueError as error:
        raise UsageError(f"import cannot run `{text[:80]}`: {error}") from None


def _name(output: str) -> str:
    if output == STANDARD_OUTPUT:
        return "<imported>"
    return output


def _write_weights(imported: Imported, path: Path) -> None:
    import numpy as np
    import torch

    from netdsl.weights.write import write_tensors

    tensors = {
        name: torch.from_numpy(np.array(stored.read()))
        for name, stored in imported.weights().items()
    }
    write_tensors(path, tensors, {})


def _print(arguments: argparse.Namespace, imported: Imported, report: Report) -> None:
    """Print the figures of the net and of the comparison."""
    from netdsl.verify import LIMIT

    totals = imported.compiled.costs.totals()
    graph = imported.compiled.graph
    layers, lines = counted(len(graph.nodes), "layer"), counted(imported.text.count("\n"), "line")
    figures = f"{totals.params:,} parameters"
    if isinstance(totals.macs, int):
        figures += f", {totals.macs:,} MACs"
    say(f"{arguments.output}: {graph.name}, {layers} in {lines}, {figures}")
    for missing in imported.missing():
        note(f"the model has no tensor for `{missing}`")
    agreement = f"proof: {counted(report.comparisons, 'layer')} agree with the original"
    if report.worst_node:
        agreement += (
            f"; largest error: layer `{report.worst_node}` ({report.worst_kind}),"
            f" {report.worst:.2g} of the {LIMIT:g} units of rounding allowed"
        )
    say(agreement)
    if arguments.weights:
        say(f"{arguments.weights}: {counted(len(imported.weights()), 'tensor')}")
