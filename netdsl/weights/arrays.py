"""Writes NumPy arrays to safetensors files, without PyTorch, with sums that reveal damage."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

from netdsl.files import replacing
from netdsl.weights.sums import with_sums, write_header_sum

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Write a safetensors file, replacing `path`; returns its SHA-256 sum."""
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    contents = {name: memoryview(array.tobytes()) for name, array in plain.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, with_sums(metadata, contents))
        write_header_sum(temporary)
        return hashlib.sha256(temporary.read_bytes()).hexdigest()
