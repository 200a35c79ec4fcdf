"""Explains why a module cannot be called with what it is given: another shape or type of inputs.

A call that works costs nothing more, and PyTorch's own tools do not see the explanation.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netdsl.backends.torch.names import distinct, identifier
from netdsl.ir.types import shape_text
from netdsl.weights.tensors import is_tensor
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from netdsl.ir.graph import Graph
    from netdsl.ir.types import Sym

CONVERT = MappingProxyType({"float32": ".float()", "int64": ".long()"})
SCALARS = (str, bytes, int, float)


class ModuleInput(NamedTuple):
    """An input of a module: its name, and its sizes without the batch; None is any size.

    `text` is the shape as messages show it.
    """

    name: str
    sizes: tuple[int | None, ...]
    dtype: str
    text: str


def inputs_of(graph: Graph) -> tuple[ModuleInput, ...]:
    """The inputs of the module of a graph, with the names that its `forward` has."""
    names = distinct(identifier(value.name) for value in graph.inputs)
    return tuple(
        ModuleInput(
            name,
            tuple(map(_fixed, value.type.shape)),
            value.type.dtype,
            f"Nx{shape_text(value.type.shape)}".removesuffix("xscalar"),
        )
        for name, value in zip(names, graph.inputs, strict=True)
    )


def _fixed(size: int | Sym) -> int | None:
    return size if isinstance(size, int) else None


def explain_misfits(
    root: type[torch.nn.Module], inputs: tuple[ModuleInput, ...], is_compiling: Callable[[], bool]
) -> None:
    """Let a class of modules explain a call that fails because its inputs do not fit.

    The exception is a `TypeError` for what is no tensor, and otherwise a `RuntimeError`, as those
    of PyTorch are. A class that inherits from this one may take other inputs.
    """

    def call(self: Any, *args: object, **kwargs: object) -> object:
        forward: Callable[..., object] = super(root, self).__call__
        if is_compiling():
            return forward(*args, **kwargs)
        try:
            return forward(*args, **kwargs)
        except Exception:
            if type(self) is not root:
                raise
            given = dict(zip((i.name for i in inputs), args, strict=False)) | kwargs
            misfit = _misfit(root.__name__, inputs, given, self)
            if misfit is None:
                raise
            raise misfit from None

    call.__name__ = call.__qualname__ = "__call__"
    member: Any = root
    member.__call__ = call


def _misfit(
    net: str, inputs: tuple[ModuleInput, ...], given: Mapping[str, object], module: torch.nn.Module
) -> Exception | None:
    """The error about the first input that does not fit, or None if all of them do."""
    for wanted in inputs:
        if wanted.name not in given:
            return None  # Python's own message has the names that are missing
    for wanted in inputs:
        value: Any = given[wanted.name]
        head = f"`{net}` takes `{wanted.name}` as a tensor of {wanted.text}, where N is the batch"
        if isinstance(value, (np.ndarray, list, tuple, *SCALARS)):
            return TypeError(f"{head}; found {_no_tensor(wanted, value)}")
        if not is_tensor(value):
            continue
        problems = _of_shape(wanted, tuple(value.shape)) or _of_type(wanted, value, module)
        if problems:
            found = "x".join(map(str, value.shape)) or "a single number"
            return RuntimeError(f"{head}; found {found}: {problems}")
    return None


def _no_tensor(wanted: ModuleInput, value: Any) -> str:
    """What is found in place of a tensor, and how it becomes one."""
    if isinstance(value, np.ndarray):
        convert = CONVERT.get(wanted.dtype, "") * (value.dtype != wanted.dtype)
        made = f"`torch.from_numpy({wanted.name}){convert}` makes it a tensor"
        return "; ".join(filter(None, [f"a NumPy array: {made}", _of_shape(wanted, value.shape)]))
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__}: `torch.tensor({wanted.name})` makes a tensor of numbers"
    return f"a {type(value).__name__}"


def _of_shape(wanted: ModuleInput, shape: tuple[int, ...]) -> str:
    """Why a shape does not fit, and what would, or an empty text."""
    sizes, name = wanted.sizes, wanted.name
    if len(shape) == len(sizes):
        return f"the batch is missing, and `{name}.unsqueeze(0)` adds it{_also(wanted, shape)}"
    if len(shape) != len(sizes) + 1:
        return f"it has {counted(len(shape), 'axis')} and not {len(sizes) + 1}"
    if _fits(sizes, shape[1:]):
        return ""
    order = (0, len(shape) - 1, *range(1, len(shape) - 1))
    if len(shape) > 2 and _fits(sizes, tuple(shape[i] for i in order)[1:]):
        axes = ", ".join(map(str, order))
        return f"the channels come last: `{name}.permute({axes})` moves them"
    return _wrong_sizes(sizes, shape)


def _also(wanted: ModuleInput, shape: tuple[int, ...]) -> str:
    """The rest of the message about a sample whose sizes do not fit either."""
    whole = (1, *shape)
    return f"; then {_wrong_sizes(wanted.sizes, whole)}" * (not _fits(wanted.sizes, shape))


def _fits(sizes: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    return all(size in (None, given) for size, given in zip(sizes, shape, strict=True))


def _wrong_sizes(sizes: tuple[int | None, ...], shape: tuple[int, ...]) -> str:
    """The axes whose sizes differ: `axis 2 has 28 and not 32`."""
    pairs = enumerate(zip(shape[1:], sizes, strict=True), start=1)
    wrong = [f"axis {i} has {given} and not {size}" for i, (given, size) in pairs if size != given]
    return ", ".join(text for text in wrong if not text.endswith("None"))


def _of_type(wanted: ModuleInput, value: torch.Tensor, module: torch.nn.Module) -> str:
    """Why the type of a tensor does not fit, and what would, or an empty text."""
    if wanted.dtype == "int64":
        problem = f"its type is {value.dtype}: `{wanted.name}.long()` has integers"
        return problem * value.is_floating_point()
    weights = {p.dtype for p in module.parameters() if p.is_floating_point()}
    if len(weights) != 1 or value.dtype in weights:
        return ""
    (dtype,) = weights
    fit = f"`{wanted.name}.to({dtype})` fits"
    return f"its type is {value.dtype}, and that of the weights {dtype}: {fit}"
