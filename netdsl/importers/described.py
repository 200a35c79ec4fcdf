"""Reads the texts that describe nets in other formats, and names what is wrong in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import NetdslError
from netdsl.limits import limit, raise_help
from netdsl.missing import no_file
from netdsl.source import SourceFile, printable
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from netdsl.source import Span


def read_text(path: Path) -> SourceFile:
    """The text of a description; raises `NetdslError` for a file that is none, or too long."""
    most = limit("source_bytes")
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise NetdslError("not-a-file", f"{path} is not a file")
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        raise no_file(path) from None
    except OSError as error:
        raise NetdslError("cannot-read", f"cannot read {path}: {error.strerror}") from None
    if len(data) > most:
        message = f"{path} is over {most:,} bytes"
        raise NetdslError("file-too-large", message, help=raise_help("source_bytes"))
    help_ = "the description of a net is plain text; is this a file of weights?"
    at = data.find(b"\0")
    if at >= 0:
        message = f"{path} is not text: a zero byte at offset {at}"
        raise NetdslError("not-text", message, help=help_)
    try:
        return SourceFile(str(path), data.decode("utf-8-sig"), str(path.absolute()))
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text: byte {data[error.start]:#04x} at {error.start}"
        raise NetdslError("not-text", message, help=help_) from None


def wrong(message: str, span: Span, help: str | None = None) -> NetdslError:
    """The error of a description that breaks a rule of its format."""
    return NetdslError("bad-description", message, span, help=help)


PARTIAL = "`--partial` writes the layers before it, with a comment in its place"


def refused(what: str, fact: str, span: Span, help: str | None = None) -> NetdslError:
    """The error of a layer that the language cannot express."""
    return NetdslError(
        "unsupported-operator",
        f"{printable(what)[:80]} cannot be imported: {fact}",
        span,
        help=help or PARTIAL,
    )


def sizes_text(shape: Sequence[int | str]) -> str:
    """A shape as it is written: 3x8x8."""
    return "x".join(map(str, shape))


def fixed_help(own: Sequence[int | str], given: Sequence[int]) -> str:
    """Advice about sizes of `--input` that do not fit those of the model; a text is an open one."""
    if len(given) == len(own) + 1:
        return f"give the sizes without the batch: `--input {sizes_text(given[1:])}`"
    if len(given) != len(own):
        return f"give {counted(len(own), 'size')}, without the batch"
    if any(isinstance(size, str) for size in own):
        return "the model fixes the sizes that are numbers; give only others for the names"
    return "the model fixes these sizes: leave out `--input`"
