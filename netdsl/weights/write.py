"""Writes tensors to safetensors files, with sums that reveal damage."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from netdsl.files import replacing
from netdsl.weights.sums import with_sums, write_header_sum

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file, replacing `path`; raises OSError if it cannot be written."""
    # Cloned because safetensors refuses tensors that share memory, such as tied weights.
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    contents = {name: _bytes(value) for name, value in plain.items()}
    with replacing(path, durable=True) as temporary:
        try:
            save_file(plain, temporary, with_sums(metadata, contents))
        except SafetensorError as error:  # the tensors are valid, so the file cannot be written
            raise _system_error(error) from error
        write_header_sum(temporary)


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _system_error(error: SafetensorError) -> OSError:
    """The operating system's error, from the number at the end of the library's message."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number is None:
        return OSError(str(error))
    return OSError(int(number[1]), os.strerror(int(number[1])))
