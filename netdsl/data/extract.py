"""Unpacks archives of data sets, which can neither leave their folder nor fill the disk."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from typing import TYPE_CHECKING

from netdsl.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST_FILES = 1000
MOST_BYTES = 1 << 30


def extract(archive: Path, folder: Path) -> None:
    """Unpack a tar archive into `folder`, where its files appear together, or none of them.

    Raises SettingError `unsafe-archive` for links, devices, names outside the folder, and more
    than `MOST_FILES` files or `MOST_BYTES` bytes; `corrupt-data` for a damaged archive; and
    `data-not-found` if it cannot be read or unpacked here.
    """
    try:
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as aside,
            tarfile.open(archive) as opened,
        ):
            members = _checked(archive, opened)
            opened.extractall(aside, members, filter="data")
            for name in os.listdir(aside):
                _move(os.path.join(aside, name), folder / name)
    except tarfile.FilterError as error:
        raise _unsafe(archive, str(error)) from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise SettingError("corrupt-data", f"{archive} is damaged: {error}", "data") from None
    except OSError as error:
        message = f"{archive} cannot be unpacked: {error}"
        raise SettingError("data-not-found", message, "data") from None


def _checked(archive: Path, opened: Iterable[tarfile.TarInfo]) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    total = 0
    for member in opened:  # the sizes are those of the headers, and bound what is written
        if not (member.isfile() or member.isdir()):
            raise _unsafe(archive, f"`{member.name}` is a link or a device")
        if os.path.isabs(member.name) or ".." in member.name.split("/"):
            raise _unsafe(archive, f"`{member.name}` is outside its folder")
        members.append(member)
        total += member.size
        if len(members) > MOST_FILES or total > MOST_BYTES:
            limit = f"{MOST_FILES:,} files or {MOST_BYTES:,} bytes"
            raise _unsafe(archive, f"it has more than {limit}")
    return members


def _move(source: str, target: Path) -> None:
    if not target.exists():
        shutil.move(source, target)


def _unsafe(archive: Path, reason: str) -> SettingError:
    help_ = "download the archive again, from its publisher"
    return SettingError("unsafe-archive", f"{archive} is not unpacked: {reason}", "data", help_)
