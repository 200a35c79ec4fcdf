"""References to the weights of earlier layers, such as `@emb.weight`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Edit, nearest, suggestion
from netdsl.elaborate.evaluate import UNKNOWN
from netdsl.errors import NetdslError
from netdsl.ir.op import Weight
from netdsl.source import Span
from netdsl.syntax import ast

_ARGUMENT = re.compile(r"\b(weight|bias)\s*=\s*$")
MOST_BEFORE = 100  # characters before a reference in which the name of its argument is looked for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.elaborate.evaluate import Unknown
    from netdsl.elaborate.scope import Binding, Namespace
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.op import Arg, Op


class _Path(NamedTuple):
    """A path that begins with the name of a layer; `name` is what follows it."""

    owner: Node
    name: str


class WeightNames:
    """The weights that references can name, by the layers that own them.

    `owners` has these layers by the names of their modules.
    """

    def __init__(self, owners: Mapping[str, Node]) -> None:
        self._owners = owners

    def named(
        self, path: str, scope: Namespace, aux: str | None, span: Span
    ) -> Weight | Unknown | None:
        """The weight of that path, unless it is the path of a label; raises `NetdslError`.

        `aux` is the auxiliary head of the reference. The weight of a layer with an error is
        unknown.
        """
        if "." not in path or scope.find(path.split(".")) is not None:
            return None
        found = self._find(path, scope)
        if found is None:
            return _unknown(scope.find(path.split(".")[:-1]))
        owner, param = found.owner, found.owner.params().get(found.name)
        if param is None:
            return None
        if owner.aux is not None and aux != owner.aux:
            raise NetdslError(
                "unknown-weight",
                f"`{path}` belongs to the auxiliary head `{owner.aux}`, which exists only in"
                " training",
                span,
                help="write the layer in the net, and tie the head to it",
            )
        return Weight(param.tied or owner.tensor_name(found.name), param.shape)

    def fault(self, path: str, scope: Namespace, span: Span) -> NetdslError | None:
        """The error of a path that begins with a layer, if the text means one of its weights."""
        found = self._find(path, scope)
        if found is None:
            return None
        weights = found.owner.params()
        if found.name in weights:
            return not_a_value(path, span)
        before = span.file.text[max(span.start - MOST_BEFORE, 0) : span.start]
        near = nearest(found.name, weights)
        if near is None and not _ARGUMENT.search(before):
            return None
        if len(weights) == 1:
            (near,) = weights
        return _no_such_weight(path, found, near, span)

    def _find(self, path: str, scope: Namespace) -> _Path | None:
        """The layer with which a path begins, in the innermost scope that has one."""
        words = path.split(".")
        around: Namespace | None = scope
        while around is not None:
            for count in range(len(words) - 1, 0, -1):
                owner = self._owners.get(around.join(".".join(words[:count]))[1])
                if owner is not None:
                    return _Path(owner, ".".join(words[count:]))
            around = around.outer
        return None


def _unknown(layer: Binding | None) -> Unknown | None:
    """The weight of a label that has an error."""
    if layer is not None and layer.value.type is None:
        return UNKNOWN
    return None


def _no_such_weight(path: str, found: _Path, near: str | None, span: Span) -> NetdslError:
    weights, kind = found.owner.params(), found.owner.op.kind
    label = path.removesuffix(f".{found.name}")
    place = Span(span.file, span.end - len(found.name), span.end)
    message = f"`{label}` ({kind}) has no weight `{found.name}`"
    fault = NetdslError("unknown-weight", message, place)
    if "" in weights:
        fault.diagnostic.help = f"a `{kind}` is a weight itself: write `@{label}`"
        fault.diagnostic.fix = (Edit(span, f"@{label}"),)
    elif near is not None:
        fault.diagnostic.help = suggestion([near])
        fault.diagnostic.fix = (Edit(place, near),)
    elif weights:
        fault.diagnostic.help = f"it has {', '.join(f'`{name}`' for name in weights)}"
    return fault


def check_is_weight(declared: Arg, cls: type[Op], value: Value, written: ast.Expr) -> None:
    """Raise `NetdslError` for the value of a layer where one of its weights is wanted."""
    node = value.producer
    if value.weight is not None or node is None or not isinstance(written, ast.Reference):
        return
    text = written.span.text
    listed = ", ".join(f"`{text}.{name}`" for name in node.params())
    is_layer = text.rpartition(".")[2].removeprefix("@") == node.label
    error = NetdslError(
        "wrong-type",
        f"`{declared.name}` of `{cls.kind}` takes a weight, `{text}` is the value of"
        f" `{node.op.kind}`",
        written.span,
        help="a weight is written `@label.weight`",
    )
    if is_layer and listed:
        error.diagnostic.help = f"write {listed}"
    if is_layer and declared.name in node.params():
        error.diagnostic.fix = (Edit(written.span, f"{text}.{declared.name}"),)
    raise error


def not_a_value(path: str, span: Span) -> NetdslError:
    """The error of a weight where a layer takes a tensor or a number."""
    return NetdslError(
        "not-a-value",
        f"`{path}` is a weight, not a value",
        span,
        help=f"only the arguments `weight` and `bias` take a weight: `weight = @{path}`",
    )
