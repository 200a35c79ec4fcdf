"""`netdsl export`: ONNX, or PyTorch source."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.backends.torch.source import emit_source
from netdsl.commands.common import LABELS_HELP, UsageError, load_one, read_labels, suffix_of
from netdsl.commands.output import say
from netdsl.errors import NetdslError
from netdsl.files import replacing
from netdsl.source import is_utf8
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse

    from netdsl.backends.onnx.form import Form
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph
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
    "seed",
    "fold",
)


def run(arguments: argparse.Namespace) -> int:
    """Write the file that `-o` names; its suffix says what is made."""
    path, kind = Path(arguments.output), suffix_of(arguments.output)
    if kind not in (".onnx", ".py"):
        raise UsageError(f"-o takes a name that ends in .onnx or .py, found `{path}`")
    if not is_utf8(arguments.output):
        raise UsageError(f"-o takes a name in UTF-8, which a manifest can hold, found `{path}`")
    if kind == ".py":
        return _export_source(arguments, path)
    if arguments.bf16 and arguments.verify:
        raise UsageError(
            "--verify cannot run a bfloat16 model: onnxruntime has no such convolutions on the CPU"
        )
    given = _given(arguments)
    return _export_onnx(arguments, load_one(arguments), path, given)


def _export_source(arguments: argparse.Namespace, path: Path) -> int:
    astray = [
        name
        for name in ONNX_ONLY
        if (value := getattr(arguments, name)) is not None
        and (value is not False or name == "fold")
    ]
    if astray:
        option = (
            "no-fold" if astray[0] == "fold" and not arguments.fold else astray[0].replace("_", "-")
        )
        raise UsageError(
            f"--{option} goes with .onnx: source holds no weights, and says the net as it stands"
        )
    compiled = load_one(arguments)
    with replacing(path) as temporary:
        temporary.write_text(emit_source(compiled.graph), encoding="utf-8")
    say(f"{path}: PyTorch source of {compiled.graph.name}")
    return 0


def _export_onnx(
    arguments: argparse.Namespace, compiled: Compiled, path: Path, given: dict[str, Any]
) -> int:
    # ONNX is imported here so that writing source does not wait for it.
    from netdsl.backends.onnx import export
    from netdsl.backends.onnx.manifest import check_place, write_manifest

    found, what = _weights(arguments)
    beside = _beside(compiled.graph, found.metadata if found else {}, given)
    form = _form(arguments, beside)
    metadata = export.metadata_of(
        compiled,
        {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in beside.items()
        },
    )
    metadata |= {"netdsl.prepared": "in the graph"} if form.pixels else {}
    weights = _fitting(arguments, found, compiled.graph) if found else None
    check_place(path)
    sums = export.export_onnx(
        compiled.graph,
        path,
        weights,
        form,
        seed=arguments.seed or 0,
        metadata=metadata,
        allow_nonfinite=arguments.allow_nonfinite,
    )
    program = compiled.program
    imports = [f for f in program.loader.sources() if f is not program.source]
    manifest = write_manifest(
        path, sums, program.source, imports, {"net": compiled.graph.name, "weights": what}
    )
    size = sum(f.stat().st_size for f in sums)
    folded = ", batch norms folded" if form.fold else ""
    names = ", ".join(f.name for f in (*sums, manifest))
    say(
        f"{path}: {compiled.graph.name} with {what}, opset {form.opset}, {form.dtype}{folded},"
        f" {size:,} bytes in {names}"
    )
    if arguments.verify:
        _verify(arguments, path, compiled, form, weights)
    return 0


def _form(arguments: argparse.Namespace, beside: dict[str, Any]) -> Form:
    from netdsl.backends.onnx.form import BFLOAT16_OPSET, OPSET, Form, Pixels

    dtype = "float16" if arguments.fp16 else "bfloat16" if arguments.bf16 else "float32"
    opset = (
        (BFLOAT16_OPSET if arguments.bf16 else OPSET)
        if arguments.opset is None
        else arguments.opset
    )
    pixels = (
        Pixels(*(tuple(beside.get(key, ())) for key in ("mean", "std")))
        if arguments.with_preprocess
        else None
    )
    try:
        return Form(
            opset,
            dtype,
            arguments.fold is not False,
            (arguments.keep_io and dtype != "float32") or arguments.bf16,
            pixels,
            arguments.functions,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


# ---- what stands beside the weights, and what the command line says instead


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of pictures and classes."""
    made: dict[str, Any] = {}
    for key in ("mean", "std"):
        text = getattr(arguments, key)
        if text is not None:
            made[key] = _numbers(key, text.split(","))
            if made[key] is None:
                above = ", each above 0," if key == "std" else ""
                raise UsageError(
                    f"--{key} takes numbers{above} such as 0.485,0.456,0.406, found `{text}`"
                )
    if arguments.labels is not None:
        made["classes"] = read_labels(arguments.labels)
    return made


def _beside(graph: Graph, metadata: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    """What stands beside the weights, with what the command line says in its place: all of it as a
    run of the model needs it.
    """
    made: dict[str, Any] = {**metadata, **given}
    shape = graph.inputs[0].type.shape
    for key in ("mean", "std"):
        if key not in made:
            continue
        if key not in given:
            made[key] = _numbers(key, _listed(metadata[key]))
        if made[key] is None:
            raise NetdslError(
                "bad-metadata",
                f"`{key}` beside the weights is {metadata[key][:80]}; it must hold numbers, one for"
                " each channel",
                help=f"give them with --{key}",
            )
        if len(shape) == 3 and len(made[key]) not in (1, shape[0]):
            channels = (
                counted(shape[0], "channel")
                if isinstance(shape[0], int)
                else f"{shape[0]} channels"
            )
            raise NetdslError(
                "bad-metadata",
                f"`{key}` has {counted(len(made[key]), 'number')}, `{graph.inputs[0].name}` has"
                f" {channels}",
                help=f"give one for each channel with --{key}, or one for all",
            )
    classes = [
        o.value.type.shape[0]
        for o in graph.outputs
        if len(o.value.type.shape) == 1 and o.value.type.shape != (1,)
    ]
    if "classes" in given and classes and len(given["classes"]) not in classes:
        raise NetdslError(
            "labels-mismatch",
            f"there are {len(given['classes'])} class names, `{graph.name}` has {classes[0]}"
            " classes",
            help=LABELS_HELP,
        )
    return made


def _listed(text: str) -> list[Any]:
    """A list as JSON, or one value; none where it is no JSON."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return values if isinstance(values, list) else [values]


def _numbers(key: str, values: list[Any]) -> list[float] | None:
    """The values as numbers that normalise, or None."""
    try:
        made = [float(v) for v in values]
    except (ValueError, TypeError):
        return None
    return (
        made if made and all(math.isfinite(v) and (key == "mean" or v > 0) for v in made) else None
    )


def _weights(arguments: argparse.Namespace) -> tuple[Weights | None, str]:
    if arguments.weights is None:
        return None, f"fresh weights of seed {arguments.seed or 0}"
    from netdsl.weights.checkpoints import read_weights

    return read_weights(arguments.weights), arguments.weights


def _fitting(arguments: argparse.Namespace, found: Weights, graph: Graph) -> dict[str, Any]:
    from netdsl.weights.checkpoints import fit, report, tensors_of

    params = tensors_of(graph)
    made = fit(params, found, lazy=True)
    say(f"{arguments.weights}: {report(params, found)}")
    return made


def _verify(
    arguments: argparse.Namespace,
    path: Path,
    compiled: Compiled,
    form: Form,
    weights: dict[str, Any] | None,
) -> None:
    # The witnesses are heavy, and only needed where they are asked for.
    from netdsl.verify.exported import compare_with_torch
    from netdsl.weights.checkpoints import tensors_of
    from netdsl.weights.fresh import fresh

    state = (
        weights
        if weights is not None
        else {n: fresh(n, p, arguments.seed or 0) for n, p in tensors_of(compiled.graph).items()}
    )
    worst = compare_with_torch(path, compiled.graph, state, form)
    say(
        "verify: ONNX's full check passed; onnxruntime and PyTorch agree: largest difference"
        f" {worst:.1e} of the largest output"
    )
