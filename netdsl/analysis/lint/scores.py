"""Warnings about activations on the scores of classes, which a loss takes as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.syntax import ast

ABOUT_THE_LOSS = ("softmax-before-loss", "activation-on-logits")  # the codes of this module
LOSS = "cross_entropy"  # the loss of a `train` section without `loss`
SOFTMAX = ("softmax", "log_softmax")
# Activations for the layers inside a net. Others can be meant for an output: `sigmoid`, `tanh`.
INNER = (
    "relu",
    "relu6",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "hard_swish",
    "mish",
)
SCORES = ("output", "logits", "scores")  # names of outputs; `output` is the default
CLASSES = ("cls", "class", "classes", "logits", "scores", "labels")  # outputs with scores
MOVES = ("flatten", "reshape", "dropout")  # layers that keep the numbers


def score_warnings(graph: Graph, train: ast.Train | None) -> Iterator[Diagnostic]:
    """The warnings about the outputs of a net that are scores of classes."""
    loss = _cross_entropy(train)
    values = [output.value for output in graph.outputs]
    if loss is not None:
        for value in [*values, *(head.value for head in graph.aux)]:
            yield from _before_loss(_maker(value), loss)
        return
    for output in graph.outputs:
        if output.name.endswith(SCORES):
            yield from _on_scores(_maker(output.value), output.name)


def head_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for an output whose only layer takes the scores of another output."""
    heads = {id(output.value): output for output in graph.outputs}
    for output in graph.outputs:
        node = output.value.producer
        source = None if node is None else heads.get(id(node.inputs[0]))
        if node is None or source is None or source.name.lower() not in CLASSES:
            continue
        maker = source.value.producer
        if maker is None or (maker.op.kind, node.op.kind) != ("dense", "dense"):
            continue
        yield Diagnostic(
            "output-from-scores",
            f"the output `{output.name}` starts from the scores of the output `{source.name}`",
            node.span,
            "warning",
            notes=(Annotation(f"`{source.name}` is here", maker.span),),
            help="give the value before both a label, such as `features`, and write `output"
            f" {output.name}: @features -> {node.span.text}`",
        )


def _cross_entropy(train: ast.Train | None) -> Annotation | None:
    """The place of the section's cross entropy, or None if there is no section or another loss."""
    if train is None:
        return None
    for entry in train.entries:
        if entry.name == "loss":
            name = entry.values[0].span.text.partition("(")[0].strip()
            return Annotation("the loss is here", entry.span) if name == LOSS else None
    return Annotation(f"the loss is `{LOSS}`, because this section has no `loss`", train.net_span)


def _maker(value: Value) -> Node | None:
    """The layer that makes a value, without those that only move numbers."""
    node = value.producer
    while node is not None and node.op.kind in MOVES:
        node = node.inputs[0].producer
    return node


def _before_loss(node: Node | None, loss: Annotation) -> Iterator[Diagnostic]:
    if node is None or node.op.family != "activation":
        return
    kind = node.op.kind
    if kind in SOFTMAX:
        yield Diagnostic(
            "softmax-before-loss",
            f"`{LOSS}` contains a softmax, but the output has gone through `{kind}` already",
            node.span,
            "warning",
            notes=(loss,),
            help=f"remove `{kind}`: training is slower and less accurate with two of them",
        )
        return
    yield _activation(node, (loss,))


def _on_scores(node: Node | None, name: str) -> Iterator[Diagnostic]:
    """An activation on `logits`, or one for inner layers on the scores of a classifier."""
    if node is None or node.op.family != "activation":
        return
    before = node.inputs[0].producer
    is_classifier = (
        before is not None
        and before.op.kind == "dense"
        and before.op.given["weight"] is None
        and len(node.type.shape) == 1
        and node.type.shape[0] != 1
    )
    if name.endswith("logits") or (is_classifier and node.op.kind in INNER):
        yield _activation(node, ())


def _activation(node: Node, notes: tuple[Annotation, ...]) -> Diagnostic:
    return Diagnostic(
        "activation-on-logits",
        f"the scores of the classes go through `{node.op.kind}`, which changes them",
        node.span,
        "warning",
        notes=notes,
        help=f"end with the layer before `{node.op.kind}`: scores may be any numbers",
    )
