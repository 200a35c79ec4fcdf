"""Exports PyTorch modules to ONNX in a process of their own, because this runs their code."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError
from netdsl.limits import limit, raise_help
from netdsl.process.watch import end_with
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACE = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<call>[A-Za-z_].*)", re.DOTALL)
LONGEST = 10_000  # characters of a call
MOST = 500  # characters of what is wrong
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


def meant_module(text: str) -> str | None:
    """The module that a path such as `models/net.py:Net()` is meant to name, or None."""
    match = re.fullmatch(r"(?P<path>[^:]+?)(\.py)?:(?P<call>[A-Za-z_].*)", text, re.DOTALL)
    if match is None or not Path(f"{match['path']}.py").is_file():
        return None
    path = Path(match["path"])
    if path.is_absolute() or ".." in path.parts:
        return f"{path.name}:{match['call']}` in the folder `{path.parent}"
    return f"{'.'.join(path.parts)}:{match['call']}"


def dotted_call(text: str) -> str | None:
    """The call that Python's `package.file.Class` or `package.Class(1)` is written as, or None.

    A name with one dot and without brackets is taken to be that of a file.
    """
    match = re.fullmatch(r"([A-Za-z_]\w*(?:\.\w+)*)\.([A-Za-z_]\w*)(\(.*\))?", text, re.DOTALL)
    if match is None or (match[3] is None and "." not in match[1]):
        return None
    return f"{match[1]}:{match[2]}{match[3] or '()'}"


def parsed_call(text: str) -> ModuleCall:
    """The parts of `package.file:Class(args)`; raises `ValueError` with what is wrong.

    Nothing is executed: the arguments must be literals of Python. Without brackets, there are none.
    """
    match = PLACE.fullmatch(text)
    if match is None or len(text) > LONGEST:
        raise ValueError("it is not of the form package.file:Class(arguments)")
    if match["module"].endswith(".py") and meant_module(text) is not None:
        raise ValueError(f"write the name of the module, `{meant_module(text)}`")
    try:
        node = ast.parse(match["call"].strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"`{match['call'][:80]}` is not a Python call") from None
    function = node.func if isinstance(node, ast.Call) else node
    args, kwargs = _literals(node) if isinstance(node, ast.Call) else ((), {})
    if not re.fullmatch(r"[\w.]+", ast.unparse(function)):
        raise ValueError(f"`{match['call'][:80]}` is not the call of a class")
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


def export_module(call: ModuleCall, sizes: Mapping[str, tuple[int, ...]], path: Path) -> str:
    """Write a module as an ONNX model to `path`, and return its name.

    Raises `NetdslError` if its code fails. `sizes` are those of the inputs without the batch, by
    the names of the parameters of `forward`; the empty name is the first.
    """
    request = repr((call.module, call.name, call.args, call.kwargs, dict(sizes), str(path)))
    shown = printable(call.text)[:80]
    messages = path.with_suffix(".messages")
    with messages.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "netdsl.importers.torch.program"],
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
    return _answer(call, path, messages, process)


def _answer(call: ModuleCall, path: Path, messages: Path, process: subprocess.Popen[bytes]) -> str:
    """The name of the module that a process exported; raises `NetdslError`."""
    shown = printable(call.text)[:80]
    written = path.with_suffix(".answer")
    if process.returncode != 0 or not written.is_file():
        advice = "its code ended the process, without a Python exception"
        reason = _reason(messages, process)
        raise NetdslError("module-fails", f"`{shown}` fails: {reason}", help=advice)
    answer = json.loads(written.read_bytes())
    if "fact" in answer:
        fact, advice = (printable(answer[key])[:MOST] for key in ("fact", "help"))
        raise NetdslError("module-fails", f"`{shown}` fails: {fact}", help=advice)
    return printable(answer["name"])[:MOST]


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
