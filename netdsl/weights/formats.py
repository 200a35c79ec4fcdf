"""Determines the format of a file of weights from its first bytes: its name does not matter."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from netdsl.arrays import ENCRYPTED
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from pathlib import Path

SAFETENSORS, TORCH, NPZ = "safetensors", "torch", "npz"
READ = "netdsl reads safetensors files, PyTorch checkpoints and .npz archives, whatever their names"
SAVE = "save it with torch.save(module.state_dict(), path)"
_UNPACK = "unpack it first"
_TAR_AT = 257


class Unread(NamedTuple):
    """A format that netdsl does not read: how its files begin, what they are, and what to do."""

    start: bytes
    description: str
    help: str


UNREAD = (
    Unread(
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file, as Keras writes them",
        "load it in Keras, and save its arrays under the names of the net with numpy.savez",
    ),
    Unread(
        b"\x93NUMPY",
        "one array without a name",
        "save every array under the name of its tensor with numpy.savez",
    ),
    Unread(b"\x1f\x8b", "compressed with gzip", _UNPACK),
    Unread(b"BZh", "compressed with bzip2", _UNPACK),
    Unread(b"\xfd7zXZ\0", "compressed with xz", _UNPACK),
    Unread(b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    Unread(b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    Unread(b"GGUF", "a GGUF file", READ),
    Unread(
        b"version https://git-lfs",
        "a Git LFS pointer, not the weights themselves",
        "fetch the weights with `git lfs pull`",
    ),
    Unread(b"<!DOCTYPE", "a web page", "download the file itself"),
    Unread(b"<!doctype", "a web page", "download the file itself"),
    Unread(b"<html", "a web page", "download the file itself"),
)
_ONNX = Unread(
    b"", "an ONNX model, not weights", "run it with `netdsl run`: it contains its weights"
)
_TAR = Unread(
    b"",
    "a tar archive",
    "if PyTorch before 0.1.10 wrote it, load it with torch.load and save it again; if not, unpack "
    "it first",
)
_SCRIPT = Unread(
    b"",
    "a TorchScript archive, which is a program",
    "save its tensors: torch.save(torch.jit.load(path).state_dict(), new_path)",
)
_EXPORTED = Unread(
    b"",
    "a program from torch.export",
    "save its tensors: torch.save(torch.export.load(path).state_dict, new_path)",
)
_KERAS = Unread(
    b"",
    "a Keras model",
    "load it in Keras, and save its arrays under the names of the net with numpy.savez",
)


def format_of(path: Path) -> str:
    """Return `safetensors`, `torch` or `npz`; raises `NetdslError` for any other format."""
    with open(path, "rb") as file:
        head = file.read(512)
    if not head:
        raise NetdslError("corrupt-weights", f"{path} is empty", help=READ)
    if head[8:9] == b"{":
        return SAFETENSORS
    unread = _unread(head)
    if unread is not None:
        _refuse(path, unread)
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):  # a pickle
        return TORCH
    if head[:4] == b"PK\x03\x04":
        return _format_of_zip(path)
    if path.suffix.lower() != ".safetensors":
        raise NetdslError("corrupt-weights", f"{path} is not a file of weights", help=READ)
    return SAFETENSORS  # its reader reports any error in it


def _unread(head: bytes) -> Unread | None:
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return _TAR
    # A model begins with its version, a small number; its producer or graph comes next.
    if head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x1a", b"\x3a", b"\x42"):
        return _ONNX
    return next((u for u in UNREAD if head.startswith(u.start)), None)


def _refuse(path: Path, unread: Unread) -> NoReturn:
    raise NetdslError("corrupt-weights", f"{path} is {unread.description}", help=unread.help)


def _format_of_zip(path: Path) -> str:
    members = _members(path)
    names = [member.filename for member in members]
    ends = {name.rpartition("/")[2] for name in names}
    if names and all(name.endswith(".npy") for name in names):
        return NPZ
    if "archive_format" in ends or "serialized_exported_program.json" in ends:
        _refuse(path, _EXPORTED)
    if "constants.pkl" in ends:
        _refuse(path, _SCRIPT)
    if "model.weights.h5" in ends:
        _refuse(path, _KERAS)
    if "data.pkl" not in ends:
        raise NetdslError("corrupt-weights", f"{path} is a zip archive without weights", help=READ)
    for member in members:
        # PyTorch maps the numbers, and would take compressed bytes for numbers.
        if member.compress_type or member.compress_size != member.file_size:
            raise NetdslError(
                "corrupt-weights",
                f"`{member.filename}` of {path} is compressed: {member.compress_size:,} bytes for "
                f"{member.file_size:,}",
                help="PyTorch does not compress checkpoints: save it again",
            )
    return TORCH


def _members(path: Path) -> list[zipfile.ZipInfo]:
    """The members of an archive; raises `NetdslError` for a damaged or encrypted one."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise NetdslError(
            "corrupt-weights", f"{path} is a damaged archive", help="copy it again"
        ) from None
    if any(member.flag_bits & ENCRYPTED for member in members):
        raise NetdslError(
            "corrupt-weights", f"{path} is an encrypted archive", help="decrypt it first"
        )
    return members
