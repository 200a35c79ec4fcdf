"""The SHA-256 manifest beside an exported model: of the model, of its data file, and of the text that it was made from.

It is JSON, named as the model with `.manifest.json` after it, and holds a sum over itself, so that no bit of it can turn unseen.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl import library
from netdsl.diagnostics import fail
from netdsl.files import replacing
from netdsl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUFFIX = ".manifest.json"
_LIMIT = 1 << 20
_AGAIN = "copy it again from where it came, or write it again with `netdsl export`"


class Verified(NamedTuple):
    """What a manifest was held against. `notes` says what it names that is not here."""

    files: list[Path]
    notes: list[str]


def manifest_path(model: Path) -> Path:
    """Where the manifest of a model stands."""
    return model.with_name(model.name + SUFFIX)


def write_manifest(model: Path, files: Sequence[Path], source: tuple[str, bytes], entries: Mapping[str, Any], sums: Mapping[Path, str] | None = None) -> Path:
    """Write the manifest of a model. `source` is the name and content of its text, `sums` what is known of the files already."""
    known = sums or {}
    made = {
        "netdsl": __version__,
        "files": {f.name: {"bytes": f.stat().st_size, "sha256": known.get(f) or sha256_of(f)} for f in files},
        "source": {"name": _relative(source[0], model.parent), "sha256": hashlib.sha256(source[1]).hexdigest()},
        **entries,
    }
    path = manifest_path(model)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({**made, "manifest": _own_sum(made)}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def verify_model(path: str | os.PathLike[str]) -> Verified:
    """Hold a model, its data and its text against its manifest; raises `CompileError` that names the file that differs."""
    model = Path(path)
    if not model.is_file():
        fail("file-not-found", f"there is no file {model}", "`netdsl export NET -o model.onnx` makes one")
    manifest = manifest_path(model)
    if not manifest.is_file():
        fail("no-manifest", f"{model} has no manifest: there is no file {manifest}", "`netdsl export` writes one beside the model; keep the two together")
    entries = _read(manifest)
    files = [_check(model.parent, name, entry) for name, entry in entries["files"].items()]
    if model.name not in entries["files"]:
        fail("corrupt-manifest", f"{manifest} is not about {model.name} but {', '.join(entries['files'])}", "a renamed model needs a new export: its data file is named in it")
    return Verified(files, _check_source(model.parent, entries["source"]))


def verify_if_any(path: Path) -> None:
    """Hold a model against its manifest where it has one; its text is left out, which may have gone on since."""
    manifest = manifest_path(path)
    if not (path.is_file() and manifest.is_file()):
        return
    for name, entry in _read(manifest)["files"].items():
        _check(path.parent, name, entry)


def sha256_of(path: Path) -> str:
    """The SHA-256 sum of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(manifest: Path) -> dict[str, Any]:
    if manifest.stat().st_size > _LIMIT:
        fail("corrupt-manifest", f"{manifest} is larger than a manifest is", _AGAIN)
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
        own = found.pop("manifest")
        good = own == _own_sum(found) and all(_is_name(n) for n in found["files"]) and isinstance(found["source"]["name"], str)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        good = False
    if not good:
        fail("corrupt-manifest", f"{manifest} is damaged, or no manifest", _AGAIN)
    entries: dict[str, Any] = found
    return entries


def _is_name(name: str) -> bool:
    """Whether it names a file of the same folder, and nothing else."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0:")


def _own_sum(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _check(folder: Path, name: str, entry: dict[str, Any]) -> Path:
    path = folder / name
    if not path.is_file():
        fail("file-not-found", f"there is no file {path}, which the manifest names", _AGAIN)
    size = path.stat().st_size
    if size != entry["bytes"]:
        fail("corrupt-model", f"{path} has {size:,} bytes, {entry['bytes']:,} were written: it is cut off, or another file", _AGAIN)
    if sha256_of(path) != entry["sha256"]:
        fail("corrupt-model", f"{path} is not as it was written: its SHA-256 sum differs from the manifest's", _AGAIN)
    return path


def _check_source(folder: Path, entry: dict[str, Any]) -> list[str]:
    path = folder / entry["name"]
    if not path.is_file():
        shipped = Path(library.resource("nets")).parent / entry["name"]
        if entry["name"].startswith("nets/") and shipped.is_file():
            return [] if sha256_of(shipped) == entry["sha256"] else [f"{entry['name']} of this version of netdsl is not the text that the model was made from"]
        return [f"the text {entry['name']} is not here, and was not looked at"]
    if sha256_of(path) != entry["sha256"]:
        fail("source-changed", f"{path} is not the text that the model was made from: its SHA-256 sum differs from the manifest's", "export again, or bring the text back")
    return []


def _relative(name: str, folder: Path) -> str:
    """The way from the folder of the model to a text, which is the same wherever the two are taken."""
    if not os.path.isfile(name):
        return name
    try:
        return Path(os.path.relpath(name, folder)).as_posix()
    except ValueError:  # another drive
        return name
