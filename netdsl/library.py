"""Finds the shipped nets and the files that users name."""

from __future__ import annotations

import os
import stat
import sys

from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError
from netdsl.limits import limit, raise_help
from netdsl.source import SourceFile

# As `import_path` has it: a file is read once, whichever way leads to it.
_HERE = os.path.dirname(os.path.realpath(__file__))


def resource(folder: str) -> str:
    """The folder `nets`: inside the package if it is installed, beside it in a checkout."""
    inside = os.path.join(_HERE, folder)
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(_HERE), folder)


def library_names() -> list[str]:
    """The names of the shipped files: `alexnet`, `lenet5`, ..."""
    return sorted(f[:-4] for f in os.listdir(resource("nets")) if f.endswith(".net"))


def library_file(name: str) -> str | None:
    """The path of a shipped file, or None."""
    path = os.path.join(resource("nets"), name + ".net")
    return path if name.isidentifier() and os.path.isfile(path) else None


def block_file(name: str) -> str | None:
    """The shipped file that defines the composite layer `name` (`se`, `bottleneck`), or None."""
    path = os.path.join(resource("nets"), "lib", name + ".net")
    return path if os.path.isfile(path) else None


def block_names() -> list[str]:
    """The composite layers that need no import."""
    return sorted(
        f[:-4] for f in os.listdir(os.path.join(resource("nets"), "lib")) if f.endswith(".net")
    )


def shipped(name: str) -> tuple[str, str] | None:
    """The path of the library's file of that name, or of its composite layer, and what messages
    call it; None where there is none.
    """
    path = library_file(name) or block_file(name)
    return (
        (path, "nets/" + os.path.relpath(path, resource("nets")).replace(os.sep, "/"))
        if path
        else None
    )


def open_source(name: str) -> SourceFile:
    """The file that a user names on the command line: a path, a library name, or `-` for standard
    input.
    """
    if name == "-":
        return _decode("<stdin>", _read_standard_input(limit("source_bytes") + 1), None)
    path = library_file(name)
    if path is not None and not os.path.isfile(
        name
    ):  # a folder of that name does not stand for the net
        return read(path, shown=f"nets/{name}.net")
    if os.path.exists(name):
        return read(name)
    advice = did_you_mean(name, library_names()) or "the library has " + ", ".join(library_names())
    raise NetdslError(
        "file-not-found", f"there is no file and no library net `{name[:200]}`", help=advice
    )


def _read_standard_input(most: int) -> bytes:
    """At most that many bytes of standard input; raises `NetdslError`.

    `sys.stdin` is None if closed.
    """
    if sys.stdin is None:
        raise NetdslError("cannot-read", "cannot read standard input: it is closed")
    try:
        return sys.stdin.buffer.read(most)
    except OSError as error:
        raise NetdslError("cannot-read", f"cannot read standard input: {error.strerror}") from None


def read(path: str, shown: str | None = None) -> SourceFile:
    """Read a `.net` file; raises `NetdslError` where it cannot be one."""
    name = shown or path
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise NetdslError("not-a-file", f"`{name}` is a folder", help="name a .net file in it")
        if is_idle_pipe(path):
            help_ = "connect it to standard input, and name the file `-`"
            raise NetdslError("not-a-file", f"`{name}` is a pipe", help=help_)
        with open(path, "rb") as file:
            data = file.read(limit("source_bytes") + 1)
    except OSError as error:
        raise NetdslError("cannot-read", f"cannot read `{name}`: {error.strerror}") from None
    return _decode(os.fsencode(name).decode("utf-8", "replace"), data, os.path.abspath(path))


def is_idle_pipe(path: str) -> bool:
    """Whether reading a file may wait for ever: a pipe, unless the shell connected it."""
    is_pipe = os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)
    return is_pipe and not path.startswith(("/dev/fd/", "/dev/stdin"))


def _decode(name: str, data: bytes, path: str | None) -> SourceFile:
    if len(data) > limit("source_bytes"):
        raise NetdslError(
            "file-too-large",
            f"`{name}` is over {limit('source_bytes'):,} bytes",
            help=raise_help("source_bytes"),
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = (
            f"`{name}` is not UTF-8 text: byte {data[error.start]:#04x} at offset {error.start}"
        )
        raise NetdslError(
            "not-text", message, help="a .net file is plain text; is this a model or a picture?"
        ) from None
    if "\0" in text:
        raise NetdslError(
            "not-text", f"`{name}` is not text: a zero byte at offset {text.index(chr(0))}"
        )
    return SourceFile(name, text, path)


def import_path(importer: SourceFile, target: str) -> str:
    """The path of an imported file: it is inside the importer's folder or is a shipped file."""
    if importer.path is None:
        raise NetdslError("import-not-found", f"`{target}` cannot be imported from standard input")
    if (
        target.startswith(("~", "\\"))
        or "\\" in target
        or target[1:2] == ":"
        or not target.isprintable()
    ):
        raise NetdslError(
            "import-outside",
            f"`{target[:200]}` is no path inside the folder of `{importer.name}`",
            help="imports stay in the file's own folder, and are written with `/`",
        )
    folder = os.path.realpath(os.path.dirname(importer.path))
    path = os.path.realpath(os.path.join(folder, target))
    if os.path.commonpath([folder, path]) != folder:
        raise NetdslError(
            "import-outside",
            f"`{target}` is outside the folder of `{importer.name}`",
            help="imports stay in the file's own folder",
        )
    if not os.path.isfile(path):
        own = os.path.basename(importer.path)
        beside = [f for f in os.listdir(folder) if f.endswith(".net") and f != own]
        name = target.removesuffix(".net")
        near = (
            f"the library has it: write `import {name}`"
            if name in library_names() and f"{name}.net" not in beside
            else did_you_mean(target, beside)
        )
        raise NetdslError(
            "import-not-found", f"there is no file `{target}` beside `{importer.name}`", help=near
        )
    return path
