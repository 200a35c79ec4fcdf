"""`netdsl export`: ONNX, or PyTorch source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.backends.torch.source import emit_source
from netdsl.commands.common import UsageError, load_one, warn_of_other_net
from netdsl.commands.destinations import STANDARD_OUTPUT, destination, format_of
from netdsl.commands.export_metadata import Given, as_texts, check_classes, given_by, numbers_for
from netdsl.commands.output import note, say
from netdsl.files import replacing
from netdsl.source import is_utf8

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.backends.onnx.form import Form, Pixels
    from netdsl.driver import Compiled
    from netdsl.weights.checkpoints import Weights

ONNX_ONLY = (
    "weights",
    "allow_nonfinite",
    "fp16",
    "bf16",
    "verify",
    "keep_io",
    "with_preprocess",
    "functions",
    "mean",
    "std",
    "labels",
    "opset",
    "batch",
    "seed",
    "fold",
    "train_step",
    "int8",
    "calibrate",
    "calibration_images",
    "full_range",
    "min_agreement",
)


def run(arguments: argparse.Namespace) -> int:
    """Write the file that `-o` names, in the format of its suffix."""
    kind = format_of(arguments.output, arguments.to, (".onnx", ".py"))
    if not is_utf8(arguments.output):
        raise UsageError(
            "-o takes a name in UTF-8, because the manifest contains it, found"
            f" `{arguments.output}`"
        )
    if kind == ".py":
        return _export_source(arguments)
    if arguments.train_step:
        from netdsl.commands import export_step  # a recipe has nothing to do with other exports

        return export_step.run(arguments)
    if arguments.int8:
        from netdsl.commands import export_int8  # it needs onnxruntime and data

        return export_int8.run(arguments)
    _refuse_int8_options(arguments)
    if arguments.bf16 and arguments.verify:
        raise UsageError(
            "--verify cannot run a bfloat16 model: onnxruntime has no bfloat16 convolution on the"
            " CPU"
        )
    given = given_by(arguments)
    compiled = load_one(arguments, arguments.weights)
    with destination(arguments.output, kind) as path:
        return _export_onnx(arguments, compiled, path, given)


def _refuse_int8_options(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` for an option that has no effect without --int8."""
    for name in ("calibrate", "calibration_images", "full_range", "min_agreement"):
        if getattr(arguments, name) not in (None, False):
            raise UsageError(f"--{name.replace('_', '-')} needs --int8")


def _export_source(arguments: argparse.Namespace) -> int:
    option = _onnx_option(arguments)
    if option is not None:
        raise UsageError(
            f"{option} applies only to .onnx: PyTorch source is the net as it is, without weights"
        )
    compiled = load_one(arguments)
    source = emit_source(compiled.graph)
    with destination(arguments.output, ".py") as path, replacing(path) as temporary:
        temporary.write_text(source, encoding="utf-8")
    say(f"{path}: PyTorch source of {compiled.graph.name}")
    return 0


def _onnx_option(arguments: argparse.Namespace) -> str | None:
    """An option on the command line that has no effect on PyTorch source."""
    for name in ONNX_ONLY:
        value = getattr(arguments, name)
        if name == "fold" and value is False:
            return "--no-fold"
        if value is not None and value is not False:
            return f"--{name.replace('_', '-')}"
    return None


# ---- ONNX. Its modules are imported inside functions: writing source does not need them.


def _export_onnx(
    arguments: argparse.Namespace, compiled: Compiled, path: Path, given: Given
) -> int:
    from netdsl.backends.onnx.export import export_onnx, metadata_of
    from netdsl.backends.onnx.manifest import check_place
    from netdsl.weights.record import record_of

    read = _read_weights(arguments)
    beside = read.metadata if read else {}
    numbers = numbers_for(compiled.graph, beside, given)
    check_classes(compiled.graph, given.classes)
    form = _form(arguments, numbers)
    metadata = metadata_of(compiled, beside | as_texts(numbers, given.classes))
    if form.pixels is not None:
        metadata["netdsl.prepared"] = "in the graph"
    weights = _fitting(arguments, read, compiled)
    if read is not None:
        warn_of_other_net(record_of(read), compiled.graph)
    check_place(path)
    sums = export_onnx(
        compiled.graph,
        path,
        weights,
        form,
        seed=arguments.seed or 0,
        metadata=metadata,
        allow_nonfinite=arguments.allow_nonfinite,
    )
    _finish(arguments, compiled, path, form, sums)
    if arguments.verify:
        _verify(arguments, path, compiled, form, weights)
    return 0


def _form(arguments: argparse.Namespace, numbers: dict[str, list[float]]) -> Form:
    from netdsl.backends.onnx.form import BFLOAT16_OPSET, OPSET, Form

    dtype, opset = "float32", OPSET
    if arguments.fp16:
        dtype = "float16"
    elif arguments.bf16:
        dtype, opset = "bfloat16", BFLOAT16_OPSET
    if arguments.opset is not None:
        opset = arguments.opset
    if arguments.keep_io and not (arguments.fp16 or arguments.bf16):
        note("--keep-io changes nothing without --fp16: inputs and outputs are float32")
    try:
        return Form(
            opset,
            dtype,
            fold=arguments.fold is not False,
            keep_io=arguments.bf16 or (arguments.keep_io and arguments.fp16),
            pixels=_pixels(arguments, numbers),
            functions=arguments.functions,
            batch=arguments.batch,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _pixels(arguments: argparse.Namespace, numbers: dict[str, list[float]]) -> Pixels | None:
    from netdsl.backends.onnx.form import Pixels

    if not arguments.with_preprocess:
        return None
    return Pixels(tuple(numbers.get("mean", ())), tuple(numbers.get("std", ())))


def _read_weights(arguments: argparse.Namespace) -> Weights | None:
    if arguments.weights is None:
        return None
    from netdsl.weights.checkpoints import read_weights

    return read_weights(arguments.weights)


def _fitting(
    arguments: argparse.Namespace, read: Weights | None, compiled: Compiled
) -> Mapping[str, object] | None:
    """The weights under the names of the net, or None for fresh weights."""
    if read is None:
        return None
    from netdsl.weights.checkpoints import fit, report, tensors_of

    params = tensors_of(compiled.graph)
    weights = fit(params, read, lazy=True)
    say(f"{arguments.weights}: {report(params, read)}")
    return weights


def _finish(
    arguments: argparse.Namespace,
    compiled: Compiled,
    path: Path,
    form: Form,
    sums: Mapping[Path, str],
) -> None:
    """Write the manifest of the model's files, and print what was written.

    There is no manifest beside standard output.
    """
    if arguments.output == STANDARD_OUTPUT:
        return
    from netdsl.backends.onnx.manifest import write_manifest

    weights = arguments.weights
    if weights is None:
        weights = f"fresh weights of seed {arguments.seed or 0}"
    net, program = compiled.graph.name, compiled.program
    imports = [f for f in program.loader.sources() if f is not program.source]
    entries: dict[str, object] = {"net": net, "weights": weights}
    batch = ""
    if form.batch is not None:
        entries["batch"] = form.batch
        batch = f", a batch of {form.batch}"
    manifest = write_manifest(path, sums, program.source, imports, entries)
    size = sum(f.stat().st_size for f in sums)
    folded = ", batch norms folded" if form.fold else ""
    names = ", ".join(f.name for f in (*sums, manifest))
    say(
        f"{path}: {net} with {weights}, opset {form.opset}, {form.dtype}{batch}{folded},"
        f" {size:,} bytes in {names}"
    )


def _verify(
    arguments: argparse.Namespace,
    path: Path,
    compiled: Compiled,
    form: Form,
    weights: Mapping[str, object] | None,
) -> None:
    # PyTorch and onnxruntime are heavy, and needed only here.
    from netdsl.verify.exported import compare_with_torch
    from netdsl.weights.checkpoints import tensors_of
    from netdsl.weights.fresh import fresh_state

    if weights is None:
        weights = fresh_state(tensors_of(compiled.graph), arguments.seed or 0)
    worst = compare_with_torch(path, compiled.graph, weights, form)
    say(
        "verify: ONNX's full check passed; onnxruntime and PyTorch agree; the largest difference is"
        f" {worst:.1e} of the largest output"
    )
