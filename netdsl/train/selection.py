"""The weights that the names in a recipe mean: those of layers, of kinds of layers, and biases."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.data.calls import suggest
from netdsl.errors import EntryPart, SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netdsl.ir.graph import Graph

BIAS = "bias"


class NetNames(NamedTuple):
    """What a run has to know of a net besides its module.

    `outputs` are the names of the outputs, and `kinds` the kinds of the layers by their weights.
    """

    outputs: tuple[str, ...]
    kinds: Mapping[str, str]


ANY = NetNames(("output",), {})  # of a module without a text


def names_of(graph: Graph) -> NetNames:
    """The outputs and the kinds of a graph."""
    return NetNames(tuple(output.name for output in graph.outputs), kinds_of(graph))


def kinds_of(graph: Graph) -> dict[str, str]:
    """The kind of layer of every learned weight, by the name of the weight."""
    kinds: dict[str, str] = {}
    for node in graph.nodes:
        for key, param in node.params().items():
            if not param.is_constant and not param.tied:
                kinds.setdefault(node.tensor_name(key), node.op.kind)
    return kinds


class Selection:
    """The weights of a net, by their names, with the kinds of their layers.

    A name means the layer or the block of that label, with all that it contains. Otherwise it means
    a kind of layer, or all biases.
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = kinds

    def weights(self, name: str, key: str, part: EntryPart | None = None) -> list[str]:
        """The weights that a name means; raises SettingError `unknown-layer` if there are none."""
        found = [weight for weight in self.kinds if f"{weight}.".startswith(f"{name}.")]
        found = found or [weight for weight, kind in self.kinds.items() if kind == name]
        if not found and name == BIAS:
            found = [weight for weight in self.kinds if BIAS in weight.rpartition(".")[2]]
        if found:
            return found
        message = f"no layer with weights has the label or the kind `{name}`"
        raise SettingError("unknown-layer", message, key, suggest(name, self._names()), part=part)

    def values(
        self, pairs: Iterable[tuple[str, float]], key: str, part: EntryPart, rest: str
    ) -> dict[str, float]:
        """The value of each weight; a later pair replaces an earlier one, and `rest` is the last.

        Raises SettingError `unknown-layer`, and `bad-argument` if a weight gets no value.
        """
        values: dict[str, float] = {}
        others: float | None = None
        for name, value in pairs:
            if name == rest:
                others = value
            else:
                values |= dict.fromkeys(self.weights(name, key, part), value)
        left = [weight for weight in self.kinds if weight not in values]
        if left and others is None:
            message = f"`{part.argument}` of `{part.call}` has no value for `{left[0]}`"
            help_ = f"add a pair for all other weights, such as `({rest}, 0.01)`"
            raise SettingError("bad-argument", message, key, help_, part=part)
        return {weight: values.get(weight, others or 0.0) for weight in self.kinds}

    def _names(self) -> Sequence[str]:
        """The names that mean something: labels, the outer ones first, and kinds."""
        paths = [weight.split(".")[:-1] for weight in self.kinds]
        depth = max(map(len, paths), default=0)
        labels = [".".join(path[:n]) for n in range(1, depth + 1) for path in paths if path[:n]]
        return list(dict.fromkeys([*labels, *self.kinds.values(), BIAS]))
