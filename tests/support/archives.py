"""Makes and unpacks zip archives for tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping

_CENTRAL = b"PK\1\2"  # begins the entry of each member in the directory at the end
_FLAGS = 8  # the offset of the flags in that entry


def zip_file(
    members: Mapping[str, bytes] | Iterable[tuple[str, bytes]],
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """An archive of the members; pairs of name and content can repeat a name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items() if isinstance(members, Mapping) else members:
            archive.writestr(name, content)
    return buffer.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    """The members of an archive by their names."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def encrypted(content: bytes) -> bytes:
    """The same archive, but its directory marks every member as encrypted."""
    first, *entries = content.split(_CENTRAL)
    marked = [e[: _FLAGS - 4] + bytes([e[_FLAGS - 4] | 1]) + e[_FLAGS - 3 :] for e in entries]
    return _CENTRAL.join([first, *marked])
