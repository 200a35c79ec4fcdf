"""Exports PyTorch modules to ONNX in a process of their own, because this runs their code."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError
from netdsl.limits import limit, raise_help
from netdsl.process.watch import end_with
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLACE = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<call>[A-Za-z_].*)", re.DOTALL)
LONGEST = 10_000  # characters of a call
LAST = 4096  # bytes at the end of the messages of a process, which are read


class ModuleCall(NamedTuple):
    """A call that makes a module: the names of its file and class, and literal arguments."""

    text: str
    module: str
    name: str
    args: tuple[object, ...]
    kwargs: dict[str, object]


def is_module(text: str) -> bool:
    """Whether a text names a module, as in `package.file:Class(1, 2)`."""
    return PLACE.fullmatch(text) is not None


def parsed_call(text: str) -> ModuleCall:
    """The parts of `package.file:Class(args)`; raises `ValueError` with what is wrong.

    Nothing is executed: the arguments must be literals of Python. Without brackets, there are none.
    """
    match = PLACE.fullmatch(text)
    if match is None or len(text) > LONGEST:
        raise ValueError("it is not of the form package.file:Class(arguments)")
    try:
        node = ast.parse(match["call"].strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"`{match['call'][:80]}` is no call of Python") from None
    function = node.func if isinstance(node, ast.Call) else node
    args, kwargs = _literals(node) if isinstance(node, ast.Call) else ((), {})
    if not re.fullmatch(r"[\w.]+", ast.unparse(function)):
        raise ValueError(f"`{match['call'][:80]}` is no call of a class")
    return ModuleCall(text, match["module"], ast.unparse(function), args, kwargs)


def _literals(node: ast.Call) -> tuple[tuple[object, ...], dict[str, object]]:
    """The arguments of a call; raises `ValueError` if one is more than a literal."""
    pairs = [(k.arg, k.value) for k in node.keywords]
    try:
        args = tuple(ast.literal_eval(argument) for argument in node.args)
        kwargs = {name: ast.literal_eval(value) for name, value in pairs if name}
    except (ValueError, TypeError, RecursionError, MemoryError):
        args, kwargs = (), {}
        pairs.append((None, node))
    if len(kwargs) < len(pairs):
        raise ValueError("its arguments are not numbers, strings, lists or other literals")
    return args, kwargs


def export_module(call: ModuleCall, sizes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Write a module as an ONNX model to `path`; raises `NetdslError` if its code fails.

    `sizes` are those of the inputs without the batch, by the names of the parameters of `forward`;
    the empty name is the first.
    """
    request = repr((call.module, call.name, call.args, call.kwargs, dict(sizes), str(path)))
    shown = printable(call.text)[:80]
    messages = path.with_suffix(".messages")
    with messages.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "netdsl.importers.module_export"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # its own processes end with it
            preexec_fn=partial(end_with, os.getpid()),
        )
        try:
            process.communicate(request.encode(), limit("module_seconds"))
        except subprocess.TimeoutExpired:
            seconds = limit("module_seconds")
            raise NetdslError(
                "module-fails",
                f"the export of `{shown}` takes more than {seconds:,} seconds",
                help=raise_help("module_seconds"),
            ) from None
        finally:
            _end(process)
    if process.returncode != 0 or not path.is_file():
        raise NetdslError("module-fails", f"`{shown}` fails: {_reason(messages, process)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _reason(messages: Path, process: subprocess.Popen[bytes]) -> str:
    """The last line that a process printed to standard error."""
    with messages.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LAST))
        lines = file.read().decode("utf-8", "replace").split("\n")
    said = [printable(line.strip()) for line in lines if line.strip()]
    if not said:
        return f"its process ended with {process.returncode}"
    return said[-1][:300]
