"""`netdsl run`: a model on pictures and arrays, through onnxruntime."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from netdsl.commands.common import LABELS_HELP, UsageError, print_diagnostics, read_labels, suffix_of
from netdsl.commands.models import open_model
from netdsl.diagnostics import CompileError, fail
from netdsl.files import replacing
from netdsl.runtime.inputs import Item, batches, expand, load_item, run_batch
from netdsl.source import printable

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from netdsl.runtime.session import Session

MAX_SHOWN = 100
BATCH = 64
PICTURES = 16


def run(arguments: Namespace) -> int:
    """Print what the model says of each input; one that fails is named, and the others still run."""
    if arguments.output and suffix_of(arguments.output) != ".npz":
        raise UsageError(f"-o takes a name that ends in .npz, found `{arguments.output}`")
    with ExitStack() as stack:
        session, _, _ = open_model(arguments, stack)
        return _Run(session, arguments).all(arguments.inputs)


class _Run:
    """One call of the command: what is asked for, what was found, whether anything failed."""

    def __init__(self, session: Session, arguments: Namespace) -> None:
        self.session = session
        self.names = _names(arguments.labels, session)
        self.top, self.json, self.output = arguments.top, arguments.json, arguments.output
        self.together, self.step = arguments.batch or PICTURES, arguments.batch or BATCH
        self.failed = False
        self.kept: list[tuple[Item, list[Any]]] = []

    def all(self, names: list[str]) -> int:
        """Run every input; returns the exit code."""
        paths = [path for name in names for path in self._paths(name)]
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal or len(paths) < 2) as progress:
            task = progress.add_task("running", total=len(paths))
            for items in batches(self._items(paths), self.together):
                self._batch(items)
                progress.advance(task, len(items))
        if self.output and self.kept:
            _write(Path(self.output), self.session, self.kept)
        return int(self.failed)

    def _paths(self, name: str) -> list[Path]:
        try:
            return expand(name)
        except CompileError as error:
            self._said(error)
            return []

    def _items(self, paths: list[Path]) -> Iterator[Item]:
        for path in paths:
            try:
                yield load_item(path, self.session)
            except CompileError as error:
                self._said(error)

    def _batch(self, items: list[Item]) -> None:
        try:
            results = run_batch(self.session, items, self.step)
        except CompileError as error:
            if len(items) > 1 and error.diagnostics[0].code != "out-of-memory":
                for item in items:  # one of them is at fault, and the others are not to suffer
                    self._batch([item])
            else:
                self._said(error)
            return
        for item, outputs in zip(items, results, strict=True):
            self._one(item, outputs)

    def _one(self, item: Item, outputs: list[Any]) -> None:
        try:
            _check(item.path, self.session, outputs, self.names)
            make = _json_lines if self.json else _report
            lines = make(item.path, self.session, outputs, self.names, self.top)
        except CompileError as error:
            self._said(error)
            return
        if self.output:
            self.kept.append((item, outputs))
        print("\n".join(lines), flush=True)

    def _said(self, error: CompileError) -> None:
        self.failed = True
        sys.stdout.flush()
        print_diagnostics(error.diagnostics)


def _names(labels: str | None, session: Session) -> list[str]:
    """The class names: of the file, or else of the model's metadata."""
    found = session.listed("netdsl.classes") or [] if labels is None else read_labels(labels)
    return [printable(str(n)) for n in found]


def _write(path: Path, session: Session, kept: list[tuple[Item, list[Any]]]) -> None:
    """The outputs under their names, all samples in one array where their sizes are the same, and `inputs`: the name of each sample's file."""
    arrays: dict[str, Any] = {"inputs": np.array([str(item.path) for item, outputs in kept for _ in range(len(outputs[0]))])}
    for i, spec in enumerate(session.outputs):
        parts = [outputs[i] for _, outputs in kept]
        if len({p.shape[1:] for p in parts}) == 1:
            arrays[spec.name] = np.concatenate(parts)
        else:
            arrays |= {f"{spec.name}_{k}": p for k, p in enumerate(parts)}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


# ---- what is printed


def _check(path: Path, session: Session, outputs: list[Any], names: list[str]) -> None:
    """Raise `CompileError` for outputs that mean nothing."""
    wide = [o for o in outputs if _has_classes(o)]
    if names and wide and not any(len(names) == o.shape[1] for o in wide):
        fail("labels-mismatch", f"there are {len(names)} class names, the model has {wide[0].shape[1]} classes", LABELS_HELP)
    if not all(np.isfinite(o).all() for o in wide):
        help_ = "look at the weights, and at the scale of the input"
        fail("not-finite", f"the output of {session.name} for {path} holds infinities or not-a-numbers", help_)


def _report(path: Path, session: Session, outputs: list[Any], names: list[str], top: int) -> list[str]:
    """The lines of one input: the top classes of each sample, or a summary of an output that has no classes."""
    lines = []
    for spec, output in zip(session.outputs, outputs, strict=True):
        title = f"{printable(str(path))}: {printable(spec.name)}" if len(outputs) > 1 else printable(str(path))
        if not _has_classes(output):
            lines.append(f"{title}: {_summary(output)}")
            continue
        own = names if len(names) == output.shape[1] else []
        for i, row in enumerate(output[:MAX_SHOWN]):
            lines += [f"{title}[{i}]" if len(output) > 1 else title, *top_lines(row, own, top)]
        if len(output) > MAX_SHOWN:
            lines.append(f"... and {len(output) - MAX_SHOWN} more samples")
    return lines


def _json_lines(path: Path, session: Session, outputs: list[Any], names: list[str], top: int) -> list[str]:
    """A line for each sample: its file, its number there, and of each output the top classes, or its shape and range."""
    lines = []
    for i in range(len(outputs[0])):
        made: dict[str, Any] = {"input": str(path), "sample": i, "outputs": {}}
        for spec, output in zip(session.outputs, outputs, strict=True):
            row = output[i]
            if _has_classes(output):
                probabilities = as_probabilities(row)
                best = np.argsort(-probabilities, kind="stable")[:top]
                named = names if len(names) == len(row) else None
                made["outputs"][spec.name] = [{"class": int(k), "probability": float(probabilities[k]), **({"name": named[k]} if named else {})} for k in best]
            else:
                finite = bool(row.size and np.isfinite(row).all())
                made["outputs"][spec.name] = {"shape": list(row.shape), "dtype": str(row.dtype), **({"min": float(row.min()), "max": float(row.max())} if finite else {})}
        lines.append(json.dumps(made))
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
