"""Reads Darknet's `.weights` files: a header, and then float32 numbers layer by layer.

The header has the version (three int32) and the number of pictures seen in training, an int64 from
version 0.2 on and an int32 before (Darknet's `load_weights_upto`, parser.c).
"""

from __future__ import annotations

import struct
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from netdsl.errors import NetdslError
from netdsl.importers.onnx.built import random_numbers
from netdsl.missing import no_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from netdsl.importers.onnx.foreign import Shape

    Read = Callable[[], np.ndarray]

VERSION = struct.Struct("<3i")
FLOAT = 4  # bytes
WIDE = 2  # ten times the major version plus the minor one, from which the counter is an int64
TURNED = 1000  # a version above it means that the matrices of connected layers are transposed
UNUSUAL = 1000


class DarknetWeights:
    """The numbers of a file in their order, or random ones if there is no file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.turned = False
        self._start = self._size = 0
        self.used = 0
        if path is None:
            return
        try:
            with path.open("rb") as file:
                head = file.read(VERSION.size)
                size = file.seek(0, 2)
        except FileNotFoundError:
            raise no_file(path) from None
        except OSError as error:
            raise NetdslError("file-not-found", f"{path}: {error.strerror}") from None
        if len(head) < VERSION.size:
            raise NetdslError("corrupt-weights", f"{path} has {size} bytes, too few for a header")
        major, minor, _ = VERSION.unpack(head)
        if not (0 <= major <= 2 * UNUSUAL and 0 <= minor <= 2 * UNUSUAL):
            message = f"{path} is not a Darknet file: its version is {major}.{minor}"
            raise NetdslError("corrupt-weights", message)
        self.turned = major > TURNED or minor > TURNED
        is_wide = WIDE <= major * 10 + minor and major < UNUSUAL and minor < UNUSUAL
        self._start = VERSION.size + (8 if is_wide else 4)
        self._size = size

    @property
    def count(self) -> int:
        """How many numbers the file has."""
        return max(0, self._size - self._start) // FLOAT

    def take(self, name: str, shape: Shape, role: str) -> Read:
        """What reads the next tensor; `name` and `role` are for random numbers."""
        at, count = self.used, prod(shape)
        self.used += count
        path, start = self.path, self._start
        if path is None:
            return random_numbers(name, shape, role)

        def read() -> np.ndarray:
            array = np.fromfile(path, "<f4", count, offset=start + at * FLOAT)
            return array.astype(np.float32).reshape(shape)

        return read

    def finish(self) -> None:
        """Raise `NetdslError` if the file has more or fewer numbers than the net."""
        if self.path is None:
            return
        if self.count != self.used or (self._size - self._start) % FLOAT:
            raise NetdslError(
                "weights-mismatch",
                f"{self.path} has {self.count:,} numbers, but the net takes {self.used:,}",
                help="are the .cfg and the .weights of the same net?",
            )
