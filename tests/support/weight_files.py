"""Weights of a small net as files, in every format that netdsl reads."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import netdsl
from netdsl.cli import run

if TYPE_CHECKING:
    from collections.abc import Callable

NET = """net Tiny {
    input image: 3x6x6
    c: conv(4, 3, bias = false) -> n: bn -> relu
    gap -> flatten
    output y: dense(3)
}
"""
State = dict[str, Any]


def state(dtype: torch.dtype = torch.float32) -> State:
    """A state dict of the net, with numbers that every element type can represent."""
    tensors = netdsl.loads(NET).torch().state_dict()
    whole = {n: torch.arange(t.numel()).reshape(t.shape) % 7 + 1 for n, t in tensors.items()}
    return {n: t.to(dtype) if tensors[n].is_floating_point() else t for n, t in whole.items()}


def below(prefix: str, tensors: State) -> State:
    return {prefix + n: t for n, t in tensors.items()}


def arrays(tensors: State) -> State:
    return {n: t.numpy() for n, t in tensors.items()}


def export(
    capsys: pytest.CaptureFixture[str], weights: str, *options: str, code: int = 0
) -> tuple[str, str]:
    """Export the net with these weights and return the output; a failure leaves no model."""
    command = ["export", "tiny.net", "-o", "m.onnx", "--no-fold", "--weights", weights]
    assert run([*command, *options]) == code
    captured = capsys.readouterr()
    assert Path("m.onnx").exists() == (code == 0)
    return captured.out, captured.err


def torch_file(value: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def old_file(value: object, **options: Any) -> bytes:
    """A checkpoint in the format of PyTorch before 1.6."""
    return torch_file(value, _use_new_zipfile_serialization=False, **options)


def safetensors_file(tensors: State) -> bytes:
    save_file(tensors, "made.safetensors")
    return Path("made.safetensors").read_bytes()


def npz_file(tensors: State) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays(tensors))
    return buffer.getvalue()


KINDS: dict[str, Callable[[State], bytes]] = {
    "zip": torch_file,
    "old": old_file,
    "safetensors": safetensors_file,
    "npz": npz_file,
}
