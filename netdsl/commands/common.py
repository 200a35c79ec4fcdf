"""Reads the arguments that several commands share, and prints diagnostics."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

from netdsl.commands.output import note, note_lines, printing, say_json, use_colour
from netdsl.diagnostics import Diagnostic
from netdsl.driver import Compiled, compile_picked, open_program
from netdsl.errors import NetdslError
from netdsl.library import library_file
from netdsl.limits import MAX_DIM
from netdsl.ops.args import clipped
from netdsl.pipes import is_idle_pipe
from netdsl.render import NARROW, as_json, output_width, render_all
from netdsl.syntax import ast

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from netdsl.elaborate.program import Program
    from netdsl.ir.graph import Graph
    from netdsl.weights.record import RunRecord

MAX_LABELS = 1 << 24  # characters: reading a device such as /dev/zero would never end
CHANNELS = ("1", "3")  # of pictures
LABELS_HELP = "--labels takes a file with one class name per line"


class UsageError(Exception):
    """The command line is wrong: exit code 2."""


def split_name(text: str) -> tuple[str, str | None]:
    """Split `FILE:NET` in two; a Windows drive letter is part of the file.

    Raises UsageError for names with commas between them.
    """
    if os.path.exists(text):
        return text, None
    if "," in text and _is_file(text.partition(",")[0].partition(":")[0]):
        raise UsageError(f"write a space between nets, not a comma: `{_apart(text)}`")
    file, colon, net = text.rpartition(":")
    if colon and (len(file) > 1 or file == "-") and re.fullmatch(r"\w+", net):
        return file, net
    return text, None


def _is_file(name: str) -> bool:
    return os.path.isfile(name) or library_file(name) is not None


def _apart(text: str) -> str:
    """`a.net:A a.net:B` for `a.net:A,a.net:B` and for `a.net:A,B`."""
    first, *others = [part.strip() for part in text.split(",") if part.strip()]
    file, colon, _ = first.partition(":")
    return " ".join([first, *(o if ":" in o else f"{file}{colon}{o}" for o in others)])


def net_files(folder: str) -> tuple[list[str], list[Diagnostic]]:
    """The `.net` files in a folder and below, sorted, and why others cannot be found.

    Files and folders whose names begin with a dot are left out.
    """
    paths: list[str] = []
    errors: list[Diagnostic] = []

    def unreadable(error: OSError) -> None:
        errors.append(Diagnostic("cannot-read", f"{error.filename}: {error.strerror}"))

    for inside, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [f for f in folders if not f.startswith(".")]  # `walk` visits only these
        visible = [f for f in files if f.endswith(".net") and not f.startswith(".")]
        paths += [os.path.join(inside, f).removeprefix("./") for f in visible]
    if not paths and not errors:
        errors.append(Diagnostic("file-not-found", f"there is no .net file in `{folder}`"))
    return sorted(paths), errors


def suffix_of(name: str) -> str:
    """The suffix of a file's name in lower case, because some systems write it in capitals."""
    return os.path.splitext(name)[1].lower()


def parse_defines(items: list[str] | None) -> dict[str, str]:
    """The values of `-D name=value`, which are expressions of the language, by name.

    Raises `UsageError`.
    """
    values = {}
    for item in items or []:
        name, _, value = item.partition("=")
        if not name.strip().isidentifier() or not value.strip() or value.startswith("="):
            message = f"-D takes name=value, found `{item}`"
            pair = re.fullmatch(r"([A-Za-z_]\w*)[\s:=]+(\S+)", item)
            if pair is not None:
                message += f": write `-D {pair[1]}={pair[2]}`"
            elif name.startswith("train.") and value:
                message += f"; a part of the `train` section is written as `--set {item}`"
            raise UsageError(message)
        values[name.strip()] = value.strip()
    return values


def parse_inputs(items: list[str] | None) -> dict[str, tuple[int, ...]]:
    """The sizes of `--input name=3x256x256` by name; `--input 3x256x256` has an empty name.

    Sizes without a name are those of the first input. Raises `UsageError`.
    """
    inputs: dict[str, tuple[int, ...]] = {}
    for item in items or []:
        name, _, text = item.rpartition("=")
        sizes = _parse_sizes(text, f"{name}=" * bool(name))
        if name in inputs:
            which = f"input `{name}`" if name else "the first input"
            other = "" if name else f"; another input is named: `--input NAME={text}`"
            raise UsageError(f"--input is given twice for {which}{other}")
        inputs[name] = sizes
    return inputs


def _parse_sizes(text: str, before: str) -> tuple[int, ...]:
    sizes = text.strip().split("x")
    if not all(re.fullmatch("[0-9]+", size) for size in sizes):
        message = f"--input takes sizes such as 3x256x256, found `{text}`"
        raise UsageError(message + _meant_sizes(text, before))
    for size in sizes:
        if len(size.lstrip("0")) > len(str(MAX_DIM)) or int(size) > MAX_DIM:
            message = f"--input has a size of {clipped(size)}"
            raise UsageError(f"{message}, but the largest is {MAX_DIM:,}")
    return tuple(map(int, sizes))


def _meant_sizes(text: str, before: str) -> str:
    """The end of the message about sizes in the form of another tool, which can have the batch.

    `before` is the name of the input and `=`, or an empty text.
    """
    separator = r"\s*[,*xX×]\s*"
    batch = rf"(?P<batch>(?:-1|\?|\*|[A-Za-z]+?){separator})?"
    found = re.fullmatch(rf"[(\[]*{batch}(\d+(?:{separator}\d+)*)[\s,)\]]*", text.strip())
    if found is None:
        return ""
    sizes = re.findall(r"\d+", found[2])
    is_batch = found["batch"] is not None
    if len(sizes) == 4 and (sizes[1] in CHANNELS or (sizes[0] == "1" and sizes[3] in CHANNELS)):
        is_batch, sizes = True, sizes[1:]
    if len(sizes) == 3 and sizes[2] in CHANNELS and sizes[0] not in CHANNELS:
        sizes = [sizes[2], *sizes[:2]]  # a picture with its channels last
    return f": write `--input {before}{'x'.join(sizes)}`" + ", without the batch" * is_batch


def load_one(arguments: argparse.Namespace, weights: str | None = None) -> Compiled:
    """Compile the one net that a command is about.

    Parameters that are not given have the values that the file of `weights` records; so has the
    net, if the text has several. Both are printed. Raises `NetdslError` for a wrong text, or if it
    has several nets and none is named, and `UsageError`.
    """
    file, net = split_name(arguments.file)
    program = open_program(file, parse_defines(arguments.define))
    if weights is not None:
        from netdsl.weights.record import recorded_net  # not for `check`

        nets = [d for d in program.module.tree.definitions if isinstance(d, ast.Definition)]
        parameters = {p.name for d in nets if d.is_net for p in d.parameters}
        recorded = recorded_net(weights)
        kept = {name: text for name, text in recorded.defines.items() if name in parameters}
        taken = {name: text for name, text in kept.items() if name not in program.defines}
        program = program._replace(defines={**kept, **program.defines})
        if taken:
            note(f"{weights}: {_trained(recorded.name, taken)}")
        if net is None and recorded.name in program.nets() and not _is_pick(program, recorded.name):
            net = recorded.name
            note(f"{weights}: the net is `{net}`, as in the training")
    return compile_picked(program, net, parse_inputs(getattr(arguments, "input", None)))


def _is_pick(program: Program, net: str | None) -> bool:
    """Whether a command that names no net is about this one."""
    try:
        return program.pick(None) == net
    except NetdslError:
        return False


def _trained(net: str | None, defines: Mapping[str, str]) -> str:
    """The parameters that a command takes from weights."""
    given = " ".join(f"-D {name}={shlex.quote(text)}" for name, text in defines.items())
    return f"`{net}` was trained with {given}" if net else f"trained with {given}"


def warn_of_other_net(record: RunRecord | None, graph: Graph) -> None:
    """Warn if weights were trained with a net that differs from this one, but fits them."""
    difference = None if record is None else record.other_net(graph)
    if difference is not None and not printing().quiet:
        help_ = "use the text that they were trained with, or train them again"
        print_diagnostics([Diagnostic("other-net", difference, None, "warning", help=help_)])


def terminal_width() -> int:
    """The columns of the terminal, or 80 without one; the variable COLUMNS overrides both."""
    return output_width() or NARROW


def print_diagnostics(diagnostics: list[Diagnostic]) -> None:
    """Print diagnostics to standard error, with carets, or as JSON to standard output."""
    if printing().json and diagnostics:
        say_json({"diagnostics": [as_json(d) for d in diagnostics]})
        return
    colour = use_colour(sys.stderr)
    note_lines(render_all(diagnostics, colour=colour))


def read_labels(path: str) -> list[str]:
    """The class names of a file, one on each line; raises `NetdslError`."""
    if is_idle_pipe(path):
        raise NetdslError("not-a-file", f"{path} is a pipe", help=LABELS_HELP)
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(MAX_LABELS + 1)
    except UnicodeDecodeError:
        raise NetdslError("bad-labels", f"{path} is not UTF-8 text", help=LABELS_HELP) from None
    except OSError as error:
        raise NetdslError(
            "file-not-found", f"{path} cannot be read: {error.strerror or error}", help=LABELS_HELP
        ) from None
    if len(text) > MAX_LABELS:
        raise NetdslError(
            "bad-labels", f"{path} has more than {MAX_LABELS:,} characters", help=LABELS_HELP
        )
    return [line.strip() for line in text.rstrip().splitlines()]
