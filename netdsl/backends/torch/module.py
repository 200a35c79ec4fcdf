"""Makes a `torch.nn.Module` of a graph by running the source that `source` writes."""

from __future__ import annotations

import linecache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from netdsl.backends.torch.calls import explain_misfits, inputs_of
from netdsl.backends.torch.source import class_name, emit_source
from netdsl.weights.checkpoints import fit, tensors_of, weights_of
from netdsl.weights.tensors import as_float32

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import SupportsIndex

    import torch

    from netdsl.backends.torch.calls import ModuleInput
    from netdsl.ir.graph import Graph


def lower(graph: Graph) -> torch.nn.Module:
    """A module with the graph's names, in training mode as PyTorch's modules are.

    In training, a net with auxiliary heads returns its outputs and then the values of the heads.
    The attribute `aux_weights` has the weights of the heads, and `source` has the source.
    """
    text = emit_source(graph, standalone=False)
    weights = tuple(head.weight for head in graph.aux)
    return Source(graph.name, class_name(graph), text, weights, inputs_of(graph)).root()()


class Source(NamedTuple):
    """The source of a module; `name` is the name of its class, and `net` that of the net.

    `inputs` explain calls that fail.
    """

    net: str
    name: str
    text: str
    aux_weights: tuple[float, ...]
    inputs: tuple[ModuleInput, ...]

    def root(self) -> type[torch.nn.Module]:
        """The class of the whole module: the same one for as long as the class is in use."""
        made = _CLASSES.get(self)
        if made is None:
            made = _CLASSES[self] = self._run()
        return made

    def _run(self) -> type[torch.nn.Module]:
        file = f"<netdsl {self.net}>"
        lines = self.text.splitlines(keepends=True)
        if file in linecache.cache and linecache.cache[file][2:3] != (lines,):
            # PyTorch's compiler reads the source from there: each text has a name of its own.
            file = f"<netdsl {self.net} {sha256(self.text.encode()).hexdigest()[:8]}>"
        linecache.cache[file] = (len(self.text), None, lines, file)
        space: dict[str, Any] = {"__name__": f"netdsl.generated.{self.net}"}
        exec(compile(self.text, file, "exec"), space)
        for value in space.values():
            if getattr(value, "__module__", None) == space["__name__"] and isinstance(value, type):
                _make_picklable(value, self)
        root: Any = space[self.name]
        # Attributes of the class do not collide with members that have these names.
        root.aux_weights = list(self.aux_weights)
        root.source = self.text
        made: type[torch.nn.Module] = root
        explain_misfits(made, self.inputs, space["torch"].compiler.is_compiling)
        return made


_CLASSES: WeakValueDictionary[Source, type[torch.nn.Module]] = WeakValueDictionary()


def _make_picklable(part: Any, source: Source) -> None:
    """Let instances of a class of a source be copied and pickled.

    No file has the class, so a pickle has the source instead, which another process runs again.
    """

    def reduce(self: object, protocol: SupportsIndex) -> tuple[object, ...]:
        made_by, arguments, *state = super(part, self).__reduce_ex__(protocol)
        if type(self) is part:
            made_by, arguments = without_state, (*source, part.__name__)
        return made_by, arguments, *state

    part.__reduce_ex__ = reduce


def without_state(
    net: str,
    name: str,
    text: str,
    aux_weights: tuple[float, ...],
    inputs: tuple[ModuleInput, ...],
    part: str,
) -> torch.nn.Module:
    """An instance of a class of a source, to which a pickle then gives its members."""
    root: Any = Source(net, name, text, aux_weights, inputs).root()
    cls: type[torch.nn.Module] = root.forward.__globals__[part]
    return cls.__new__(cls)


def load(
    module: torch.nn.Module, graph: Graph, weights: object, *, allow_nonfinite: bool = False
) -> None:
    """Give a module of a graph the weights of a state dict or of a file.

    Auxiliary heads keep their own weights, because the given ones need not include them. Raises
    `NetdslError` for weights that do not fit.
    """
    fitting = fit(tensors_of(graph), weights_of(weights), lazy=True)
    set_weights(module, fitting, allow_nonfinite=allow_nonfinite)


def set_weights(
    module: torch.nn.Module, tensors: Mapping[str, object], *, allow_nonfinite: bool = False
) -> None:
    """Copy tensors, by their names in the state dict, into a module on the CPU.

    The other tensors of the module stay as they are. Raises `NetdslError` for numbers that
    `as_float32` refuses.
    """
    state = module.state_dict()
    for name, values in tensors.items():
        numbers = np.asarray(values)
        if state[name].is_floating_point():
            numbers = as_float32(name, numbers, allow_nonfinite=allow_nonfinite)
        state[name].numpy()[...] = numbers  # writes to the memory of the module, without a copy
