"""The program that exports a module of PyTorch; it runs in a process of its own.

Its standard input is the request, a tuple of Python literals.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
import traceback
import warnings
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
from torch.utils._pytree import tree_leaves

from netdsl.runtime.quiet import quiet_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BATCH = 3  # samples of the example
CLOSE = 1e-3  # of the largest number of an output, by which module and model may differ


class ModuleInputs:
    """Random inputs of a module: the first by its position, the others by their names."""

    def __init__(self, module: torch.nn.Module, sizes: Mapping[str, Sequence[int]]) -> None:
        tensors = {name: torch.randn(BATCH, *shape) for name, shape in sizes.items()}
        parameters = list(inspect.signature(module.forward).parameters)
        unknown = [name for name in tensors if name and name not in parameters]
        if unknown:
            known = ", ".join(parameters)
            raise TypeError(f"forward has no parameter {unknown[0]}, only {known}")
        self.args = (tensors.pop(""),) if "" in tensors else ()
        self.kwargs = {name: tensors[name] for name in parameters if name in tensors}
        self.names = [*parameters[: len(self.args)], *self.kwargs]

    def arrays(self) -> dict[str, np.ndarray]:
        """The inputs by their names."""
        tensors = (*self.args, *self.kwargs.values())
        return {name: x.numpy() for name, x in zip(self.names, tensors, strict=True)}


def main() -> int:
    """Export the module of the request; the last line of standard error is what is wrong."""
    try:
        run(sys.stdin.read())
    except Exception as error:  # the code of the user raises any exception
        traceback.print_exc()
        first = next(iter(str(error).strip().splitlines()), "")
        sys.stderr.write(f"{type(error).__name__}: {first}\n")
        return 1
    return 0


def run(request: str) -> None:
    """Import, make, export and compare a module."""
    module, name, args, kwargs, sizes, path = ast.literal_eval(request)
    warnings.simplefilter("ignore")
    sys.path.insert(0, os.getcwd())
    made: Any = reduce(getattr, name.split("."), import_module(module))
    if not isinstance(made, torch.nn.Module):
        made = made(*args, **kwargs)
    if not isinstance(made, torch.nn.Module):
        raise TypeError(f"{module}:{name} makes a {type(made).__name__}, not a torch.nn.Module")
    made = made.float().eval()
    with torch.no_grad():
        export(made, ModuleInputs(made, sizes), path)
        compare(made, ModuleInputs(made, sizes), path)


def export(module: torch.nn.Module, example: ModuleInputs, path: str) -> None:
    """Write a module as an ONNX model, with its batch norms and the names of its weights.

    The model comes from a trace, which keeps these names. `torch.export` fails for a module that
    decides by the values of tensors, of which a trace would contain only one case.
    """
    torch.export.export(module, example.args, example.kwargs, strict=False)
    torch.onnx.export(
        module,
        example.args,
        path,
        kwargs=example.kwargs,
        input_names=example.names,
        dynamo=False,
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        verbose=False,
    )


def compare(module: torch.nn.Module, example: ModuleInputs, path: str) -> None:
    """Raise `ValueError` if the model gives other values than the module."""
    session = onnxruntime.InferenceSession(path, quiet_options(), ["CPUExecutionProvider"])
    taken = {each.name for each in session.get_inputs()}
    theirs = session.run(None, {k: v for k, v in example.arrays().items() if k in taken})
    own = [y.numpy() for y in tree_leaves(module(*example.args, **example.kwargs))]
    for mine, other in zip(own, theirs, strict=True):
        largest = float(np.abs(mine).max()) if mine.size else 0.0
        if mine.shape != other.shape or not np.allclose(mine, other, CLOSE, CLOSE * largest):
            raise ValueError("the exported model gives other values than the module")


if __name__ == "__main__":
    sys.exit(main())
