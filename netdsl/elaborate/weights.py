"""References to the weights of earlier layers, such as `@emb.weight`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import did_you_mean, respelled
from netdsl.elaborate.attributes import is_size
from netdsl.errors import NetdslError
from netdsl.ir.op import Weight
from netdsl.source import Span

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.evaluate import Env
    from netdsl.elaborate.scope import Namespace
    from netdsl.ir.graph import Node
    from netdsl.syntax import ast


class _Path(NamedTuple):
    """A path that begins with the name of a layer; `name` is what follows it."""

    owner: Node
    name: str


def weight_named(net: NetBuilder, reference: ast.Reference, env: Env) -> Weight | None:
    """The weight that a reference names, unless it is the path of a label; raises `NetdslError`."""
    path = net.pattern(reference.path, env)
    if "." not in path or net.scope.find(path.split(".")) is not None:
        return None
    found = _find(net, path)
    if found is None or found.name not in found.owner.params():
        return None
    if found.owner.aux is not None and net.aux != found.owner.aux:
        raise NetdslError(
            "unknown-weight",
            f"`{path}` belongs to the auxiliary head `{found.owner.aux}`, which exists only in"
            " training",
            reference.span,
            help="write the layer in the net, and tie the head to it",
        )
    param = found.owner.params()[found.name]
    return Weight(param.tied or found.owner.tensor_name(found.name), param.shape)


def fault_of_weight(net: NetBuilder, path: str, span: Span) -> NetdslError | None:
    """The error of a path that begins with a layer, where only labels have values.

    There is none for the size of a layer, such as `@conv1.channels`.
    """
    found = _find(net, path) if "." in path else None
    if found is None or is_size(found.name):
        return None
    weights = found.owner.params()
    kind = found.owner.op.kind
    if found.name in weights:
        return NetdslError(
            "not-a-value",
            f"`{path}` is a weight of `{kind}`, not a value",
            span,
            help=f"only the arguments `weight` and `bias` take a weight: `weight = @{path}`",
        )
    place = Span(span.file, span.end - len(found.name), span.end)
    listed = ", ".join(f"`{name}`" for name in weights)
    return NetdslError(
        "unknown-weight",
        f"`{path.removesuffix(f'.{found.name}')}` ({kind}) has no weight `{found.name}`",
        span,
        help=did_you_mean(found.name, weights) or (f"it has {listed}" if weights else "it has none"),
        fix=respelled(place, found.name, weights),
    )


def _find(net: NetBuilder, path: str) -> _Path | None:
    """The layer with which a path begins, in the innermost scope that has one."""
    scope: Namespace | None = net.scope
    words = path.split(".")
    while scope is not None:
        for count in range(len(words) - 1, 0, -1):
            module = scope.join(".".join(words[:count]))[1]
            owner = net.owners.get(module)
            if owner is not None:
                return _Path(owner, ".".join(words[count:]))
        scope = scope.outer
    return None
