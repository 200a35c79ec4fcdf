"""Writes and checks the manifest beside an exported model.

It lists the SHA-256 sums of the model, of its data file, and of the text that the model was made
from. It is JSON in a file with the name of the model and `.manifest.json` after it. It contains a
sum of itself, so that every changed bit is detected. It lists the files that the text imports, but
not those of the library, which follow from netdsl's version.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from netdsl import library
from netdsl.errors import NetdslError
from netdsl.files import check_replaceable, replacing
from netdsl.missing import no_file
from netdsl.source import printable
from netdsl.version import __version__
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netdsl.source import SourceFile

SUFFIX = ".manifest.json"
_LIMIT = 1 << 20
_LONGEST = 4096  # characters of a path
_AGAIN = "copy it again from its source, or export it again with `netdsl export`"


class Verified(NamedTuple):
    """The files that agree with a manifest, and notes about texts that could not be compared."""

    files: list[Path]
    notes: list[str]


class FileEntry(TypedDict):
    """The entry of a file of the model."""

    bytes: int
    sha256: str


class TextEntry(TypedDict):
    """The entry of a text; its name is the path from the folder of the model."""

    name: str
    sha256: str


class Manifest(TypedDict):
    """The entries of a manifest that are compared; `imports` is missing in old manifests."""

    files: dict[str, FileEntry]
    source: TextEntry
    imports: list[TextEntry]


def manifest_path(model: Path) -> Path:
    """The path of the manifest of a model."""
    return model.with_name(model.name + SUFFIX)


def check_place(model: Path) -> None:
    """Raise `OSError` if a model or its manifest cannot be written.

    Called before the work, and before one of the two exists without the other.
    """
    for path in (model, manifest_path(model)):
        check_replaceable(path)


def write_manifest(
    model: Path,
    sums: Mapping[Path, str],
    source: SourceFile,
    imports: Iterable[SourceFile],
    entries: Mapping[str, object],
) -> Path:
    """Write the manifest of a model; returns its path.

    `sums` are the SHA-256 sums of the model's files, `source` is its text, `imports` are the files
    that the text imports, and `entries` are added as they are.
    """
    files = {
        file.name: FileEntry(bytes=file.stat().st_size, sha256=sha256)
        for file, sha256 in sums.items()
    }
    texts = [_entry(file, model.parent) for file in imports if not _is_shipped(file)]
    contents: dict[str, object] = {
        "netdsl": __version__,
        "files": files,
        "source": _entry(source, model.parent),
        "imports": sorted(texts, key=lambda text: text["name"]),
        **entries,
    }
    contents["manifest"] = _own_sum(contents)
    path = manifest_path(model)
    with replacing(path) as temporary:
        text = json.dumps(contents, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")
    return path


def _entry(source: SourceFile, folder: Path) -> TextEntry:
    content = Path(source.path).read_bytes() if source.path else source.text.encode()
    return {"name": _relative(source.name, folder), "sha256": hashlib.sha256(content).hexdigest()}


def _is_shipped(source: SourceFile) -> bool:
    return source.path is not None and Path(library.resource("nets")) in Path(source.path).parents


def verify_model(path: str | os.PathLike[str]) -> Verified:
    """Compare a model, its data and its text with its manifest.

    Raises `NetdslError`, which names the file that differs, is missing or is damaged.
    """
    model = Path(path)
    if not os.path.isfile(model):
        raise no_file(model, "`netdsl export NET -o model.onnx` makes one")
    manifest = manifest_path(model)
    contents = _read(manifest)
    listed = contents["files"]
    files = [_check(model.parent, name, entry) for name, entry in listed.items()]
    if model.name not in listed:
        raise NetdslError(
            "corrupt-manifest",
            f"{manifest} is the manifest of {', '.join(listed)}, not of {model.name}",
            help="export a renamed model again: it contains the name of its data file",
        )
    texts = (contents["source"], *contents.get("imports", ()))
    notes = [_check_source(model.parent, text) for text in texts]
    return Verified(files, [note for note in notes if note])


def verify_if_any(path: Path) -> None:
    """Compare a model with its manifest, if it has one.

    Its text is not compared: people edit texts after an export.
    """
    manifest = manifest_path(path)
    if not (os.path.isfile(path) and os.path.isfile(manifest)):
        return
    for name, entry in _read(manifest)["files"].items():
        _check(path.parent, name, entry)


def sha256_of(path: Path) -> str:
    """The SHA-256 sum of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(manifest: Path) -> Manifest:
    size = manifest.stat().st_size
    if size > _LIMIT:
        raise NetdslError(
            "corrupt-manifest",
            f"{manifest} has {size:,} bytes, a manifest has at most {_LIMIT:,}",
            help=_AGAIN,
        )
    try:
        contents = json.loads(manifest.read_text(encoding="utf-8"))
        is_good = (
            isinstance(contents, dict)
            and contents.pop("manifest", None) == _own_sum(contents)
            and _is_whole(contents)
        )
    except (ValueError, RecursionError):
        is_good = False
    if not is_good:
        raise NetdslError(
            "corrupt-manifest", f"{manifest} is damaged, or is not a manifest", help=_AGAIN
        )
    return cast("Manifest", contents)


def _is_whole(contents: Mapping[str, object]) -> bool:
    """Whether every entry that is read exists and has the right type, which no checksum shows."""
    files, texts = contents.get("files"), contents.get("imports", [])
    if not isinstance(files, dict) or not isinstance(texts, list):
        return False
    return all(map(_is_file_entry, files.items())) and all(
        map(_is_text_entry, (contents.get("source"), *texts))
    )


def _is_file_entry(item: tuple[str, object]) -> bool:
    name, entry = item
    return (
        _is_name(name)
        and isinstance(entry, dict)
        and isinstance(entry.get("sha256"), str)
        and type(entry.get("bytes")) is int
    )


def _is_text_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("sha256"), str)
        and isinstance(entry.get("name"), str)
        and 0 < len(entry["name"]) <= _LONGEST
    )


def _is_name(name: str) -> bool:
    """Whether a name can only be that of a file in the folder of the model."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0:")


def _own_sum(contents: Mapping[str, object]) -> str:
    """The SHA-256 sum of the other entries of a manifest."""
    text = json.dumps(contents, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _check(folder: Path, name: str, entry: FileEntry) -> Path:
    path = folder / name
    if not os.path.isfile(path):
        raise NetdslError(
            "file-not-found", f"there is no file {path}, which the manifest lists", help=_AGAIN
        )
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise NetdslError(
            "corrupt-model",
            f"{path} has {counted(size, 'byte')}, the manifest lists {entry['bytes']:,}: it is cut"
            " off, or is another file",
            help=_AGAIN,
        )
    if sha256_of(path) != entry["sha256"]:
        raise NetdslError(
            "corrupt-model",
            f"{path} has changed since it was written: its SHA-256 sum differs from the manifest's",
            help=_AGAIN,
        )
    return path


def _check_source(folder: Path, entry: TextEntry) -> str:
    """Compare a text with its entry; returns a note if that is not possible, or an empty text."""
    path = folder / entry["name"]
    if not os.path.isfile(path):
        return _check_shipped(entry)
    if sha256_of(path) != entry["sha256"]:
        raise NetdslError(
            "source-changed",
            f"{path} is not the text that the model was made from: its SHA-256 sum differs from the"
            " manifest's",
            help="export the model again, or restore the text",
        )
    return ""


def _check_shipped(entry: TextEntry) -> str:
    """Compare a text of the library with its entry; returns a note if they differ."""
    name = printable(entry["name"])
    shipped = Path(library.resource("nets")).parent / entry["name"]
    if not entry["name"].startswith("nets/") or not os.path.isfile(shipped):
        return f"the text {name} is missing, so it was not compared"
    if sha256_of(shipped) != entry["sha256"]:
        return f"{name} of this version of netdsl is not the text that the model was made from"
    return ""


def _relative(name: str, folder: Path) -> str:
    """The path from the model's folder to a text, which stays valid if both are moved together."""
    if not os.path.isfile(name):
        return name
    try:
        return Path(os.path.relpath(name, folder)).as_posix()
    except ValueError:  # another drive
        return name
