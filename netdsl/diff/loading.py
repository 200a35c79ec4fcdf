"""Which weights of one net another net loads: by their names in checkpoints, and their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.ir.op import COUNTER

if TYPE_CHECKING:
    from netdsl.diff.matching import Matching
    from netdsl.ir.graph import Graph, Node
    from netdsl.ir.op import Param

Shape = tuple[int, ...]


class Loading(NamedTuple):
    """What becomes of the tensors of a checkpoint of the first net in the second.

    `loaded` are the names with equal shapes; `reshaped` those with two shapes; `missing` are in the
    second net only and stay without numbers, `unused` are in the checkpoint only. `misplaced` are
    names that load although they now belong to another layer: the numbers would be in the wrong
    place. `renamed` are the tensors that are the same but are called differently, by their old
    names.
    """

    loaded: dict[str, Shape]
    reshaped: dict[str, tuple[Shape, Shape]]
    missing: dict[str, Shape]
    unused: dict[str, Shape]
    misplaced: list[str]
    renamed: dict[str, str]
    share: float  # of the numbers of the second net

    @property
    def is_complete(self) -> bool:
        """Whether a checkpoint of the first net is one of the second."""
        return not (self.reshaped or self.missing or self.unused or self.misplaced)


def loading_of(matching: Matching) -> Loading:
    """Compare the tensors of two nets, without auxiliary heads and counters of batches."""
    before, after = map(_tensors, matching.graphs)
    called = _called(matching)
    loaded = {k: p.shape for k, (p, _) in after.items() if k in before and _fits(before, p, k)}
    reshaped = {
        k: (before[k][0].shape, p.shape)
        for k, (p, _) in after.items()
        if k in before and k not in loaded
    }
    missing = {k: p.shape for k, (p, _) in after.items() if k not in before}
    unused = {k: p.shape for k, (p, _) in before.items() if k not in after}
    misplaced = [k for k in loaded if called.get(k, k) != k or _is_other(called, k)]
    renamed = {
        old: new
        for old, new in called.items()
        if old != new
        and old in before
        and new in after
        and before[old][0].shape == after[new][0].shape
    }
    numbers = sum(p.size for p, _ in after.values())
    right = sum(after[k][0].size for k in loaded if k not in misplaced)
    share = 1.0
    if numbers:
        share = right / numbers
    return Loading(loaded, reshaped, missing, unused, misplaced, renamed, share)


def _tensors(graph: Graph) -> dict[str, tuple[Param, Node]]:
    tensors: dict[str, tuple[Param, Node]] = {}
    for node in graph.nodes:
        if node.aux is None:
            for name, param in node.tensors().items():
                if not name.endswith(COUNTER) and not param.is_constant:
                    tensors.setdefault(name, (param, node))
    return tensors


def _fits(before: dict[str, tuple[Param, Node]], param: Param, name: str) -> bool:
    return before[name][0].shape == param.shape


def _called(matching: Matching) -> dict[str, str]:
    """The name in the second net of each tensor of the first whose layer the second has."""
    called: dict[str, str] = {}
    for a, b in matching.pairs():
        if a.is_layer and a.kind == b.kind and not a.node.shared:
            keys = a.node.params() | a.node.buffers()
            called |= {a.node.tensor_name(k): b.node.tensor_name(k) for k in keys}
    return called


def _is_other(called: dict[str, str], name: str) -> bool:
    """Whether a name belongs to a layer that is new, or was another one."""
    return name not in called
