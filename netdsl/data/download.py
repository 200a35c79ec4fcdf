"""Fetches Fashion-MNIST from its publisher into the user's cache folder."""

import gzip
import hashlib
import io
import sys
import urllib.request
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

import rich.progress
from rich.console import Console

from netdsl.data.idx import find_idx
from netdsl.errors import SettingError
from netdsl.files import make_folder, replacing

SOURCE = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
CHUNK = 1 << 16  # bytes between updates of the progress bar
MOST = 1 << 26  # the most bytes read from a file, packed or not; the largest has 47 million
TIMEOUT = 30  # seconds to wait for an answer
# The sums of the unpacked files: the same content can be packed in different ways.
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def download(folder: Path, help: str, *, progress: bool = True) -> None:
    """Fetch the files that are missing in `folder`.

    A file appears there only when it is complete. With `progress`, a terminal shows how much has
    arrived. Raises SettingError with the advice `help`:
    `data-not-found` for a file that cannot be fetched or stored, `bad-checksum` for one whose
    content is not the published one.
    """
    for name, expected in SHA256.items():
        if find_idx(folder, name):
            continue
        url = f"{SOURCE}/{name}.gz"
        data = _fetch(url, help, progress=progress)
        _check(url, data, expected, help)
        _store(folder / f"{name}.gz", data, help)


def _fetch(url: str, help: str, *, progress: bool) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            total = int(response.headers.get("Content-Length", 0))
            # The environment can make rich regard a pipe as a terminal.
            console = Console(stderr=True, force_terminal=sys.stderr.isatty())
            name = url.rpartition("/")[2]
            is_hidden = not progress or not console.is_terminal
            with rich.progress.wrap_file(
                response, total, description=name, console=console, disable=is_hidden
            ) as file:
                return _read(file)
    except (OSError, HTTPException) as error:
        message = f"Fashion-MNIST is not on this computer, and {url} cannot be fetched: {error}"
        raise SettingError("data-not-found", message, "data", help) from error


def _read(file: BinaryIO) -> bytes:
    data = bytearray()
    while len(data) <= MOST and (piece := file.read(CHUNK)):
        data += piece
    return bytes(data)


def _check(url: str, data: bytes, expected: str, help: str) -> None:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            digest = hashlib.sha256(file.read(MOST)).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise SettingError(
            "bad-checksum", f"{url} is not complete gzip data: {error}", "data", help
        ) from error
    if digest != expected:
        message = f"{url} has changed: its content has the SHA-256 {digest}, expected {expected}"
        raise SettingError("bad-checksum", message, "data", help)


def _store(path: Path, data: bytes, help: str) -> None:
    try:
        make_folder(path.parent)
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise SettingError(
            "data-not-found", f"{path} cannot be written: {error}", "data", help
        ) from error
