"""Hints, about what is often but not always a mistake; and a warning about huge layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.cost import Costs
from netdsl.analysis.lint.skips import label_hints
from netdsl.analysis.receptive import receptive_fields
from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.ir.types import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node
    from netdsl.ir.types import Sym

FAR_LARGER = 4  # times the size of the input
MOST = 0.5  # a share of the weights
MANY_WEIGHTS = 100_000  # of a net that is worth making smaller
HUGE = 2 * 10**9  # weights of one layer, twenty times those of VGG's largest


def hints(graph: Graph) -> Iterator[Diagnostic]:
    """The hints about a net."""
    uses = graph.uses()
    for node in graph.nodes:
        before = node.inputs[0].producer
        if node.op.kind == "bn" and before is not None:
            if len(uses[id(node.inputs[0])]) == 1 and "bias" in before.params():
                yield _bias_before_norm(before, node)
            if before.op.kind.startswith("dropout"):
                yield _dropout_before_norm(before, node)
    yield from label_hints(graph)
    yield from _unused_rounds(graph)
    yield from _large_field(graph)
    yield from _dominant_layer(graph)


def _bias_before_norm(node: Node, norm: Node) -> Diagnostic:
    return Diagnostic(
        "bias-before-norm",
        f"the bias of this `{node.op.kind}` has no effect: the batch norm after it subtracts the"
        " mean",
        node.span,
        "info",
        notes=(Annotation("the batch norm is here", norm.span),),
        help="write `bias = false`",
    )


def _dropout_before_norm(node: Node, norm: Node) -> Diagnostic:
    return Diagnostic(
        "dropout-before-norm",
        f"`{node.op.kind}` changes the variance in training only, so the batch norm after it"
        " measures a variance that is wrong at inference",
        node.span,
        "info",
        notes=(Annotation("the batch norm is here", norm.span),),
        help="put the dropout after the last batch norm (Li et al. 2018, arXiv:1801.05134)",
    )


def _unused_rounds(graph: Graph) -> Iterator[Diagnostic]:
    """The layers with weights that reach no output, in a text whose other uses do."""
    needed = {id(output.value) for output in graph.outputs}
    needed.update(id(head.value) for head in graph.aux)
    useful: set[str] = set()  # names of weights
    for node in reversed(graph.nodes):
        if any(id(value) in needed for value in node.outputs):
            needed.update(id(value) for value in node.taken)
            useful.add(node.module)
            useful.update(param.tied for param in node.params().values())
    texts = {node.span for node in graph.nodes if node.module in useful}
    for node in graph.nodes:
        count = sum(param.size for param in node.params().values() if not param.tied)
        if count and node.module not in useful and node.span in texts:
            yield Diagnostic(
                "unused-round",
                f"no output uses the `{node.op.kind}` `{node.name}`, unlike others of this text:"
                f" its {count:,} parameters have no effect",
                node.span,
                "info",
                help="to leave it out, put it in an `if`, such as `if i < n - 1 { ... }` in a loop"
                " of `n` rounds",
            )


def _large_field(graph: Graph) -> Iterator[Diagnostic]:
    """The first layer whose receptive field is far larger than the input."""
    if len(graph.inputs) != 1:
        return
    sizes = graph.inputs[0].type.spatial
    for node, field in zip(graph.nodes, receptive_fields(graph), strict=True):
        if len(field) == len(sizes) and any(map(_is_far_larger, field, sizes)):
            yield Diagnostic(
                "large-receptive-field",
                f"the receptive field of this `{node.op.kind}` is {shape_text(field)}, more than"
                f" {FAR_LARGER} times the input of {shape_text(sizes)}",
                node.span,
                "info",
                help="use fewer strides and layers, or larger pictures",
            )
            return


def _is_far_larger(extent: int | Sym, size: int | Sym) -> bool:
    """Whether a receptive field is far larger than an input; open sizes are not compared."""
    return isinstance(extent, int) and isinstance(size, int) and extent > FAR_LARGER * size


def huge_layers(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each `dense` layer that takes a whole map, and has billions of weights."""
    for node, cost in graph.derived(Costs).rows():
        source = node.inputs[0].producer
        if node.op.kind != "dense" or not isinstance(cost.weights, int) or cost.weights < HUGE:
            continue
        if source is not None and source.op.kind == "flatten":
            yield Diagnostic(
                "huge-layer",
                f"this `dense` has {cost.weights:,} weights ({4 * cost.weights / 1e9:,.1f} GB): it"
                f" takes all numbers of a {source.types[0]} map",
                node.span,
                "warning",
                notes=(Annotation("the map is flattened here", source.span),),
                help="make the map smaller before `flatten`: write `maxpool(2)` after groups of"
                " layers, or `gap` before it",
            )


def _dominant_layer(graph: Graph) -> Iterator[Diagnostic]:
    """A dense layer with more than half of all weights, unless the net is small."""
    costs = graph.derived(Costs)
    total = costs.totals().weights
    inner = [(node, cost) for node, cost in costs.rows() if node.aux is None]
    dense = [(node, cost) for node, cost in inner if node.op.kind == "dense"]
    if total < MANY_WEIGHTS or len([cost for _, cost in costs.rows() if cost.weights]) < 2:
        return
    for node, cost in dense:
        if cost.weights > MOST * total:
            yield Diagnostic(
                "dominant-layer",
                f"this `dense` has {cost.weights:,} of the {total:,} weights"
                f" ({100 * cost.weights / total:.0f} %)",
                node.span,
                "info",
                help="pool before it, for instance with `gap -> flatten`, or give it fewer units",
            )
