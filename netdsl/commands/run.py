"""`netdsl run`: runs a model on pictures and arrays through onnxruntime."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
from netdsl.commands.destinations import STANDARD_OUTPUT, destination, refuse_terminal
from netdsl.commands.example_input import NAME, example_item, value_lines
from netdsl.commands.models import open_model
from netdsl.commands.output import note, printing, say, say_always
from netdsl.errors import NetdslError
from netdsl.files import check_replaceable
from netdsl.process.streams import discard_output
from netdsl.runtime.inputs import Item, batches, expand, load_item, run_batch
from netdsl.runtime.output_pictures import SUFFIXES as PICTURE_SUFFIXES
from netdsl.runtime.output_pictures import picked, write_picture
from netdsl.runtime.outputs import has_rows, write_outputs
from netdsl.words import counted

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from netdsl.runtime.session import Session

MAX_SAMPLES = 100  # samples that are printed for one input
BATCH = 64  # samples of an array that run at once
PICTURES = 16  # pictures that run at once
MAX_VALUES = 8  # an output with more values is summarised
SUFFIX = ".npz"  # of the file of outputs
NUMBERS = "bfiu"  # the numeric kinds of NumPy's types


def run(arguments: Namespace) -> int:
    """Print the model's result for each input; if one fails, name it and run the others."""
    _check_output(arguments)
    with ExitStack() as stack:
        session, compiled, _ = open_model(arguments, stack)
        model_run = _ModelRun(session, arguments)
        if arguments.inputs:
            return model_run.all(arguments.inputs)
        return model_run.example(example_item(compiled, session))


def _check_output(arguments: Namespace) -> None:
    """Raise `UsageError` or `CannotWriteError` now rather than after the work."""
    output = arguments.output
    is_picture = bool(output) and suffix_of(output) in PICTURE_SUFFIXES
    if arguments.scale is not None and not is_picture:
        raise UsageError("--scale is for -o with a picture, such as -o edges.png")
    if is_picture and len(arguments.inputs) > 1:
        raise _several(output, len(arguments.inputs))
    if output == STANDARD_OUTPUT:
        if arguments.format == "json":
            raise UsageError("`-o -` and --format json both write to standard output")
        refuse_terminal(SUFFIX)
    elif output:
        if suffix_of(output) not in (SUFFIX, *PICTURE_SUFFIXES):
            listed = f"{SUFFIX}, or in {', '.join(PICTURE_SUFFIXES)} for a picture"
            raise UsageError(f"-o takes a name that ends in {listed}, found `{output}`")
        check_replaceable(Path(output))


def _several(output: str, count: int) -> UsageError:
    """The error of more than one result for one picture."""
    return UsageError(
        f"`-o {output}` is one picture, and there are {count} inputs: run them one by one, or"
        " write all outputs with -o NAME.npz"
    )


class _ModelRun:
    """One run of the command: its options, the outputs so far, and whether anything failed."""

    def __init__(self, session: Session, arguments: Namespace) -> None:
        self.session = session
        self.names = _names(arguments.labels, session)
        self.top, self.output = arguments.top, arguments.output
        self.scale = arguments.scale or "auto"
        self.json, self.recursive = arguments.format == "json", arguments.recursive
        self.together, self.step = arguments.batch or PICTURES, arguments.batch or BATCH
        self.failed = False
        self.unread = False  # whether the reader has closed standard output
        self.kept: list[tuple[Item, list[np.ndarray]]] = []

    def all(self, names: list[str]) -> int:
        """Run every input; returns the exit code."""
        paths = [path for name in names for path in self._paths(name)]
        if self._is_picture and len(paths) > 1:
            raise _several(self.output, len(paths))
        # The environment can make rich regard a pipe as a terminal.
        console = Console(stderr=True, force_terminal=sys.stderr.isatty())
        # On the same terminal, result lines show the progress, and would run into the bar.
        is_shown = console.is_terminal and not printing().quiet
        hidden = not is_shown or sys.stdout.isatty() or len(paths) < 2
        with Progress(
            console=console, transient=True, disable=hidden, redirect_stdout=False
        ) as progress:
            task = progress.add_task("running", total=len(paths))
            for items in batches(self._items(paths), self.together):
                self._run_batch(items)
                progress.advance(task, len(items))
                if self.unread and not self.output:
                    break
        if self.output and self.kept:
            self._write()
        return int(self.failed)

    def example(self, item: Item) -> int:
        """Run the examples of the net's inputs; returns the exit code."""
        self._run_batch([item])
        if self.output and self.kept:
            self._write()
        return int(self.failed)

    @property
    def _is_picture(self) -> bool:
        """Whether the output is written as a picture."""
        return bool(self.output) and suffix_of(self.output) in PICTURE_SUFFIXES

    def _write(self) -> None:
        names = [output.name for output in self.session.outputs]
        if self._is_picture:
            self._write_picture(names)
            return
        with destination(self.output, SUFFIX) as path:
            renamed = write_outputs(path, names, self.kept)
        for name, other in renamed.items():
            which = f"the output `{name}` is called `{other}` in {self.output}"
            note(f"note: {which}, because the name `{name}` is taken")

    def _write_picture(self, names: list[str]) -> None:
        ((item, outputs),) = self.kept
        if item.samples > 1:
            raise _several(self.output, item.samples)
        scale, clipped = write_picture(Path(self.output), picked(names, outputs), self.scale)
        more = f"; {100 * clipped:.2g} % of the numbers are outside" if clipped else ""
        note(f"{self.output}: {scale}{more} (--scale {scale.name})")

    def _paths(self, name: str) -> list[Path]:
        try:
            files = expand(name, recursive=self.recursive)
        except NetdslError as error:
            self._report_failure(error, name)
            return []
        if files.others:
            count = f"{files.others} of the {files.others + len(files.paths)} files in {name}"
            note(f"note: skipped {count}, which do not have the suffix of a picture")
        if files.folders:
            note(f"note: skipped {counted(files.folders, 'subfolder')} of {name}; -r enters them")
        return files.paths

    def _items(self, paths: list[Path]) -> Iterator[Item]:
        for path in paths:
            try:
                yield load_item(path, self.session)
            except NetdslError as error:
                self._report_failure(error, str(path))

    def _run_batch(self, items: list[Item]) -> None:
        try:
            results = run_batch(self.session, items, self.step)
        except NetdslError as error:
            if len(items) > 1 and error.diagnostics[0].code != "out-of-memory":
                for item in items:  # run each by itself, so that only the one at fault fails
                    self._run_batch([item])
            else:
                self._report_failure(error, ", ".join(str(item.path) for item in items))
            return
        for item, outputs in zip(items, results, strict=True):
            self._finish(item, outputs)

    def _finish(self, item: Item, outputs: list[np.ndarray]) -> None:
        """Keep the outputs of an input for the file, and print them."""
        try:
            _check(item, self.session, outputs, self.names)
        except NetdslError as error:
            self._report_failure(error, str(item.path))
            return
        if self.output:
            self.kept.append((item, outputs))
        print_lines, make = (say_always, _json_lines) if self.json else (say, _text_lines)
        try:
            print_lines(*make(item, self.session, outputs, self.names, self.top))
            sys.stdout.flush()
        except BrokenPipeError:  # nobody reads the output any more, but files are still written
            self.unread = True
            discard_output()

    def _report_failure(self, error: NetdslError, name: str) -> None:
        self.failed = True
        for diagnostic in error.diagnostics:
            if diagnostic.span is None:
                diagnostic.file = name
        sys.stdout.flush()
        print_diagnostics(error.diagnostics)


def _names(labels: str | None, session: Session) -> list[str]:
    """The class names of the file, or else of the model's metadata."""
    if labels is not None:
        return read_labels(labels)
    return [str(name) for name in session.listed("netdsl.classes") or []]


def _check(item: Item, session: Session, outputs: list[np.ndarray], names: list[str]) -> None:
    """Raise `NetdslError` for outputs that do not fit the class names, or are not finite."""
    scores = [output for output in outputs if _has_classes(output, item)]
    if names and scores and not any(len(names) == output.shape[1] for output in scores):
        raise NetdslError(
            "labels-mismatch",
            f"there are {len(names)} class names, but the model has {scores[0].shape[1]} classes",
            help=LABELS_HELP,
        )
    if not all(np.isfinite(output).all() for output in scores):
        raise NetdslError(
            "not-finite",
            f"the output of {session.name} for {item.path} contains infinities or NaNs",
            help="check the weights, and the scale of the input",
        )


def _has_classes(output: np.ndarray, item: Item) -> bool:
    """Whether an output has a row of scores for each sample."""
    is_table = has_rows(output, item) and output.ndim == 2 and output.shape[1] > 1
    return is_table and output.dtype.kind == "f"


# ---- text


def _text_lines(
    item: Item, session: Session, outputs: list[np.ndarray], names: list[str], top: int
) -> list[str]:
    """The lines of one input: the top classes of each sample, or a summary of any other output."""
    lines = []
    for spec, output in zip(session.outputs, outputs, strict=True):
        title = str(item.path)
        if len(outputs) > 1:
            title += f": {spec.name}"
        if _has_classes(output, item):
            lines += _class_lines(title, output, names, top)
        else:
            lines.append(f"{title}: {_summary(output)}")
            if item.path is NAME and output.size > MAX_VALUES:
                lines += value_lines(output[0])
    return lines


def _class_lines(title: str, output: np.ndarray, names: list[str], top: int) -> list[str]:
    """The top classes of each row; more than `MAX_SAMPLES` rows are only counted."""
    if len(names) != output.shape[1]:
        names = []
    lines = []
    for i, row in enumerate(output[:MAX_SAMPLES]):
        lines.append(f"{title}[{i}]" if len(output) > 1 else title)
        lines += top_lines(row, names, top)
    if len(output) > MAX_SAMPLES:
        lines.append(f"... and {len(output) - MAX_SAMPLES} more samples")
    return lines


def top_lines(row: np.ndarray, names: list[str], top: int) -> list[str]:
    """The most probable classes of one sample, aligned: `  97.31 %  3  dress`."""
    width = len(str(len(row) - 1))
    return [
        f"  {100 * best.probability:6.2f} %  {best.number:>{width}}  {best.name}".rstrip()
        for best in _best_classes(row, names, top)
    ]


def _summary(output: np.ndarray) -> str:
    kind = f"{'x'.join(map(str, output.shape)) or 'scalar'} {output.dtype}"
    if not output.size:
        return kind
    is_short = output.size <= MAX_VALUES
    if output.dtype.kind not in NUMBERS:
        values = [str(value)[:40] for value in output.ravel()[:MAX_VALUES].tolist()]
        if not is_short:
            values.append("...")
        return f"{kind}: {', '.join(values)}"
    if is_short:
        return f"{kind}: {', '.join(f'{value:g}' for value in output.ravel().tolist())}"
    return f"{kind}, from {output.min():g} to {output.max():g}, mean {output.mean():g}"


# ---- JSON


def _json_lines(
    item: Item, session: Session, outputs: list[np.ndarray], names: list[str], top: int
) -> list[str]:
    """A line for each sample, with its file, its number and its outputs.

    For an output with classes, it has the top ones; for any other, the shape and the range. An
    output that all samples share is repeated in each line.
    """
    lines = []
    for i in range(item.samples):
        described: dict[str, object] = {}
        for spec, output in zip(session.outputs, outputs, strict=True):
            row = output[i] if has_rows(output, item) else output
            if _has_classes(output, item):
                described[spec.name] = _classes_json(row, names, top)
            else:
                described[spec.name] = _summary_json(row)
        lines.append(json.dumps({"input": str(item.path), "sample": i, "outputs": described}))
    return lines


def _classes_json(row: np.ndarray, names: list[str], top: int) -> list[dict[str, object]]:
    if len(names) != len(row):
        names = []
    classes = []
    for best in _best_classes(row, names, top):
        entry: dict[str, object] = {"class": best.number, "probability": best.probability}
        if names:
            entry["name"] = best.name
        classes.append(entry)
    return classes


def _summary_json(row: np.ndarray) -> dict[str, object]:
    summary: dict[str, object] = {"shape": list(row.shape), "dtype": str(row.dtype)}
    if row.size and row.dtype.kind in NUMBERS and np.isfinite(row).all():
        summary |= {"min": float(row.min()), "max": float(row.max())}
    return summary


# ---- classes


class _Class(NamedTuple):
    number: int
    probability: float
    name: str  # empty if there are no names


def _best_classes(row: np.ndarray, names: Sequence[str], top: int) -> list[_Class]:
    """The most probable classes of one sample, best first."""
    probabilities = as_probabilities(row)
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [_Class(int(k), float(probabilities[k]), names[k] if names else "") for k in best]


def as_probabilities(row: np.ndarray) -> np.ndarray:
    """The softmax of a row of scores; a row that sums to 1 already is left as it is."""
    values = row.astype(np.float64)
    if values.min() >= 0 and abs(values.sum() - 1) < 1e-3:
        return values
    raised = np.exp(values - values.max())
    return np.asarray(raised / raised.sum())
