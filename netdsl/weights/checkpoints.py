"""Reads the weights that a user names and fits them to a net."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.arrays import open_archive, type_name
from netdsl.errors import NetdslError
from netdsl.ir.op import COUNTER
from netdsl.missing import no_file
from netdsl.weights.dtypes import is_float
from netdsl.weights.formats import NPZ, SAFETENSORS, format_of
from netdsl.weights.safetensors import read_safetensors
from netdsl.weights.tensors import as_array, as_float32, is_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.ir.graph import Graph
    from netdsl.ir.op import Param
    from netdsl.weights.tensors import Array

SHOWN = 3  # problems or names in a message


class Weights(NamedTuple):
    """Tensors by name, as arrays, and the strings that the file has besides them.

    `path` is empty for a state dict.
    """

    tensors: Mapping[str, Array]
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
    """Read a checkpoint, or the weights of a training run from its folder.

    The content of the file determines its format. Raises `NetdslError`.
    """
    path = Path(path)
    if os.path.isdir(path):  # unlike `Path.is_dir`, it accepts a name that is too long
        path /= "weights.safetensors"
    if not os.path.isfile(path):
        raise no_file(
            path,
            "netdsl ships no weights: name a safetensors file, a PyTorch checkpoint, a .npz"
            " archive, or the folder of a training run, which `netdsl train` makes",
        )
    format = format_of(path)
    if format == SAFETENSORS:
        return Weights(*read_safetensors(path), str(path))
    if format == NPZ:
        return Weights(dict(open_archive(path)), {}, str(path))
    # PyTorch is imported only for its own file format: the others do not need it.
    from netdsl.weights.torch_checkpoint import read_torch

    return Weights(read_torch(path), {}, str(path))


def weights_of(given: object) -> Weights:
    """The weights that a program gives: a state dict, or the path of a file.

    Raises `TypeError` for anything else, and `NetdslError` for a file that cannot be read.
    """
    if isinstance(given, (str, os.PathLike)) and isinstance(os.fspath(given), str):
        return read_weights(given)
    if not isinstance(given, Mapping):
        hint = "; give its `state_dict()`" if hasattr(given, "state_dict") else ""
        kind = type(given).__name__
        raise TypeError(f"weights must be a state dict or the path of a file, not {kind}{hint}")
    return Weights({_name(name): _array(name, value) for name, value in given.items()}, {})


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the names of weights must be str, not {type(name).__name__}")
    return name


def _array(name: str, value: object) -> Array:
    if not (is_tensor(value) or isinstance(value, np.ndarray)):
        kind = type(value).__name__
        raise TypeError(f"weights[{name!r}] must be a tensor or an array, not {kind}")
    try:
        return as_array(value)
    except TypeError as error:
        raise TypeError(f"weights[{name!r}] must be a plain tensor, not {error}") from error


def tensors_of(graph: Graph) -> dict[str, Param]:
    """Every tensor of the inference graph by its checkpoint name.

    A tied weight is one of them, beside the weight that it is.
    """
    tensors: dict[str, Param] = {}
    for node in graph.nodes:
        if node.aux is None:
            tensors |= node.tensors()
    return tensors


def needs_weights(graph: Graph) -> bool:
    """Whether a net has tensors whose numbers are not in its text."""
    params = tensors_of(graph).values()
    return any(not p.is_constant and not p.tied and p.init != "literal" for p in params)


def report(params: Mapping[str, Param], weights: Weights) -> str:
    """A line about how much of a checkpoint a net uses, for a checkpoint that fits it.

    `122 tensors loaded, 2 unused: fc2.bias, fc2.weight`
    """
    prefix = prefix_of(params, weights)
    names = _without_counters(weights.tensors)
    spare = _spare(names, params, prefix)
    loaded = f"{len(names) - len(spare)} tensors loaded"
    if prefix:
        loaded += f" from `{prefix}`"
    if not spare:
        return f"{loaded}, none unused"
    more = ", ..." if len(spare) > SHOWN + 1 else ""
    return f"{loaded}, {len(spare)} unused: {', '.join(spare[: SHOWN + 1])}{more}"


def prefix_of(params: Mapping[str, Param], weights: Weights) -> str:
    """The text before the net's names in a checkpoint, such as `module.`, or an empty text.

    Raises `NetdslError` if the file contains the net more than once.
    """
    needed = set(_needed(params))
    counts = Counter(
        name[:start]
        for name in weights.tensors
        for start in _starts(name)
        if name[start:] in needed
    )
    most = max(counts.values(), default=0)
    best = [prefix for prefix, count in counts.items() if count == most]
    if "" in best or not best or (len(best) > 1 and most < len(needed)):
        return ""
    if len(best) > 1:
        raise NetdslError(
            "weights-mismatch",
            f"{weights.name} has the tensors of the net {len(best)} times, under "
            f"{' and '.join(f'`{prefix}`' for prefix in best[:SHOWN])}",
            help="save the ones that you want under the names of the net",
        )
    return best[0]


def _without_counters(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.endswith(COUNTER)]


def _needed(params: Mapping[str, Param]) -> list[str]:
    """The names of the tensors that a checkpoint must have.

    It need not have constants, nor a weight a second time under the name of a layer that is tied to
    it.
    """
    names = _without_counters(params)
    return [n for n in names if not params[n].is_constant and not params[n].tied]


def _spare(names: Iterable[str], params: Iterable[str], prefix: str) -> list[str]:
    """The names of a checkpoint that a net does not need."""
    wanted = {prefix + name for name in params}
    return [name for name in names if name not in wanted]


def _starts(name: str) -> list[int]:
    """The offsets in a name after its first scopes: after none of them, one, two and so on."""
    return [0, *(i for i, before in enumerate(name, start=1) if before == ".")]


def fit(
    params: Mapping[str, Param],
    weights: Weights,
    *,
    lazy: bool = False,
    allow_nonfinite: bool = False,
) -> dict[str, Array]:
    """The tensors of a checkpoint that a net needs, as float32, or unchanged with `lazy`.

    Raises `NetdslError` if they do not fit the net.
    """
    prefix = prefix_of(params, weights)
    problems = _problems(params, weights, prefix)
    if problems:
        spare = _without_counters(_spare(weights.tensors, params, prefix))
        more = f", and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        unused = len(spare)
        if spare and not _sources(params, weights.tensors, prefix):
            has = ", ".join(f"`{name}`" for name in spare[:SHOWN]) + ", ..." * (unused > SHOWN)
            more += f"; the {weights.kind} has other names: {has}"
        needed = len(_needed(params))
        help_ = (
            f"{needed - len(problems)} of {needed} tensors fit, {unused} in the {weights.kind}"
            f" are unused{_how_to_fit(weights, problems, unused)}"
        )
        if "net" not in weights.metadata and len(problems) > needed / 2:
            help_ += ": these are probably the weights of another net"
        elif "net" not in weights.metadata and _lacks_only(problems, unused, weights):
            help_ += ": these are probably the weights of a smaller net"
        size = _other_size(params, weights, prefix)
        if size is not None:
            help_ += f"; if a parameter of the net sets this size, write `-D NAME={size}`"
        raise NetdslError(
            "weights-mismatch",
            f"{weights.name} does not fit: {'; '.join(problems[:SHOWN])}{more}",
            help=help_,
        )
    fitting = Fitting(_sources(params, weights.tensors, prefix), weights.tensors)
    if lazy:
        return fitting
    return {
        name: as_float32(name, np.asarray(tensor), allow_nonfinite=allow_nonfinite)
        for name, tensor in fitting.items()
    }


def _lacks_only(problems: Sequence[str], unused: int, weights: Weights) -> bool:
    """Whether a file is only incomplete."""
    are_missing = all(problem.endswith(" is missing") for problem in problems)
    return are_missing and not unused and weights.kind != "state dict"


def _how_to_fit(weights: Weights, problems: Sequence[str], unused: int) -> str:
    """Advice for weights of another net, or for a state dict in which tensors are missing."""
    if "net" in weights.metadata:
        own = f"it has the weights of the net `{weights.metadata['net']}`"
        return f"; {own}: name the text that was trained, or train this net"
    are_missing = all(problem.endswith(" is missing") for problem in problems)
    if weights.kind == "state dict" and are_missing and not unused:
        return "; begin with all of them, `net.torch().state_dict()`, and replace your own"
    return ""


def _other_size(params: Mapping[str, Param], weights: Weights, prefix: str) -> int | None:
    """The size in a checkpoint that explains why shapes differ, if there is only one.

    A checkpoint without some tensors of the net is that of another net, which no size makes fit.
    """
    sources = _sources(params, weights.tensors, prefix)
    needed = _needed(params)
    if not sources.keys() >= set(needed):
        return None
    pairs = [(weights.tensors[sources[n]].shape, params[n].shape) for n in needed]
    differing = {
        (there, here)
        for theirs, ours in pairs
        if len(theirs) == len(ours)
        for there, here in zip(theirs, ours, strict=True)
        if there != here
    }
    return differing.pop()[0] if len(differing) == 1 else None


def _problems(params: Mapping[str, Param], weights: Weights, prefix: str) -> list[str]:
    """The reasons why tensors of a net are missing or do not fit, one for each of these tensors."""
    spare = _without_counters(_spare(weights.tensors, params, prefix))
    sources = _sources(params, weights.tensors, prefix)
    problems = []
    for name in _needed(params):
        if name in sources:
            problem = _problem(name, weights.tensors[sources[name]], params[name], weights.kind)
        else:
            problem = f"`{name}` is missing"
            for near in get_close_matches(name, spare if sources else (), n=1, cutoff=0.5):
                problem += f"; the {weights.kind} has `{near}`"
                spare.remove(near)
        if problem:
            problems.append(problem)
    return problems or _contradictions(params, weights, prefix)


def _contradictions(params: Mapping[str, Param], weights: Weights, prefix: str) -> list[str]:
    """The constants and tied weights to which a checkpoint gives numbers of their own."""
    tensors = weights.tensors
    contradictions = []
    for name, param in params.items():
        tensor = tensors.get(prefix + name)
        if tensor is None:
            continue
        owner = tensors.get(prefix + param.tied)
        if (
            param.tied
            and owner is not None
            and not np.array_equal(np.asarray(tensor), np.asarray(owner))
        ):
            contradictions.append(
                f"`{name}` and `{param.tied}` differ in the {weights.kind}, but are one weight in"
                " the net"
            )
        elif param.is_constant:
            problem = _difference(name, tensor, param, weights.kind)
            contradictions += [problem] if problem else []
    return contradictions


def _difference(name: str, tensor: Array, param: Param, kind: str) -> str:
    """The reason why a tensor is not the constant of the net, or an empty text."""
    problem = _shape_problem(name, tensor, param, kind)
    constant = np.array(param.values, param.dtype).reshape(param.shape)
    if problem or np.array_equal(np.asarray(tensor), constant):
        return problem
    return f"`{name}` is a constant of the net, but has other numbers in the {kind}"


def _shape_problem(name: str, tensor: Array, param: Param, kind: str) -> str:
    if tuple(tensor.shape) == param.shape:
        return ""
    there, here = _shape(tensor.shape), _shape(param.shape)
    return f"`{name}` is {there} in the {kind}, but {here} in the net"


def _problem(name: str, tensor: Array, param: Param, kind: str) -> str:
    """The reason why a tensor does not fit, or an empty text."""
    problem = _shape_problem(name, tensor, param, kind)
    if problem:
        return problem
    if not is_float(tensor.dtype):
        # Whole numbers are quantised weights, which mean nothing without their scale. Complex
        # numbers would lose their imaginary part.
        own = type_name(tensor.dtype)
        return f"`{name}` has type {own} in the {kind}, but the net takes floats"
    return ""


def _sources(
    params: Mapping[str, Param], tensors: Mapping[str, Array], prefix: str
) -> dict[str, str]:
    """The names in a checkpoint of the tensors that a net takes from it, by their names in the net.

    A weight that other layers are tied to may be there only under one of their names.
    """
    sources = {
        name: prefix + name
        for name, param in params.items()
        if prefix + name in tensors and not param.is_constant and not param.tied
    }
    for name, param in params.items():
        if param.tied and prefix + name in tensors:
            sources.setdefault(param.tied, prefix + name)
    return sources


class Fitting(dict[str, "Array"]):
    """The tensors that a net needs, under its names, unchanged from the checkpoint.

    `sources` has their names in the checkpoint.
    """

    def __init__(self, sources: Mapping[str, str], tensors: Mapping[str, Array]) -> None:
        super().__init__({name: tensors[source] for name, source in sources.items()})
        self._sources = sources
        self._release = getattr(tensors, "release", None)

    def release(self, name: str, first: int, count: int) -> None:
        """Free the memory of elements that are no longer needed."""
        if self._release is not None:
            self._release(self._sources[name], first, count)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
