"""`netdsl run`: a model on pictures and arrays, through onnxruntime."""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.backends.checkpoints import fit, read_weights
from netdsl.backends.export import export_onnx
from netdsl.backends.onnx import skeleton
from netdsl.commands.common import CompileError, UsageError, fail, load_one, print_diagnostics
from netdsl.ops.base import OpError
from netdsl.runtime.images import load_input
from netdsl.runtime.session import Session, open_session

MAX_SHOWN = 100
BATCH = 64
_LABELS_HELP = "--labels takes a file with one class name a line"


def run(arguments: Namespace) -> int:
    """Print what the model says of each input; one that fails is named, and the others still run."""
    if arguments.top < 1:
        raise UsageError(f"--top takes 1 or more, found {arguments.top}")
    with ExitStack() as stack:
        session = open_session(_model(arguments, stack), arguments.device, arguments.model)
        if len(session.inputs) != 1:
            listed = ", ".join(f"{v.name}: {v}" for v in session.inputs)
            fail("several-inputs", f"{arguments.model} takes {len(session.inputs)} inputs ({listed}), `netdsl run` gives one")
        if arguments.device == "auto":
            print(f"device: {session.device}", file=sys.stderr)
        names = _names(arguments.labels, session)
        return max([_run_one(Path(p), session, names, arguments.top) for p in arguments.inputs])


def _model(arguments: Namespace, stack: ExitStack) -> Path:
    """The ONNX file: the one named, or that of a net with its weights in a temporary folder."""
    path = Path(arguments.model)
    if path.suffix.lower() == ".onnx":
        if arguments.weights or arguments.define:
            raise UsageError("--weights and -D go with a .net file: an .onnx file has its weights")
        return path
    if not arguments.weights:
        raise UsageError(f"`{arguments.model}` is a net without weights: name them with --weights, or run a .onnx file")
    _, _, compiled, _ = load_one(Namespace(file=arguments.model, define=arguments.define))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netdsl-", ignore_cleanup_errors=True)))
    found = read_weights(arguments.weights)
    metadata = {f"netdsl.{k}": v for k, v in found.metadata.items() if k in ("mean", "std", "classes")}
    try:
        weights = fit(skeleton(compiled.graph).params, found, arguments.weights)
        export_onnx(compiled.graph, folder / "model.onnx", weights, metadata=metadata)
    except OpError as error:
        fail(error.code, error.message, error.help)
    return folder / "model.onnx"


def _names(labels: str | None, session: Session) -> list[str]:
    """The class names: of the file, or else of the model's metadata."""
    if labels is None:
        return [_plain(str(n)) for n in session.listed("netdsl.classes") or []]
    try:
        lines = Path(labels).read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError:
        fail("bad-labels", f"{labels} is not a text in UTF-8", _LABELS_HELP)
    except OSError as error:
        fail("file-not-found", f"{labels} cannot be read: {error.strerror or error}", _LABELS_HELP)
    return [_plain(line.strip()) for line in lines]


def _run_one(path: Path, session: Session, names: list[str], top: int) -> int:
    try:
        batch = load_input(path, session)
        target = session.inputs[0]
        step = target.shape[0] if isinstance(target.shape[0], int) else BATCH
        results = [session.run({target.name: batch[i : i + step]}) for i in range(0, len(batch), step)]
        outputs = [np.concatenate([np.atleast_1d(a) for a in parts]) for parts in zip(*results, strict=True)]
        lines = _report(path, session, outputs, names, top)
    except CompileError as error:
        sys.stdout.flush()
        print_diagnostics(error.diagnostics)
        return 1
    print("\n".join(lines), flush=True)
    return 0


# ---- what is printed


def _report(path: Path, session: Session, outputs: list[Any], names: list[str], top: int) -> list[str]:
    """The lines of one input: the top classes of each sample, or a summary of an output that has no classes."""
    wide = [o for o in outputs if _has_classes(o)]
    if names and wide and not any(len(names) == o.shape[1] for o in wide):
        fail("labels-mismatch", f"there are {len(names)} class names, the model has {wide[0].shape[1]} classes", _LABELS_HELP)
    lines = []
    for spec, output in zip(session.outputs, outputs, strict=True):
        title = f"{_plain(str(path))}: {_plain(spec.name)}" if len(outputs) > 1 else _plain(str(path))
        if not _has_classes(output):
            lines.append(f"{title}: {_summary(output)}")
            continue
        if not np.isfinite(output).all():
            help_ = "look at the weights, and at the scale of the input"
            fail("not-finite", f"the output of {session.name} for {path} holds infinities or not-a-numbers", help_)
        own = names if len(names) == output.shape[1] else []
        for i, row in enumerate(output[:MAX_SHOWN]):
            lines += [f"{title}[{i}]" if len(output) > 1 else title, *top_lines(row, own, top)]
        if len(output) > MAX_SHOWN:
            lines.append(f"... and {len(output) - MAX_SHOWN} more samples")
    return lines


def _has_classes(output: Any) -> bool:
    return bool(output.ndim == 2 and output.shape[1] > 1 and output.dtype.kind == "f")


def top_lines(row: Any, names: list[str], top: int) -> list[str]:
    """The most probable classes of one sample, aligned: `  97.31 %  3  dress`."""
    probabilities = as_probabilities(row)
    best = np.argsort(-probabilities, kind="stable")[:top]
    width = len(str(len(row) - 1))
    return [f"  {100 * probabilities[k]:6.2f} %  {k:>{width}}  {names[k] if names else ''}".rstrip() for k in best]


def as_probabilities(row: Any) -> Any:
    """The softmax of a row of scores; a row that sums to 1 already is left as it is."""
    values = row.astype(np.float64)
    if values.min() >= 0 and abs(values.sum() - 1) < 1e-3:
        return values
    raised = np.exp(values - values.max())
    return raised / raised.sum()


def _summary(output: Any) -> str:
    shape = "x".join(map(str, output.shape)) or "scalar"
    if not output.size:
        return f"{shape} {output.dtype}"
    if output.size <= 8:
        return f"{shape} {output.dtype}: {', '.join(f'{v:g}' for v in output.ravel().tolist())}"
    return f"{shape} {output.dtype}, from {output.min():g} to {output.max():g}, mean {output.mean():g}"


def _plain(text: str) -> str:
    """A text that cannot steer the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
