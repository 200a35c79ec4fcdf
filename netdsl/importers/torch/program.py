"""The program that exports a module of PyTorch; it runs in a process of its own.

Its standard input is the request, a tuple of Python literals. It writes the answer as JSON to a
file, because the code of the user may print anything.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.utils._pytree import tree_flatten_with_path, tree_leaves

from netdsl.importers.torch.code import ModuleError, imported_module, named_part, told
from netdsl.importers.torch.inputs import ModuleInputs
from netdsl.runtime.quiet import quiet_options

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOSE = 1e-3  # of the largest number of an output, by which module and model may differ
DECIDES = (
    "the text of a net has one case: choose with `torch.where`, or decide by sizes and by settings"
    " of the module"
)


def main() -> int:
    """Export the module of the request, and write the answer beside it."""
    request = sys.stdin.read()
    answer: dict[str, str]
    try:
        answer = {"name": run(request)}
    except ModuleError as error:
        answer = {"fact": str(error), "help": error.help}
    path = Path(ast.literal_eval(request)[-1]).with_suffix(".answer")
    path.write_text(json.dumps(answer), encoding="utf-8")
    return 0


def run(request: str) -> str:
    """Import, make, export and compare a module, and return its name.

    Raises `ModuleError` if its code fails, and if it cannot be exported.
    """
    module, name, args, kwargs, sizes, path = ast.literal_eval(request)
    warnings.simplefilter("ignore")
    sys.path.insert(0, os.getcwd())
    found = named_part(imported_module(module), module, name)
    made = _made(found, f"{module}:{name}", args, kwargs)
    with torch.no_grad():
        example = ModuleInputs(made, sizes)
        result = _result(made, example)
        export(made, example, path, output_names(result))
        compare(made, ModuleInputs(made, sizes), path)
    kind = type(made)
    return name.rpartition(".")[2] if kind.__module__.startswith("torch.") else kind.__name__


def _made(
    found: Any, shown: str, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> torch.nn.Module:
    """The module that a class or a function makes, ready for use; raises `ModuleError`."""
    advice = "name a class of modules, a function that returns one, or a module"
    made = found
    if not isinstance(made, torch.nn.Module):
        if not callable(found):
            kind = type(found).__name__
            raise ModuleError(f"it is of the type `{kind}`, not a torch.nn.Module", advice)
        with told(partial(_making_advice, found, shown, args, kwargs)):
            made = found(*args, **kwargs)
    if not isinstance(made, torch.nn.Module):
        kind = type(made).__name__
        raise ModuleError(f"it makes a value of the type `{kind}`, not a torch.nn.Module", advice)
    if type(made).forward is torch.nn.Module.forward:
        fact = f"the class `{type(made).__name__}` has no `forward`"
        raise ModuleError(fact, "define `forward(self, x)` in it, which computes the outputs")
    with told(lambda _: "the module must work with float32"):
        return made.float().eval()


def _making_advice(
    found: Any, shown: str, args: tuple[object, ...], kwargs: Mapping[str, object], error: Exception
) -> str:
    """Advice for a class or a function whose call fails with an error."""
    taken = ", ".join(f"{name}=..." for name in ModuleInputs.parameters(found))
    if isinstance(error, TypeError) and taken:
        try:
            inspect.signature(found).bind(*args, **kwargs)
        except TypeError:
            return f"give its arguments as Python literals: `{shown}({taken})`"
    return "the code that makes the module fails; it gets the arguments in the brackets"


def _result(module: torch.nn.Module, example: ModuleInputs) -> object:
    """What the module gives for an example; raises `ModuleError`."""
    advice = f"`forward` got {example.shown()}: --input has the sizes without the batch"
    with told(lambda _: advice):
        return module(*example.args, **example.kwargs)


def output_names(result: object) -> list[str]:
    """Names for the outputs, if the result names some of them, as a dict does."""
    leaves, _ = tree_flatten_with_path(result)
    keys = [[_key(part) for part in path] for path, _ in leaves]
    if all(key.isdecimal() for path in keys for key in path):
        return []
    names = [re.sub(r"\W+", "_", "_".join(path)) for path in keys]
    names = [name if name[:1].isalpha() else f"output{i}" for i, name in enumerate(names)]
    return names if len(set(names)) == len(names) else []


def _key(part: Any) -> str:
    """A key of a dict, the name of a field, or the number of a place."""
    for name in ("key", "name", "idx"):
        if hasattr(part, name):
            return str(getattr(part, name))
    return str(part)


def export(module: torch.nn.Module, example: ModuleInputs, path: str, outputs: list[str]) -> None:
    """Write a module as an ONNX model, with its batch norms and the names of its weights.

    The model comes from a trace, which keeps these names. `torch.export` fails for a module that
    decides by the values of tensors, of which a trace would contain only one case.
    """
    with told(_export_advice):
        torch.export.export(module, example.args, example.kwargs, strict=False)
        names = [f"{name}_out" if name in example.names else name for name in outputs]
        torch.onnx.export(
            module,
            example.args,
            path,
            kwargs=example.kwargs,
            input_names=example.names,
            output_names=names or None,
            dynamo=False,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            verbose=False,
        )


def _export_advice(error: Exception) -> str:
    """Advice for a module that runs, but that PyTorch cannot export."""
    if isinstance(error, (GuardOnDataDependentSymNode, DataDependentOutputException)):
        return f"its code decides by the values of tensors; {DECIDES}"
    return "the module runs, but PyTorch cannot export it to ONNX: simplify what the message names"


def compare(module: torch.nn.Module, example: ModuleInputs, path: str) -> None:
    """Raise `ModuleError` if the model gives other values than the module."""
    session = onnxruntime.InferenceSession(path, quiet_options(), ["CPUExecutionProvider"])
    taken = {each.name for each in session.get_inputs()}
    theirs = session.run(None, {k: v for k, v in example.arrays().items() if k in taken})
    own = [y.numpy() for y in tree_leaves(module(*example.args, **example.kwargs))]
    for mine, other in zip(own, theirs, strict=True):
        largest = float(np.abs(mine).max()) if mine.size else 0.0
        if mine.shape != other.shape or not np.allclose(mine, other, CLOSE, CLOSE * largest):
            advice = f"does it use random numbers, or decide by values? {DECIDES}"
            raise ModuleError("the exported model gives other values than the module", advice)


if __name__ == "__main__":
    sys.exit(main())
