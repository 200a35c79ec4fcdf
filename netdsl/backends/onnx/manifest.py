"""The SHA-256 manifest beside an exported model: of the model, of its data file, and of the text
that it was made from.

It is JSON, named as the model with `.manifest.json` after it, and holds a sum over itself, so that
no bit of it can turn unseen. Of the files that a text imports it has those that are not of the
library, which is known by netdsl's version.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl import library
from netdsl.errors import NetdslError
from netdsl.files import check_replaceable, replacing
from netdsl.source import printable
from netdsl.version import __version__
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netdsl.source import SourceFile

SUFFIX = ".manifest.json"
_LIMIT = 1 << 20
_LONGEST = 4096  # characters of a path
_AGAIN = "copy it again from where it came, or write it again with `netdsl export`"


class Verified(NamedTuple):
    """What a manifest was held against. `notes` says what it names that is not here."""

    files: list[Path]
    notes: list[str]


def manifest_path(model: Path) -> Path:
    """Where the manifest of a model stands."""
    return model.with_name(model.name + SUFFIX)


def check_place(model: Path) -> None:
    """Raise `OSError` where a model or its manifest could not be written: before the work, and
    before there is one without the other.
    """
    for path in (model, manifest_path(model)):
        check_replaceable(path)


def write_manifest(
    model: Path,
    sums: Mapping[Path, str],
    source: SourceFile,
    imports: Iterable[SourceFile],
    entries: Mapping[str, Any],
) -> Path:
    """Write the manifest of a model:

    `sums` are those of its files, `imports` the files that its text imports.
    """
    made = {
        "netdsl": __version__,
        "files": {
            f.name: {"bytes": f.stat().st_size, "sha256": known} for f, known in sums.items()
        },
        "source": _entry(source, model.parent),
        "imports": sorted(
            (_entry(f, model.parent) for f in imports if not _is_shipped(f)),
            key=lambda e: e["name"],
        ),
        **entries,
    }
    path = manifest_path(model)
    with replacing(path) as temporary:
        temporary.write_text(
            json.dumps({**made, "manifest": _own_sum(made)}, indent=2, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
    return path


def _entry(source: SourceFile, folder: Path) -> dict[str, str]:
    content = Path(source.path).read_bytes() if source.path else source.text.encode()
    return {"name": _relative(source.name, folder), "sha256": hashlib.sha256(content).hexdigest()}


def _is_shipped(source: SourceFile) -> bool:
    return source.path is not None and Path(library.resource("nets")) in Path(source.path).parents


def verify_model(path: str | os.PathLike[str]) -> Verified:
    """Hold a model, its data and its text against its manifest; raises `NetdslError` that names the
    file that differs.
    """
    model = Path(path)
    if not os.path.isfile(model):
        raise NetdslError(
            "file-not-found",
            f"there is no file {model}",
            help="`netdsl export NET -o model.onnx` makes one",
        )
    manifest = manifest_path(model)
    if not os.path.isfile(manifest):
        raise NetdslError(
            "no-manifest",
            f"{model} has no manifest: there is no file {manifest}",
            help="`netdsl export` writes one beside the model; keep the two together",
        )
    entries = _read(manifest)
    files = [_check(model.parent, name, entry) for name, entry in entries["files"].items()]
    if model.name not in entries["files"]:
        raise NetdslError(
            "corrupt-manifest",
            f"{manifest} is not about {model.name} but {', '.join(entries['files'])}",
            help="a renamed model needs a new export: its data file is named in it",
        )
    return Verified(
        files,
        [
            note
            for entry in (entries["source"], *entries.get("imports", ()))
            for note in _check_source(model.parent, entry)
        ],
    )


def verify_if_any(path: Path) -> None:
    """Hold a model against its manifest where it has one; its text is left out, which may have gone
    on since.
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


def _read(manifest: Path) -> dict[str, Any]:
    if manifest.stat().st_size > _LIMIT:
        raise NetdslError(
            "corrupt-manifest", f"{manifest} is larger than a manifest is", help=_AGAIN
        )
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
        good = (
            isinstance(found, dict)
            and found.pop("manifest", None) == _own_sum(found)
            and _is_whole(found)
        )
    except (ValueError, RecursionError):
        good = False
    if not good:
        raise NetdslError("corrupt-manifest", f"{manifest} is damaged, or no manifest", help=_AGAIN)
    entries: dict[str, Any] = found
    return entries


def _is_whole(found: dict[str, Any]) -> bool:
    """Whether every entry that is read exists and has the right type, which no checksum shows."""
    files, texts = found.get("files"), found.get("imports", [])
    if not isinstance(files, dict) or not isinstance(texts, list):
        return False
    sizes = all(
        _is_name(name) and _has_sum(entry) and type(entry.get("bytes")) is int
        for name, entry in files.items()
    )
    return sizes and all(
        _has_sum(e) and isinstance(e.get("name"), str) and 0 < len(e["name"]) <= _LONGEST
        for e in (found.get("source"), *texts)
    )


def _has_sum(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("sha256"), str)


def _is_name(name: str) -> bool:
    """Whether it names a file of the same folder, and nothing else."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0:")


def _own_sum(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        json.dumps(entries, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()


def _check(folder: Path, name: str, entry: dict[str, Any]) -> Path:
    path = folder / name
    if not os.path.isfile(path):
        raise NetdslError(
            "file-not-found", f"there is no file {path}, which the manifest names", help=_AGAIN
        )
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise NetdslError(
            "corrupt-model",
            f"{path} has {counted(size, 'byte')}, it was written with {entry['bytes']:,}: it is cut"
            " off, or another file",
            help=_AGAIN,
        )
    if sha256_of(path) != entry["sha256"]:
        raise NetdslError(
            "corrupt-model",
            f"{path} is not as it was written: its SHA-256 sum differs from the manifest's",
            help=_AGAIN,
        )
    return path


def _check_source(folder: Path, entry: dict[str, Any]) -> list[str]:
    path = folder / entry["name"]
    if not os.path.isfile(path):
        shipped = Path(library.resource("nets")).parent / entry["name"]
        if entry["name"].startswith("nets/") and os.path.isfile(shipped):
            return (
                []
                if sha256_of(shipped) == entry["sha256"]
                else [
                    f"{printable(entry['name'])} of this version of netdsl is not the text that the"
                    " model was made from"
                ]
            )
        return [f"the text {printable(entry['name'])} is not here, and was not looked at"]
    if sha256_of(path) != entry["sha256"]:
        raise NetdslError(
            "source-changed",
            f"{path} is not the text that the model was made from: its SHA-256 sum differs from the"
            " manifest's",
            help="export again, or bring the text back",
        )
    return []


def _relative(name: str, folder: Path) -> str:
    """The path from the model's folder to a text; it stays valid when both are moved together."""
    if not os.path.isfile(name):
        return name
    try:
        return Path(os.path.relpath(name, folder)).as_posix()
    except ValueError:  # another drive
        return name
