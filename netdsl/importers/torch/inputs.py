"""Random inputs of a module of PyTorch, for its export and for a comparison."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from netdsl.diagnostics import did_you_mean
from netdsl.importers.torch.code import ModuleError
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

BATCH = 3  # samples of the example


class ModuleInputs:
    """Random inputs of a module: the first by its position, the others by their names."""

    def __init__(self, module: torch.nn.Module, sizes: Mapping[str, Sequence[int]]) -> None:
        tensors = {name: torch.randn(BATCH, *shape) for name, shape in sizes.items()}
        parameters = self.parameters(module.forward)
        self._check(parameters, sizes)
        self.args = (tensors.pop(""),) if "" in tensors else ()
        self.kwargs = {name: tensors[name] for name in parameters if name in tensors}
        self.names = [*list(parameters)[: len(self.args)], *self.kwargs]

    @staticmethod
    def parameters(function: Any) -> dict[str, bool]:
        """The names of the parameters of a function, and whether each must be given."""
        try:
            found = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # a builtin may have no signature
            return {}
        lists = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return {p.name: p.default is p.empty for p in found if p.kind not in lists}

    @staticmethod
    def _check(parameters: Mapping[str, bool], sizes: Mapping[str, Sequence[int]]) -> None:
        """Raise `ModuleError` for inputs that `forward` does not have, and for missing ones."""
        known = listed([f"`{name}`" for name in parameters]) or "none"
        for name in sizes:
            if name and name not in parameters:
                advice = did_you_mean(name, parameters) or f"its parameters: {known}"
                raise ModuleError(f"forward has no parameter `{name}`", advice)
        first = list(parameters)[:1] if "" in sizes else []
        if first and first[0] in sizes:
            raise ModuleError(
                f"the sizes of `{first[0]}` are given twice", "give each --input a name"
            )
        given = [name for name in parameters if name in sizes or name in first]
        missing = [name for name, needed in parameters.items() if needed and name not in given]
        if missing:
            shown = [
                f"--input {name}={'x'.join(map(str, sizes.get(name, sizes.get('', ()))))}"
                for name in given
            ]
            example = " ".join([*shown, *(f"--input {name}=3x8x8" for name in missing)])
            advice = f"give the sizes of each, without the batch, such as `{example}`"
            raise ModuleError(f"forward needs `{missing[0]}`, which has no --input", advice)

    def shown(self) -> str:
        """The inputs and their shapes, for a message."""
        tensors = (*self.args, *self.kwargs.values())
        shapes = ["x".join(map(str, x.shape)) for x in tensors]
        named = [f"`{n}` of {s}" for n, s in zip(self.names, shapes, strict=True)]
        return f"{listed(named)} in float32, {BATCH} samples"

    def arrays(self) -> dict[str, np.ndarray]:
        """The inputs by their names."""
        tensors = (*self.args, *self.kwargs.values())
        return {name: x.numpy() for name, x in zip(self.names, tensors, strict=True)}
