"""`netdsl export`: ONNX, or PyTorch source."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.backends.pytorch_source import emit_source
from netdsl.commands.common import UsageError, load_one, read_labels
from netdsl.diagnostics import fail
from netdsl.files import replacing

if TYPE_CHECKING:
    import argparse

    from netdsl.backends.checkpoints import Weights
    from netdsl.backends.form import Form
    from netdsl.driver import Compiled
    from netdsl.source import SourceFile

ONNX_ONLY = ("weights", "fp16", "bf16", "verify", "keep_io", "with_preprocess", "functions", "mean", "std", "labels")


def run(arguments: argparse.Namespace) -> int:
    """Write the file that `-o` names; its suffix says what is made."""
    path = Path(arguments.output)
    if path.suffix not in (".onnx", ".py"):
        raise UsageError(f"-o takes a name that ends in .onnx or .py, found `{path}`")
    if path.suffix == ".py" and any(getattr(arguments, name) for name in ONNX_ONLY):
        raise UsageError("--weights, --fp16, --verify and what else is said of a model go with .onnx: source holds no weights")
    program, _, compiled, _ = load_one(arguments)
    if path.suffix == ".py":
        with replacing(path) as temporary:
            temporary.write_text(emit_source(compiled.graph), encoding="utf-8")
        print(f"{path}: PyTorch source of {compiled.graph.name}")
        return 0
    return _export_onnx(arguments, compiled, program.source, path)


def _export_onnx(arguments: argparse.Namespace, compiled: Compiled, source: SourceFile, path: Path) -> int:
    # ONNX is imported here so that writing source does not wait for it.
    from netdsl.backends import export, onnx
    from netdsl.runtime.manifest import write_manifest

    found, what = _weights(arguments)
    beside = {**(found.metadata if found else {}), **_given(arguments)}
    form = _form(arguments, beside)
    metadata = export.metadata_of(compiled, beside) | ({"netdsl.prepared": "in the graph"} if form.pixels else {})
    weights = _fitting(arguments, found, onnx.skeleton(compiled.graph, form).params) if found else None
    sums = export.export_onnx(compiled.graph, path, weights, form, seed=arguments.seed, metadata=metadata)
    text = Path(source.path).read_bytes() if source.path else source.text.encode()
    manifest = write_manifest(path, list(sums), (source.name, text), {"net": compiled.graph.name, "weights": what}, sums)
    size = sum(f.stat().st_size for f in sums)
    folded = ", batch norms folded" if form.fold else ""
    names = ", ".join(f.name for f in (*sums, manifest))
    print(f"{path}: {compiled.graph.name} with {what}, opset {form.opset}, {form.dtype}{folded}, {size:,} bytes in {names}")
    return _verify(arguments, path, compiled, form, weights) if arguments.verify else 0


def _form(arguments: argparse.Namespace, beside: dict[str, str]) -> Form:
    from netdsl.backends.form import BFLOAT16_OPSET, OPSET, OPSETS, Form, Pixels

    if arguments.opset is not None and arguments.opset not in OPSETS:
        raise UsageError(f"--opset can be {OPSETS[0]} to {OPSETS[-1]}, found {arguments.opset}")
    dtype = "float16" if arguments.fp16 else "bfloat16" if arguments.bf16 else "float32"
    pixels = Pixels(*(_numbers(key, beside.get(key)) for key in ("mean", "std"))) if arguments.with_preprocess else None
    opset = arguments.opset or (BFLOAT16_OPSET if arguments.bf16 else OPSET)
    if arguments.bf16 and opset < BFLOAT16_OPSET:
        raise UsageError(f"--bf16 needs opset {BFLOAT16_OPSET} or newer, found {opset}: convolutions have no bfloat16 before")
    return Form(opset, dtype, arguments.fold, arguments.keep_io and dtype != "float32", pixels, arguments.functions)


def _numbers(key: str, text: str | None) -> tuple[float, ...]:
    """What the weights' metadata say of the channels."""
    try:
        values = [] if text is None else json.loads(text)
        made = tuple(float(v) for v in (values if isinstance(values, list) else [values]))
    except (ValueError, TypeError, RecursionError):
        made = (math.nan,)
    if not all(math.isfinite(v) and (key == "mean" or v > 0) for v in made):
        fail("bad-metadata", f"`{key}` beside the weights is {text}; it must hold numbers, one for each channel", f"give them with --{key}")
    return made


def _given(arguments: argparse.Namespace) -> dict[str, str]:
    """What the command line says that stands beside the weights else."""
    made = {}
    for key in ("mean", "std"):
        text = getattr(arguments, key)
        if text is not None:
            try:
                made[key] = json.dumps([float(v) for v in text.split(",")])
            except ValueError:
                raise UsageError(f"--{key} takes numbers such as 0.485,0.456,0.406, found `{text}`") from None
    if arguments.labels is not None:
        made["classes"] = json.dumps(read_labels(arguments.labels))
    return made


def _weights(arguments: argparse.Namespace) -> tuple[Weights | None, str]:
    if arguments.weights is None:
        return None, f"fresh weights of seed {arguments.seed}"
    from netdsl.backends.checkpoints import read_weights

    return read_weights(arguments.weights), arguments.weights


def _fitting(arguments: argparse.Namespace, found: Weights, params: dict[str, Any]) -> dict[str, Any]:
    from netdsl.backends.checkpoints import fit, report

    made = fit(params, found, arguments.weights, lazy=True)
    print(f"{arguments.weights}: {report(params, found)}")
    return made


def _verify(arguments: argparse.Namespace, path: Path, compiled: Compiled, form: Form, weights: dict[str, Any] | None) -> int:
    # The witnesses are heavy, and only needed where they are asked for.
    from netdsl.backends.compare import compare_with_torch
    from netdsl.backends.onnx import skeleton
    from netdsl.backends.weights import fresh

    if form.dtype == "bfloat16":
        raise UsageError("--verify cannot run a bfloat16 model: onnxruntime has no such convolutions on the CPU")
    state = weights if weights is not None else {n: fresh(n, p, arguments.seed) for n, p in skeleton(compiled.graph).params.items()}
    result = compare_with_torch(path, compiled.graph, state, form.pixels)
    print(f"verify: {result.text}", file=sys.stdout if result.good else sys.stderr)
    return 0 if result.good else 1
