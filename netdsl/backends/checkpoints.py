"""Reads weights that a user names: safetensors, or PyTorch checkpoints without running anything that they hold."""

from __future__ import annotations

import json
import pickle
import zipfile
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from safetensors import SafetensorError, safe_open

from netdsl.diagnostics import Diagnostic
from netdsl.driver import failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from netdsl.ops.base import Param

TORCH_SUFFIXES = (".pt", ".pth", ".th", ".bin")
WRAPPERS = ("state_dict", "model_state_dict", "model")


class Weights(NamedTuple):
    """Tensors by name, as numpy arrays, and the strings that stand in the file beside them."""

    tensors: dict[str, Any]
    metadata: dict[str, str]

    def listed(self, key: str) -> Any:
        """A metadata entry that holds JSON (`mean`, `std`, `classes`), or None."""
        text = self.metadata.get(key)
        return None if text is None else json.loads(text)


def read_weights(path: str | Path) -> Weights:
    """The tensors of a checkpoint; a `module.` in front of every name is taken off. Raises `CompileError`."""
    path = Path(path)
    if not path.is_file():
        _fail("file-not-found", f"there is no file {path}", "--weights takes a safetensors or PyTorch checkpoint")
    tensors, metadata = _torch(path) if path.suffix.lower() in TORCH_SUFFIXES else _safetensors(path)
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return Weights(tensors, metadata)


def _safetensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})
    except (SafetensorError, TypeError, ValueError) as error:
        _fail("corrupt-weights", f"{path} is not a safetensors file: {error}", f"PyTorch checkpoints end in {', '.join(TORCH_SUFFIXES)}")


def _torch(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    # PyTorch is imported for its own file format alone: safetensors, the usual one, do without it.
    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        _fail("corrupt-weights", f"{path} is not a PyTorch checkpoint of tensors: {reason}", "save it with torch.save(module.state_dict(), path)")
    for wrapper in WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict):
        _fail("corrupt-weights", f"{path} holds no state dict", "save it with torch.save(module.state_dict(), path)")
    return {n: t.detach().numpy() for n, t in loaded.items() if isinstance(t, torch.Tensor)}, {}


def report(params: Mapping[str, Param], weights: Weights) -> str:
    """What of a checkpoint that fits a net is used: `122 tensors loaded, 2 of the file left: fc2.bias, fc2.weight`."""
    spare = [n for n in weights.tensors if n not in params]
    loaded = len(weights.tensors) - len(spare)
    left = f", {len(spare)} of the file left: {', '.join(spare[:4])}{', ...' if len(spare) > 4 else ''}" if spare else ", none left"
    return f"{loaded} tensors loaded{left}"


def fit(params: Mapping[str, Param], weights: Weights, path: str | Path) -> dict[str, Any]:
    """The tensors that a net needs out of a checkpoint, as float32; raises `CompileError` that says what does not fit."""
    problems: list[str] = []
    spare = [n for n in weights.tensors if n not in params]
    for name, param in params.items():
        found = weights.tensors.get(name)
        if found is None:
            if name.endswith("num_batches_tracked"):
                continue
            near = get_close_matches(name, spare, n=1, cutoff=0.5)
            problems.append(f"`{name}` is missing" + (f"; the file has `{near[0]}`" if near else ""))
        elif tuple(found.shape) != param.shape:
            problems.append(f"`{name}` is {_shape(found.shape)} in the file, {_shape(param.shape)} in the net")
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        _fail("weights-mismatch", f"{path} does not fit: {'; '.join(problems[:3])}{more}", f"{len(params) - len(problems)} of {len(params)} tensors fit, {len(spare)} of the file are not used")
    return {n: weights.tensors[n].astype("float32", copy=False) for n in params if n in weights.tensors}


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"


def _fail(code: str, message: str, help: str) -> NoReturn:
    raise failure([Diagnostic(code, message, help=help)])
