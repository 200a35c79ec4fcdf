"""References to the weights of earlier layers, such as `@emb.weight`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Edit, nearest
from netdsl.elaborate.evaluate import UNKNOWN
from netdsl.errors import NetdslError
from netdsl.ir.op import Weight
from netdsl.source import Span
from netdsl.syntax import ast

_ARGUMENT = re.compile(r"\b(weight|bias)\s*=\s*$")
MOST_BEFORE = 100  # characters before a reference in which the name of its argument is looked for

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.evaluate import Env, Unknown
    from netdsl.elaborate.scope import Namespace
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.op import Arg, Op


class _Path(NamedTuple):
    """A path that begins with the name of a layer; `name` is what follows it."""

    owner: Node
    name: str


def weight_named(net: NetBuilder, reference: ast.Reference, env: Env) -> Weight | Unknown | None:
    """The weight that a reference names, unless it is the path of a label; raises `NetdslError`.

    It is unknown if the layer has an error.
    """
    path = net.pattern(reference.path, env)
    if "." not in path or net.scope.find(path.split(".")) is not None:
        return None
    found = _find(net, path)
    if found is None:
        layer = net.scope.find(path.split(".")[:-1])
        return UNKNOWN if layer is not None and layer.value.type is None else None
    if found.name not in found.owner.params():
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
    """The error of a path that begins with a layer, if the text means one of its weights."""
    found = _find(net, path) if "." in path else None
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
    label = path.removesuffix(f".{found.name}")
    place = Span(span.file, span.end - len(found.name), span.end)
    fault = NetdslError(
        "unknown-weight",
        f"`{label}` ({found.owner.op.kind}) has no weight `{found.name}`",
        place,
        fix=(Edit(place, near),) if near else (),
    )
    if "" in weights:
        fault.diagnostic.help = f"a `{found.owner.op.kind}` is a weight itself: write `@{label}`"
        fault.diagnostic.fix = (Edit(span, f"@{label}"),)
    elif near is not None:
        fault.diagnostic.help = f"did you mean `{near}`?"
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
    fix: tuple[Edit, ...] = ()
    if is_layer and declared.name in node.params():
        fix = (Edit(written.span, f"{text}.{declared.name}"),)
    raise NetdslError(
        "wrong-type",
        f"`{declared.name}` of `{cls.kind}` takes a weight, `{text}` is the value of"
        f" `{node.op.kind}`",
        written.span,
        help=f"write {listed}" if is_layer and listed else "a weight is written `@label.weight`",
        fix=fix,
    )


def not_a_value(path: str, span: Span) -> NetdslError:
    """The error of a weight where a layer takes a tensor or a number."""
    return NetdslError(
        "not-a-value",
        f"`{path}` is a weight, not a value",
        span,
        help=f"only the arguments `weight` and `bias` take a weight: `weight = @{path}`",
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
