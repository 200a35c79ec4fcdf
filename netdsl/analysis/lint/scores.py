"""Warnings about activations on the scores of classes, which a loss takes as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node, Value

# The codes of this module that depend on the loss.
ABOUT_THE_LOSS = ("softmax-before-loss", "sigmoid-before-loss", "activation-on-logits")
LOSS = "cross_entropy"  # the loss of a `train` section without `loss`
BCE = "bce"
OF_ONE_SCORE = (BCE, "dice")  # losses that contain a sigmoid; `dice` a softmax of several scores
SOFTMAX = ("softmax", "log_softmax")
SIGMOIDS = ("sigmoid", "hard_sigmoid")
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
SCORES = ("output", "logits", "scores", "classes")  # names of outputs; `output` is the default
DEFAULT = "output"
_COUNT = re.compile(r"classes\b")  # the parameter `classes`, or `num_classes`
# Names of results that no other output is computed from.
CLASSES = (
    *("cls", "class", "classes", "logits", "scores", "label", "labels", "kind", "type", "category"),
    *("digit", "letter", "age", "gender", "species", "colour", "color"),
)
MOVES = ("flatten", "reshape", "dropout")  # layers that keep the numbers


class _Loss(NamedTuple):
    """The loss of an output, and its place."""

    name: str
    note: Annotation


def score_warnings(graph: Graph, train: ast.Train | None) -> Iterator[Diagnostic]:
    """The warnings about the outputs of a net that are scores of classes."""
    losses = _losses(train, [output.name for output in graph.outputs])
    for output in graph.outputs:
        yield from _of_output(_maker(output.value), output.name, losses.get(output.name))
    first = next(iter(losses.values()), None)
    for head in graph.aux:
        if first is not None and first.name == LOSS:
            yield from _before_softmax(_maker(head.value), first)


def _of_output(node: Node | None, name: str, loss: _Loss | None) -> Iterator[Diagnostic]:
    """The warning about the last layer of an output, which its loss does not expect."""
    if loss is None or loss.name not in (LOSS, *OF_ONE_SCORE):
        if name.endswith(SCORES):
            yield from _on_scores(node, name)
        return
    is_one = node is not None and node.type.shape[:1] == (1,)
    if loss.name == LOSS and node is not None and node.type.shape == (1,):
        yield _one_score(node, name, loss)
    if loss.name == BCE or (loss.name != LOSS and is_one):
        yield from _before_sigmoid(node, name, loss)
    else:
        yield from _before_softmax(node, loss)


def _one_score(node: Node, name: str, loss: _Loss) -> Diagnostic:
    """`dense(1)` with the cross-entropy of classes, which is then 0 for every input."""
    return Diagnostic(
        "one-score",
        f"the output `{name}` has one score, so `{LOSS}` is always 0: there is nothing to learn",
        node.span,
        "warning",
        notes=(loss.note,),
        help="give each class a score, as in `dense(2)`; or write `loss = bce` for yes or no,"
        " and `loss = mse` for a number",
    )


def inner_softmaxes(graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each `softmax` of a `dense` layer that only further `dense` layers take."""
    uses = graph.uses()
    outputs = {id(output.value) for output in graph.outputs}
    for node in graph.nodes:
        maker = _maker(node.inputs[0])
        if node.op.kind not in SOFTMAX or maker is None or maker.op.kind != "dense":
            continue
        users = uses.get(id(node.output), [])
        if not users or id(node.output) in outputs or len(node.type.shape) != 1:
            continue
        if all(user.op.kind == "dense" for user in users):
            yield Diagnostic(
                "inner-softmax",
                f"this `{node.op.kind}` is between two `dense` layers: its numbers are"
                " probabilities of classes, most of them near 0",
                node.span,
                "warning",
                notes=(Annotation("the next layer is here", users[0].span),),
                help="write `relu` between layers, and a `softmax` only after the last one",
            )


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


def _losses(train: ast.Train | None, outputs: list[str]) -> dict[str, _Loss]:
    """The losses of a section by the names of outputs; none without a section."""
    if train is None:
        return {}
    for entry in train.entries:
        if entry.name == "loss":
            return _written(entry, outputs)
    note = Annotation(f"the loss is `{LOSS}`, because this section has no `loss`", train.net_span)
    return dict.fromkeys(outputs, _Loss(LOSS, note))


def _written(entry: ast.Entry, outputs: list[str]) -> dict[str, _Loss]:
    """The losses of an entry: one for all outputs, or pairs of an output and its loss."""
    value = entry.values[0]
    if not isinstance(value, ast.Sequence):
        return dict.fromkeys(outputs, _loss(value, entry))
    pairs = value.items
    if pairs and not isinstance(pairs[0], ast.Sequence):
        pairs = (value,)
    return {
        pair.items[0].span.text: _loss(pair.items[1], entry)
        for pair in pairs
        if isinstance(pair, ast.Sequence) and len(pair.items) > 1
    }


def _loss(value: ast.Expr, entry: ast.Entry) -> _Loss:
    name = value.span.text.partition("(")[0].strip()
    return _Loss(name, Annotation("the loss is here", entry.span))


def _maker(value: Value) -> Node | None:
    """The layer that makes a value, without those that only move numbers."""
    node = value.producer
    while node is not None and node.op.kind in MOVES:
        node = node.inputs[0].producer
    return node


def _before_softmax(node: Node | None, loss: _Loss) -> Iterator[Diagnostic]:
    if node is None or node.op.family != "activation":
        return
    kind = node.op.kind
    if kind in SOFTMAX:
        yield Diagnostic(
            "softmax-before-loss",
            f"`{loss.name}` contains a softmax, but the output has gone through `{kind}` already",
            node.span,
            "warning",
            notes=(loss.note,),
            help=f"remove `{kind}`: training is slower and less accurate with two of them",
        )
        return
    yield _activation(node, (loss.note,))


def _before_sigmoid(node: Node | None, name: str, loss: _Loss) -> Iterator[Diagnostic]:
    if node is None or node.op.kind not in (*SIGMOIDS, *SOFTMAX):
        if name.endswith(SCORES):
            yield from _on_scores(node, name)
        return
    kind = node.op.kind
    yield Diagnostic(
        "sigmoid-before-loss",
        f"`{loss.name}` contains a sigmoid, but the output has gone through `{kind}` already",
        node.span,
        "warning",
        notes=(loss.note,),
        help=f"remove `{kind}`: the sigmoid of a number from 0 to 1 is always between 0.5 and 0.73",
    )


def _on_scores(node: Node | None, name: str) -> Iterator[Diagnostic]:
    """An activation on `logits`, or one for inner layers on the scores of a classifier.

    The name of the output, or of a parameter such as `classes`, tells that it is one.
    """
    if node is None or node.op.family != "activation":
        return
    before = node.inputs[0].producer
    is_classifier = (
        before is not None
        and before.op.kind == "dense"
        and before.op.given["weight"] is None
        and len(node.type.shape) == 1
        and node.type.shape[0] != 1
        and (not name.endswith(DEFAULT) or _COUNT.search(before.span.text) is not None)
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
