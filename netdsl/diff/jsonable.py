"""A difference as data for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.analysis.summary import name_of as value_name
from netdsl.diff.parts import NetPart
from netdsl.diff.wording import details_of, title_of
from netdsl.ir.types import Sym

if TYPE_CHECKING:
    from netdsl.diff.causes import Cause
    from netdsl.diff.difference import NetDifference
    from netdsl.diff.effects import Effect
    from netdsl.diff.loading import Loading
    from netdsl.diff.statements import Excerpt
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Value
    from netdsl.ir.types import TensorType


def json_of(difference: NetDifference) -> dict[str, object]:
    """Everything about a difference; sizes that are open are texts."""
    before, after = difference.nets
    return {
        "before": _net(before),
        "after": _net(after),
        "equal": difference.is_empty,
        "changes": [_cause(cause) for cause in difference.causes],
        "consequences": {
            "layers": [_effect(effect) for effect in difference.followed],
            "shapes": [
                {
                    "before": layer.before,
                    "after": layer.after,
                    "old": _shape(layer.old),
                    "new": _shape(layer.new),
                }
                for layer in difference.reshaped
            ],
            "names": [{"old": old, "new": new} for old, new in difference.renumbered],
        },
        "figures": {
            figure.name: {"old": _plain(figure.old), "new": _plain(figure.new)}
            for figure in difference.figures
        },
        "weights": _loading(difference.loading),
        "outside": [aside._asdict() for aside in difference.asides],
    }


def _net(net: Compiled) -> dict[str, object]:
    return {"name": net.graph.name, "file": net.program.source.name}


def _cause(cause: Cause) -> dict[str, object]:
    return {
        "what": cause.key[0],
        "name": ".".join(cause.key[1:]),
        "text": title_of(cause),
        "details": details_of(cause),
        "old": _piece(cause.old),
        "new": _piece(cause.new),
        "layers": [_effect(effect) for effect in cause.effects],
    }


def _piece(piece: Excerpt | None) -> dict[str, object] | None:
    if piece is None:
        return None
    span = piece.span
    return {"file": span.file.name, "line": span.first.line, "text": span.text}


def _effect(effect: Effect) -> dict[str, object]:
    return {
        "what": effect.what,
        "before": _name(effect.a),
        "after": _name(effect.b),
        "kind": effect.kind,
        "argument": effect.name,
        "old": effect.old,
        "new": effect.new,
    }


def _name(part: NetPart | Value | None) -> str | None:
    if part is None:
        return None
    if isinstance(part, NetPart):
        return part.item.name
    return value_name(part)


def _shape(type_: TensorType) -> list[int | str]:
    return ["N", *map(_plain, type_.shape)]


def _plain(value: int | Sym) -> int | str:
    if isinstance(value, Sym):
        return str(value)
    return value


def _loading(loading: Loading) -> dict[str, object]:
    return {
        "complete": loading.is_complete,
        "share": loading.share,
        "loaded": list(loading.loaded),
        "reshaped": [
            {"name": name, "old": list(old), "new": list(new)}
            for name, (old, new) in loading.reshaped.items()
        ],
        "missing": list(loading.missing),
        "unused": list(loading.unused),
        "misplaced": loading.misplaced,
        "renamed": [{"old": old, "new": new} for old, new in loading.renamed.items()],
    }
