"""Reads the weights that a user names and fits them to a net."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netdsl.arrays import open_archive, type_name
from netdsl.errors import NetdslError
from netdsl.weights.formats import NPZ, SAFETENSORS, format_of
from netdsl.weights.safetensors import read_safetensors
from netdsl.weights.tensors import TRACKED, as_array, as_float32, is_float, is_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.ir.graph import Graph
    from netdsl.ir.op import Param

SHOWN = 3  # problems or names in a message


class Weights(NamedTuple):
    """Tensors by name, as arrays, and the strings that the file has besides them."""

    tensors: dict[str, Any]
    metadata: dict[str, str]
    path: str = ""

    @property
    def name(self) -> str:
        """The name of the weights in messages."""
        return self.path or "the state dict"

    @property
    def kind(self) -> str:
        """The kind of source that the weights come from."""
        return "file" if self.path else "state dict"


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a checkpoint; its content decides how. Raises `NetdslError`."""
    path = Path(path)
    if os.path.isdir(path):  # unlike `Path.is_dir`, it accepts a name that is too long
        path /= "weights.safetensors"
    if not os.path.isfile(path):
        raise NetdslError(
            "file-not-found",
            f"there is no file {path}",
            help=(
                "weights are a safetensors file, a PyTorch checkpoint, a .npz archive, or the"
                " folder of a training run"
            ),
        )
    found = format_of(path)
    if found == SAFETENSORS:
        return Weights(*read_safetensors(path), str(path))
    if found == NPZ:
        return Weights(dict(open_archive(path)), {}, str(path))
    # PyTorch is imported only for its own file format: the others do not need it.
    from netdsl.weights.torch_checkpoint import read_torch

    return Weights(read_torch(path), {}, str(path))


def weights_of(given: object) -> Weights:
    """Take weights from Python: a state dict or the path of a file. Else raises `TypeError`."""
    if isinstance(given, (str, os.PathLike)) and isinstance(os.fspath(given), str):
        return read_weights(given)
    if not isinstance(given, Mapping):
        hint = "; give its `state_dict()`" if hasattr(given, "state_dict") else ""
        found = type(given).__name__
        raise TypeError(f"weights must be a state dict or the path of a file, not {found}{hint}")
    return Weights({_name(name): _numbers(name, value) for name, value in given.items()}, {})


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the names of weights must be str, not {type(name).__name__}")
    return name


def _numbers(name: str, value: object) -> Any:
    if not (is_tensor(value) or isinstance(value, np.ndarray)):
        kind = type(value).__name__
        raise TypeError(f"weights[{name!r}] must be a tensor or an array, not {kind}")
    try:
        return as_array(value)
    except TypeError as error:
        raise TypeError(f"weights[{name!r}] must be a plain tensor, not {error}") from error


def tensors_of(graph: Graph) -> dict[str, Param]:
    """Every tensor of the inference graph by its checkpoint name."""
    return {
        f"{n.module}.{k}": p
        for n in graph.nodes
        if n.aux is None
        for k, p in (n.params() | n.buffers()).items()
    }


def report(params: Mapping[str, Param], weights: Weights) -> str:
    """How much of a checkpoint a net uses, for a checkpoint that fits it.

    `122 tensors loaded, 2 of the file left: fc2.bias, fc2.weight`
    """
    prefix = prefix_of(params, weights)
    wanted = {prefix + n for n in params}
    names = [n for n in weights.tensors if not n.endswith(TRACKED)]
    spare = [n for n in names if n not in wanted]
    loaded = f"{len(names) - len(spare)} tensors loaded" + (f" from `{prefix}`" if prefix else "")
    if not spare:
        return f"{loaded}, none left"
    more = ", ..." if len(spare) > SHOWN + 1 else ""
    return f"{loaded}, {len(spare)} of the file left: {', '.join(spare[: SHOWN + 1])}{more}"


def prefix_of(params: Mapping[str, Param], weights: Weights) -> str:
    """The scope that a checkpoint has before the net's names: `module.`, `model.` or nothing.

    Raises `NetdslError` if the file has the net more than once.
    """
    needed = set(_needed(params))
    counts = Counter(n[:i] for n in weights.tensors for i in _starts(n) if n[i:] in needed)
    most = max(counts.values(), default=0)
    best = [prefix for prefix, count in counts.items() if count == most]
    if "" in best or not best or (len(best) > 1 and most < len(needed)):
        return ""
    if len(best) > 1:
        raise NetdslError(
            "weights-mismatch",
            f"{weights.name} has the tensors of the net {len(best)} times, under "
            f"{' and '.join(f'`{p}`' for p in best[:SHOWN])}",
            help="save the ones that you want under the names of the net",
        )
    return best[0]


def _needed(params: Iterable[str]) -> list[str]:
    return [n for n in params if not n.endswith(TRACKED)]


def _starts(name: str) -> list[int]:
    """The offsets in a name after its first scopes: after none of them, one, two and so on."""
    return [0, *(i + 1 for i, c in enumerate(name) if c == ".")]


def fit(
    params: Mapping[str, Param],
    weights: Weights,
    *,
    lazy: bool = False,
    allow_nonfinite: bool = False,
) -> dict[str, Any]:
    """The tensors of a checkpoint that a net needs, as float32, or unchanged with `lazy`.

    Raises `NetdslError` if they do not fit the net.
    """
    prefix = prefix_of(params, weights)
    held = {n: prefix + n for n in params if prefix + n in weights.tensors}
    problems = _problems(params, weights, held, prefix)
    if problems:
        more = f", and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        spare = sum(not n.endswith(TRACKED) for n in weights.tensors.keys() - held.values())
        needed = len(_needed(params))
        raise NetdslError(
            "weights-mismatch",
            f"{weights.name} does not fit: {'; '.join(problems[:SHOWN])}{more}",
            help=(
                f"{needed - len(problems)} of {needed} tensors fit, {spare} of the {weights.kind}"
                " are not used"
            ),
        )
    if lazy:
        return Fitting(weights.tensors, held)
    return {
        n: as_float32(n, np.asarray(weights.tensors[there]), allow_nonfinite=allow_nonfinite)
        for n, there in held.items()
    }


def _problems(
    params: Mapping[str, Param], weights: Weights, held: dict[str, str], prefix: str
) -> list[str]:
    wanted = {prefix + n for n in params}
    spare = [n for n in weights.tensors if n not in wanted]
    problems = []
    for name in _needed(params):
        found = weights.tensors[held[name]] if name in held else None
        if found is None:
            near = get_close_matches(name, spare, n=1, cutoff=0.5)
            problems.append(
                f"`{name}` is missing" + (f"; the {weights.kind} has `{near[0]}`" if near else "")
            )
        elif tuple(found.shape) != params[name].shape:
            there, here = _shape(found.shape), _shape(params[name].shape)
            problems.append(f"`{name}` is {there} in the {weights.kind}, {here} in the net")
        elif not is_float(found.dtype):
            # Whole numbers are quantised weights, which mean nothing without their scale. Complex
            # numbers would lose their imaginary part.
            problems.append(
                f"`{name}` holds {type_name(found.dtype)} in the {weights.kind}, "
                "the net takes floats"
            )
    return problems


class Fitting(dict[str, Any]):
    """The tensors that a net needs, under its names, unchanged from the checkpoint."""

    def __init__(self, tensors: Mapping[str, Any], held: dict[str, str]) -> None:
        super().__init__({name: tensors[there] for name, there in held.items()})
        self._held = held
        self._release = getattr(tensors, "release", None)

    def release(self, name: str, first: int, count: int) -> None:
        """Free the memory of elements that are no longer needed."""
        if self._release is not None:
            self._release(self._held[name], first, count)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
