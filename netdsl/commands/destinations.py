"""Where `-o` writes: the file that it names, or standard output."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.commands.common import UsageError, suffix_of
from netdsl.files import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STANDARD_OUTPUT = "-"
WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".h5", ".safetensors")  # suffixes of weights
BINARY = (".npz", ".onnx", ".pdf", ".png")  # these could control a terminal


def format_of(output: str, to: str | None, suffixes: Sequence[str]) -> str:
    """The suffix of the format to write, such as `.svg`, which is one of `suffixes`.

    It is that of the file, or for standard output the one that `--to` names. Raises `UsageError`.
    """
    if output != STANDARD_OUTPUT:
        if to is not None:
            raise UsageError("--to is for `-o -`: the suffix of a file is its format")
        suffix = suffix_of(output)
        if suffix not in suffixes:
            message = f"-o takes a name that ends in {_either(suffixes)}, found `{output}`"
            if suffix in WEIGHTS and ".onnx" in suffixes:
                message += (
                    "; .py is the source of a PyTorch module, whose weights `netdsl train` writes"
                )
            raise UsageError(message)
        return suffix
    if to is None:
        names = [suffix.removeprefix(".") for suffix in suffixes]
        raise UsageError(f"`-o -` needs the format: --to {_either(names)}")
    refuse_terminal(f".{to}")
    return f".{to}"


def refuse_terminal(suffix: str) -> None:
    """Raise `UsageError` if a file of bytes would be written to a terminal."""
    if suffix in BINARY and sys.stdout.isatty():
        raise UsageError(
            f"{suffix} is not text, and standard output is a terminal: send it to a file or to"
            " another program"
        )


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


@contextmanager
def destination(output: str, suffix: str) -> Iterator[Path]:
    """Yield the path to write, whose content goes to standard output if `output` is `-`."""
    if output != STANDARD_OUTPUT:
        yield Path(output)
        return
    with scratch_folder() as folder:
        path = Path(folder) / f"output{suffix}"
        yield path
        _refuse_second_file(path)
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


def _refuse_second_file(path: Path) -> None:
    others = [name for name in os.listdir(path.parent) if name != path.name]
    if others:
        raise UsageError(
            "the model is so large that it needs a second file: `-o -` writes only one, so name a"
            " file"
        )
