"""`netdsl export`: ONNX, or PyTorch source."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.backends.pytorch_source import emit_source
from netdsl.commands.common import UsageError, fail, load_one
from netdsl.files import replacing
from netdsl.ops.base import OpError

if TYPE_CHECKING:
    import argparse

    from netdsl.ir.graph import Graph


def run(arguments: argparse.Namespace) -> int:
    """Write the file that `-o` names; its suffix says what is made."""
    path = Path(arguments.output)
    if path.suffix not in (".onnx", ".py"):
        raise UsageError(f"-o takes a name that ends in .onnx or .py, found `{path}`")
    _, _, compiled, _ = load_one(arguments)
    if path.suffix == ".py":
        if arguments.weights or arguments.fp16 or arguments.verify:
            raise UsageError("--weights, --fp16 and --verify go with .onnx: source holds no weights")
        with replacing(path) as temporary:
            temporary.write_text(emit_source(compiled.graph), encoding="utf-8")
        print(f"{path}: PyTorch source of {compiled.graph.name}")
        return 0
    return _export_onnx(arguments, compiled.graph, path)


def _export_onnx(arguments: argparse.Namespace, graph: Graph, path: Path) -> int:
    # ONNX is imported here so that writing source does not wait for it.
    from netdsl.backends import export, onnx

    if arguments.opset is not None and arguments.opset not in onnx.OPSETS:
        raise UsageError(f"--opset can be {onnx.OPSETS[0]} to {onnx.OPSETS[-1]}, found {arguments.opset}")
    try:
        made = onnx.skeleton(graph, opset=arguments.opset or onnx.OPSET)
        weights, metadata = _weights(arguments, made.params)
        files = export.export_onnx(graph, path, weights, opset=arguments.opset, seed=arguments.seed, half=arguments.fp16, metadata=metadata)
    except OpError as error:
        fail(error.code, error.message, error.help)
    size = sum(f.stat().st_size for f in files)
    what = "fresh weights" if weights is None else arguments.weights
    print(f"{path}: {graph.name} with {what}, opset {arguments.opset or onnx.OPSET}, {size:,} bytes in {', '.join(f.name for f in files)}")
    if arguments.verify:
        return _verify(path, graph, half=arguments.fp16)
    return 0


def _weights(arguments: argparse.Namespace, params: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, str]]:
    if arguments.weights is None:
        return None, {}
    from netdsl.backends.checkpoints import fit, read_weights, report

    found = read_weights(arguments.weights)
    metadata = {f"netdsl.{key}": found.metadata[key] for key in ("mean", "std", "classes", "dataset") if key in found.metadata}
    fitting = fit(params, found, arguments.weights)
    print(f"{arguments.weights}: {report(params, found)}")
    return fitting, metadata


def _verify(path: Path, graph: Graph, *, half: bool) -> int:
    # The witnesses are heavy, and only needed where they are asked for.
    from netdsl.backends.compare import compare_with_torch

    result = compare_with_torch(path, graph, half=half)
    print(f"verify: {result.text}", file=sys.stdout if result.good else sys.stderr)
    return 0 if result.good else 1
