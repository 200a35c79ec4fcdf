"""Faults of the computer that the wrong commands of `docs/diagnostics.md` meet.

Each is simulated as in the tests of its code.
"""

from __future__ import annotations

import io
import os
import sys
import urllib.request
from email.message import Message
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime
import platformdirs
import torch
from filelock import FileLock, Timeout

from netdsl.backends.onnx import manifest
from netdsl.data import catalog
from netdsl.elaborate import loader
from netdsl.page import site
from netdsl.runtime import providers, session
from netdsl.runtime.providers import Placed
from netdsl.runtime.session import Session
from netdsl.train import logs
from tests.support.drawing import replace_program
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def _deny_reading(patch: pytest.MonkeyPatch) -> None:
    """Deny permission to read files, also to root."""

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    patch.setattr(manifest, "sha256_of", denied)
    patch.setattr(os, "access", lambda path, mode: False)


def _break_package(patch: pytest.MonkeyPatch) -> None:
    """Let the import of a package with layers fail."""

    def broken() -> frozenset[str]:
        raise ImportError("No module named 'netdsl_swish_beta'")

    patch.setattr(loader, "load_plugins", broken)


def _hold_locks(patch: pytest.MonkeyPatch) -> None:
    """Let another process hold every lock."""

    def held(lock: FileLock, *_: object, **__: object) -> None:
        raise Timeout(lock.lock_file)

    patch.setattr(FileLock, "acquire", held)


def _replace_dot(patch: pytest.MonkeyPatch) -> None:
    """Let a script that fails draw the pictures."""
    message = "failure to create a surface: out of memory"
    replace_program(Path().absolute(), f"cat > /dev/null\necho '{message}' >&2\nexit 1", patch)


def _change_download(patch: pytest.MonkeyPatch) -> None:
    """Let the publisher of Fashion-MNIST send something else."""

    class Response(io.BytesIO):
        headers = Message()

    patch.setattr(urllib.request, "urlopen", lambda url, timeout: Response(b"<html>"))
    patch.setattr(catalog, "DEBIAN_FOLDER", Path("none"))
    patch.setattr(platformdirs, "user_cache_path", lambda name: Path("cache"))


def _remove_gpu(patch: pytest.MonkeyPatch) -> None:
    """Hide a GPU from PyTorch and from onnxruntime."""
    patch.setattr(torch.cuda, "is_available", lambda: False)
    patch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])


def _place_on_cpu(patch: pytest.MonkeyPatch) -> None:
    """Pretend that there is a GPU that cannot compute one of the nodes."""
    placed = [
        Placed("convolution", "Conv", "CUDAExecutionProvider"),
        Placed("flatten", "Flatten", "CPUExecutionProvider"),
    ]
    patch.setattr(session, "obstacle", lambda device: None)
    patch.setattr(providers, "options_of", lambda *_: ["CPUExecutionProvider"])
    patch.setattr(Session, "placement", lambda self: placed)


def _remove_tensorboard(patch: pytest.MonkeyPatch) -> None:
    """Hide the package tensorboard."""
    patch.setattr(logs, "find_spec", lambda name: None)


def _remove_page(patch: pytest.MonkeyPatch) -> None:
    """Remove the files of the playground."""
    patch.setattr(site, "BUILT", Path("missing"))


FAULTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "cannot-read": _deny_reading,
    "broken-plugin": _break_package,
    "graphviz-failed": _replace_dot,
    "bad-checksum": _change_download,
    "missing-package": _remove_tensorboard,
    "no-device": _remove_gpu,
    "no-cuda": _remove_gpu,
    "folder-in-use": _hold_locks,
    "cpu-nodes": _place_on_cpu,
    "page-missing": _remove_page,
}


def install_package(patch: pytest.MonkeyPatch) -> None:
    """Import the package of `examples/custom_layer`, which adds the layer `swish_beta`."""
    patch.syspath_prepend(str(ROOT / "examples" / "custom_layer"))
    sys.modules.pop("netdsl_swish_beta", None)
    import_module("netdsl_swish_beta")


def build_page(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Put a small file in place of those of the playground, which only npm can build."""
    folder.mkdir()
    (folder / site.MARK).write_bytes(b"compiler")
    patch.setattr(site, "BUILT", folder)
