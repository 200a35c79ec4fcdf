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

from netdsl.commands.common import (
    LABELS_HELP,
    UsageError,
    print_diagnostics,
    read_labels,
    suffix_of,
)
from netdsl.commands.models import open_model
from netdsl.commands.output import note, say
from netdsl.errors import NetdslError
from netdsl.files import check_replaceable
from netdsl.process.streams import discard_output
from netdsl.runtime.inputs import Item, batches, expand, load_item, run_batch
from netdsl.runtime.outputs import has_rows, write_outputs

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from netdsl.runtime.session import Session

MAX_SHOWN = 100
BATCH = 64
PICTURES = 16
NUMBERS = "bfiu"


def run(arguments: Namespace) -> int:
    """Print the model's result for each input; if one fails, name it and run the others."""
    if arguments.output and suffix_of(arguments.output) != ".npz":
        raise UsageError(f"-o takes a name that ends in .npz, found `{arguments.output}`")
    if arguments.output:
        check_replaceable(Path(arguments.output))
    with ExitStack() as stack:
        session, _, _ = open_model(arguments, stack)
        return _ModelRun(session, arguments).all(arguments.inputs)


class _ModelRun:
    """One call of the command: what is asked for, what was found, whether anything failed."""

    def __init__(self, session: Session, arguments: Namespace) -> None:
        self.session = session
        self.names = _names(arguments.labels, session)
        self.top, self.json, self.output = arguments.top, arguments.json, arguments.output
        self.together, self.step = arguments.batch or PICTURES, arguments.batch or BATCH
        self.failed = self.unread = False
        self.kept: list[tuple[Item, list[Any]]] = []

    def all(self, names: list[str]) -> int:
        """Run every input; returns the exit code."""
        paths = [path for name in names for path in self._paths(name)]
        console = Console(stderr=True)
        # Lines on the same terminal say how far it is by themselves, and would run into the bar.
        hidden = not console.is_terminal or sys.stdout.isatty() or len(paths) < 2
        with Progress(
            console=console, transient=True, disable=hidden, redirect_stdout=False
        ) as progress:
            task = progress.add_task("running", total=len(paths))
            for items in batches(self._items(paths), self.together):
                self._batch(items)
                progress.advance(task, len(items))
                if self.unread and not self.output:
                    break
        if self.output and self.kept:
            for renamed in write_outputs(
                Path(self.output), [v.name for v in self.session.outputs], self.kept
            ):
                note(f"note: {renamed}")
        return int(self.failed)

    def _paths(self, name: str) -> list[Path]:
        try:
            found = expand(name)
        except NetdslError as error:
            self._said(error)
            return []
        if found.others:
            files = f"{found.others} of the {found.others + len(found.paths)} files of {name}"
            note(f"note: {files} have no name of a picture, and were left")
        return found.paths

    def _items(self, paths: list[Path]) -> Iterator[Item]:
        for path in paths:
            try:
                yield load_item(path, self.session)
            except NetdslError as error:
                self._said(error)

    def _batch(self, items: list[Item]) -> None:
        try:
            results = run_batch(self.session, items, self.step)
        except NetdslError as error:
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
            _check(item, self.session, outputs, self.names)
            make = _json_lines if self.json else _report
            lines = make(item, self.session, outputs, self.names, self.top)
        except NetdslError as error:
            self._said(error)
            return
        if self.output:
            self.kept.append((item, outputs))
        try:
            say(*lines)
            sys.stdout.flush()
        except BrokenPipeError:  # nobody reads the output any more, but files are still written
            self.unread = True
            discard_output()

    def _said(self, error: NetdslError) -> None:
        self.failed = True
        sys.stdout.flush()
        print_diagnostics(error.diagnostics)


def _names(labels: str | None, session: Session) -> list[str]:
    """The class names: of the file, or else of the model's metadata."""
    found = session.listed("netdsl.classes") or [] if labels is None else read_labels(labels)
    return [str(n) for n in found]


# ---- what is printed


def _check(item: Item, session: Session, outputs: list[Any], names: list[str]) -> None:
    """Raise `NetdslError` for outputs that mean nothing."""
    wide = [o for o in outputs if _has_classes(o, item)]
    if names and wide and not any(len(names) == o.shape[1] for o in wide):
        raise NetdslError(
            "labels-mismatch",
            f"there are {len(names)} class names, the model has {wide[0].shape[1]} classes",
            help=LABELS_HELP,
        )
    if not all(np.isfinite(o).all() for o in wide):
        help_ = "look at the weights, and at the scale of the input"
        raise NetdslError(
            "not-finite",
            f"the output of {session.name} for {item.path} holds infinities or not-a-numbers",
            help=help_,
        )


def _report(
    item: Item, session: Session, outputs: list[Any], names: list[str], top: int
) -> list[str]:
    """The lines of one input: the top classes of each sample, or a summary of an output that has no
    classes.
    """
    lines, path = [], str(item.path)
    for spec, output in zip(session.outputs, outputs, strict=True):
        title = f"{path}: {spec.name}" if len(outputs) > 1 else path
        if not _has_classes(output, item):
            lines.append(f"{title}: {_summary(output)}")
            continue
        own = names if len(names) == output.shape[1] else []
        for i, row in enumerate(output[:MAX_SHOWN]):
            lines += [f"{title}[{i}]" if len(output) > 1 else title, *top_lines(row, own, top)]
        if len(output) > MAX_SHOWN:
            lines.append(f"... and {len(output) - MAX_SHOWN} more samples")
    return lines


def _json_lines(
    item: Item, session: Session, outputs: list[Any], names: list[str], top: int
) -> list[str]:
    """A line for each sample: its file, its number there, and of each output the top classes, or
    its shape and range; an output that the samples have together stands in the line of each.
    """
    lines = []
    for i in range(item.samples):
        made: dict[str, Any] = {}
        for spec, output in zip(session.outputs, outputs, strict=True):
            row = output[i] if has_rows(output, item) else output
            if _has_classes(output, item):
                made[spec.name] = _top_json(row, names if len(names) == len(row) else [], top)
            else:
                finite = bool(row.size and row.dtype.kind in NUMBERS and np.isfinite(row).all())
                made[spec.name] = {
                    "shape": list(row.shape),
                    "dtype": str(row.dtype),
                    **({"min": float(row.min()), "max": float(row.max())} if finite else {}),
                }
        lines.append(json.dumps({"input": str(item.path), "sample": i, "outputs": made}))
    return lines


def _top_json(row: Any, names: list[str], top: int) -> list[dict[str, Any]]:
    probabilities = as_probabilities(row)
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [
        {
            "class": int(k),
            "probability": float(probabilities[k]),
            **({"name": names[k]} if names else {}),
        }
        for k in best
    ]


def _has_classes(output: Any, item: Item) -> bool:
    return bool(
        has_rows(output, item)
        and output.ndim == 2
        and output.shape[1] > 1
        and output.dtype.kind == "f"
    )


def top_lines(row: Any, names: list[str], top: int) -> list[str]:
    """The most probable classes of one sample, aligned: `  97.31 %  3  dress`."""
    probabilities = as_probabilities(row)
    best = np.argsort(-probabilities, kind="stable")[:top]
    width = len(str(len(row) - 1))
    return [
        f"  {100 * probabilities[k]:6.2f} %  {k:>{width}}  {names[k] if names else ''}".rstrip()
        for k in best
    ]


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
    if output.dtype.kind not in NUMBERS:
        values = [str(v)[:40] for v in output.ravel()[:8].tolist()]
        return f"{shape} {output.dtype}: {', '.join(values)}{', ...' if output.size > 8 else ''}"
    if output.size <= 8:
        return f"{shape} {output.dtype}: {', '.join(f'{v:g}' for v in output.ravel().tolist())}"
    return (
        f"{shape} {output.dtype}, from {output.min():g} to {output.max():g}, mean {output.mean():g}"
    )
