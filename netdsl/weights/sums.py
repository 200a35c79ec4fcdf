"""Sums that reveal damage in the safetensors files that netdsl writes.

The metadata of a file have a sum for each tensor, `sums`, and one for the header, `header_sum`. The
sum of the header is that of the length and the header with zeros in its own place, so the two
cover every bit of the file.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUMS, HEADER_SUM = "sums", "header_sum"
_OURS = (SUMS, HEADER_SUM)  # damage to one of these names leaves the other
_BYTES = 16
NO_SUM = "0" * 2 * _BYTES
_LENGTH = 8  # the bytes of the length of the header


class DamagedError(Exception):
    """A file differs from what was written; the message describes the difference."""


def sum_of(data: bytes | memoryview) -> str:
    """The sum of some bytes: BLAKE2b (RFC 7693) of 16 bytes in hexadecimal."""
    return hashlib.blake2b(data, digest_size=_BYTES).hexdigest()


def with_sums(metadata: Mapping[str, str], tensors: Mapping[str, memoryview]) -> dict[str, str]:
    """The metadata with the sums of the tensors, and a place for that of the header."""
    sums = {name: sum_of(data) for name, data in sorted(tensors.items())}
    return {**metadata, SUMS: json.dumps(sums), HEADER_SUM: NO_SUM}


def write_header_sum(path: Path) -> None:
    """Write the sum of the header into a file whose metadata come from `with_sums`.

    The metadata, which the library writes in a random order, are sorted.
    """
    with path.open("r+b") as file:
        start = file.read(_LENGTH)
        length = int.from_bytes(start, "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) > length:
            raise ValueError(f"the header of {path} has grown from {length} to {len(text)} bytes")
        text = text.ljust(length)
        file.seek(_LENGTH)
        file.write(text.replace(NO_SUM.encode(), sum_of(start + text).encode()))


def check_sums(path: Path, *, required: bool = False) -> None:
    """Raise `DamagedError` unless a file that netdsl wrote is as it was written.

    The files of other programs have no sums, and pass unless they are `required`. The file must be
    one that `safe_open` reads.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
        text = data[_LENGTH:start]
        header = json.loads(text)
        metadata = header.pop("__metadata__", {})
        if metadata.keys().isdisjoint(_OURS) and not required:
            return
        own = metadata.get(HEADER_SUM, "").encode()
        if not own or sum_of(data[:_LENGTH] + text.replace(own, NO_SUM.encode())) != own.decode():
            raise DamagedError("its header is not the one that was written")
        sums = json.loads(metadata[SUMS])
        for name, entry in header.items():
            begin, end = (start + offset for offset in entry["data_offsets"])
            if sum_of(data[begin:end]) != sums[name]:
                raise DamagedError(f"the numbers of `{name}` are not those that were written")
