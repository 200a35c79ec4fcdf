"""Finds the shipped nets and the files that users name."""

from __future__ import annotations

import os
import re
import stat
import sys
from functools import cache

from netdsl.diagnostics import did_you_mean, nearest
from netdsl.errors import NetdslError
from netdsl.limits import limit, raise_help
from netdsl.pipes import is_idle_pipe
from netdsl.source import SourceFile, Span

# Symbolic links are resolved, as in `import_path`, so that each file has only one path.
_HERE = os.path.dirname(os.path.realpath(__file__))
MOST_LISTED = 8  # files that advice lists
MOST_READ = 100  # files in which advice looks for a net
# Parameters of nets in other tools, which load trained weights, and what to do here.
TRAINED = ("pretrained", "weights", "checkpoint")
NO_WEIGHTS = "weights are not an argument: pass them to the command with `--weights FILE`"


def resource(folder: str) -> str:
    """The path of a shipped folder, such as `nets`.

    It is inside the package if the package is installed, and beside it in a checkout.
    """
    inside = os.path.join(_HERE, folder)
    if os.path.isdir(inside):
        return inside
    return os.path.join(os.path.dirname(_HERE), folder)


def library_names() -> list[str]:
    """The names of the shipped files: `alexnet`, `lenet5`, ..."""
    return _net_files(resource("nets"))


def library_file(name: str) -> str | None:
    """The path of a shipped file, or None."""
    path = os.path.join(resource("nets"), name + ".net")
    return path if name.isidentifier() and os.path.isfile(path) else None


def block_file(name: str) -> str | None:
    """The shipped file that defines the composite layer `name` (`se`, `bottleneck`), or None."""
    path = os.path.join(resource("nets"), "lib", name + ".net")
    return path if os.path.isfile(path) else None


def block_names() -> list[str]:
    """The composite layers that need no import, such as `se`."""
    return _net_files(os.path.join(resource("nets"), "lib"))


def _net_files(folder: str) -> list[str]:
    """The names of the `.net` files in a folder, without the suffix."""
    return sorted(file[:-4] for file in os.listdir(folder) if file.endswith(".net"))


def shipped(name: str) -> tuple[str, str] | None:
    """The path of a shipped net or composite layer and its name in messages, or None."""
    path = library_file(name) or block_file(name)
    if path is None:
        return None
    return path, "nets/" + os.path.relpath(path, resource("nets")).replace(os.sep, "/")


def is_shipped(source: SourceFile) -> bool:
    """Whether a file is one of the library, which users do not edit."""
    return source.path is not None and source.path.startswith(resource("nets") + os.sep)


def name_of(source: SourceFile) -> str:
    """The name under which users can open a file: that in the library, or its path."""
    stem = os.path.basename(source.name).removesuffix(".net")
    if source.path is not None and library_file(stem) == os.path.realpath(source.path):
        return stem
    return source.name


def how_to_copy(source: SourceFile) -> str | None:
    """The command that writes a copy of a file of the library; None for other files."""
    if not is_shipped(source):
        return None
    stem = name_of(source)
    return f"`netdsl fmt {stem} -o my.net`"


def source_path(name: str) -> str:
    """The path of the file that `open_source` would read, without symbolic links."""
    path = library_file(name)
    if path is None or os.path.isfile(name):
        path = name
    return os.path.realpath(path)


def open_source(name: str) -> SourceFile:
    """The file that a user names; raises `NetdslError`.

    The name is a path, a name from the library, or `-` for standard input.
    """
    if name == "-":
        return decode("<stdin>", _read_standard_input(limit("source_bytes") + 1), None)
    path = library_file(name)
    # A file of that name takes precedence over the library, but a folder does not.
    if path is not None and not os.path.isfile(name):
        return read(path, shown=f"nets/{name}.net")
    if os.path.exists(name):
        return read(name)
    raise NetdslError(
        "file-not-found", f"there is no file or library net `{name[:200]}`", help=_advice(name)
    )


def _advice(name: str) -> str:
    """Which library file, or which net in one, a name that does not exist may mean."""
    if name.endswith(".net"):
        return _advice_on_path(name)
    before, _, after = name.partition(":")
    if after and (os.path.isfile(before) or library_file(before) is not None):
        return f"one name follows the file: write `{before}:{after.partition(':')[0]}`"
    if "{" in name:
        return "this is a text: write it to a file, or to standard input with `-` as its name"
    if os.path.isfile(f"{name}.net"):
        return f"write `{name}.net`"
    own = _own_net(name)
    if own is not None:
        return f"`{own[0]}` has a net `{own[1]}`: write `{own[0]}:{own[1]}`"
    files, nets = library_names(), _library_nets()
    if nearest(name, files) is None:
        net = nearest(name, nets)
        if net is not None:
            return f"did you mean `{nets[net]}:{net}`?"
    file, _, net = name.replace("/", ".").partition(".")
    if file in files and net in nets:
        return f"write `{file}:{net}`"
    return did_you_mean(name, files) or "the library has " + ", ".join(files)


def _own_net(name: str) -> tuple[str, str] | None:
    """A file in the current folder and its net of that name, perhaps with other capitals."""
    if not name.isidentifier():
        return None
    pattern = re.compile(rf"^net ({name})\b", re.MULTILINE | re.IGNORECASE)
    for file in _others(".", "")[:MOST_READ]:
        try:
            with open(file, encoding="utf-8") as text:
                found = pattern.search(text.read(limit("source_bytes")))
        except (OSError, UnicodeDecodeError):
            continue  # the advice is about other files then
        if found:
            return file, found[1]
    return None


def _advice_on_path(path: str) -> str:
    """Which file a path that does not exist may mean."""
    folder, name = os.path.split(path)
    stem = name.removesuffix(".net")
    shipped = stem if stem in library_names() else ":".join(net_of_library(stem) or ())
    if shipped:
        return f"the library has it: write `{shipped}`"
    if folder and not os.path.isdir(folder):
        return f"there is no folder `{folder}`"
    beside = _others(folder or ".", name)
    near = did_you_mean(name, beside)
    where = f"`{folder}`" if folder else "this folder"
    likely = did_you_mean(stem, library_names()) if near is None and not folder else None
    if likely is not None:
        return f"the library may have it: {likely}"
    if near is not None or not beside:
        return near or f"{where} has no .net files"
    listed = ", ".join(f"`{file}`" for file in sorted(beside)[:MOST_LISTED])
    return f"{where} has {listed}"


def net_of_library(name: str) -> tuple[str, str] | None:
    """The file and the name of a shipped net, which may be written with other capitals."""
    nets = _library_nets()
    meant = nearest(name, nets)
    return None if meant is None else (nets[meant], meant)


@cache
def _library_nets() -> dict[str, str]:
    """The names of the nets in the shipped files, with the name of the file; read only once."""
    nets = {}
    for name in library_names():
        with open(os.path.join(resource("nets"), f"{name}.net"), encoding="utf-8") as file:
            for net in re.findall(r"^net (\w+)", file.read(), re.MULTILINE):
                nets[net] = name
    return nets


def _read_standard_input(most: int) -> bytes:
    """At most that many bytes of standard input; raises `NetdslError`."""
    if sys.stdin is None:  # standard input is closed
        raise NetdslError("cannot-read", "cannot read standard input: it is closed")
    try:
        return sys.stdin.buffer.read(most)
    except OSError as error:
        raise NetdslError("cannot-read", f"cannot read standard input: {error.strerror}") from None


def read(path: str, shown: str | None = None) -> SourceFile:
    """Read a `.net` file, which messages call `shown`; raises `NetdslError`."""
    name = shown or path
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise NetdslError(
                "not-a-file", f"`{name}` is a folder", help="name a .net file in the folder"
            )
        if is_idle_pipe(path):
            help_ = "connect it to standard input, and name the file `-`"
            raise NetdslError("not-a-file", f"`{name}` is a pipe", help=help_)
        with open(path, "rb") as file:
            data = file.read(limit("source_bytes") + 1)
    except FileNotFoundError:
        message, help_ = f"there is no file `{name}`", None
        if name.endswith(".net"):
            help_ = _advice_on_path(name)
        elif ":" in name:
            help_ = (
                f"a file is needed here, without the name of a net: `{name.partition(':')[0]}.net`"
            )
        raise NetdslError("file-not-found", message, help=help_) from None
    except OSError as error:
        raise NetdslError("cannot-read", f"cannot read `{name}`: {error.strerror}") from None
    return decode(os.fsencode(name).decode("utf-8", "replace"), data, os.path.abspath(path))


def decode(name: str, data: bytes, path: str | None) -> SourceFile:
    """The text of a file that has been read; raises `NetdslError` if it is none, or too long."""
    if len(data) > limit("source_bytes"):
        _refuse_other_kinds(name, data)
        raise NetdslError(
            "file-too-large",
            f"`{name}` is over {limit('source_bytes'):,} bytes",
            help=raise_help("source_bytes"),
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse_other_kinds(name, data)
        message = (
            f"`{name}` is not UTF-8 text: byte {data[error.start]:#04x} at offset {error.start}"
        )
        raise NetdslError(
            "not-text", message, help="a .net file is plain text; is this a model or a picture?"
        ) from None
    if "\0" in text:
        _refuse_other_kinds(name, data)
        raise NetdslError(
            "not-text", f"`{name}` is not text: a zero byte at offset {text.index(chr(0))}"
        )
    return SourceFile(name, text, path)


def _refuse_other_kinds(name: str, data: bytes) -> None:
    """Raise `NetdslError` if a file that is no text is of a kind that other commands read."""
    from netdsl.habits.files import binary_kind  # only files that cannot be read need it

    kind = binary_kind(name, data)
    if kind is not None:
        raise NetdslError(
            "wrong-format", f"`{name}` is {kind.name}, not a .net text", help=kind.advice(name)
        )


def other_language(source: SourceFile) -> NetdslError | None:
    """The error of a text with syntax errors that is not one of this language at all."""
    from netdsl.habits.files import text_kind  # only texts with errors need it

    kind = text_kind(source.name, source.text)
    if kind is None:
        return None
    message = f"`{source.name}` is {kind.name}, not a .net text"
    return NetdslError("wrong-format", message, Span(source, 0, 0), help=kind.advice(source.name))


def import_path(importer: SourceFile, target: str) -> str:
    """The path of a file that another one imports, which must be inside the importer's folder.

    Raises `NetdslError`.
    """
    if importer.path is None:
        raise NetdslError(
            "import-not-found", f"a text on standard input cannot import the file `{target}`"
        )
    if target.startswith("~") or "\\" in target or target[1:2] == ":" or not target.isprintable():
        raise NetdslError(
            "import-outside",
            f"`{target[:200]}` is not a path inside the folder of `{importer.name}`",
            help="imported files must be inside the file's own folder, with `/` in their paths",
        )
    folder = os.path.realpath(os.path.dirname(importer.path))
    path = os.path.realpath(os.path.join(folder, target))
    if os.path.commonpath([folder, path]) != folder:
        raise NetdslError(
            "import-outside",
            f"`{target}` is outside the folder of `{importer.name}`",
            help="imported files must be inside the file's own folder",
        )
    if not os.path.isfile(path):
        message = f"there is no file `{target}` in the folder of `{importer.name}`"
        help_ = _import_advice(target, folder, os.path.basename(importer.path))
        raise NetdslError("import-not-found", message, help=help_)
    return path


def files_beside(source: SourceFile) -> list[str]:
    """The other `.net` files in the folder of a file."""
    if source.path is None:
        return []
    return _others(*os.path.split(source.path))


def _others(folder: str, but: str) -> list[str]:
    try:
        return [f for f in os.listdir(folder) if f.endswith(".net") and f != but]
    except OSError:  # the text may come from another machine
        return []


def _import_advice(target: str, folder: str, importer: str) -> str | None:
    """Advice for an imported file that does not exist."""
    beside = _others(folder, importer)
    name = target.removesuffix(".net")
    if name in library_names() and f"{name}.net" not in beside:
        return f"the library has it: write `import {name}`"
    return did_you_mean(target, beside)
