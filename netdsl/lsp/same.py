"""Whether a change of a text leaves its nets as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.lsp.document import Document
from netdsl.lsp.rpc import RefusedError
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.checking import Checked
    from netdsl.diagnostics import Diagnostic, Edit


def refuse_changes(document: Document, name: str, edits: Iterable[Edit]) -> None:
    """Raise `RefusedError` unless the nets are the same after some edits.

    Of the nets that use the definition, the one that is built in the shortest time stands for all.
    """
    text = document.source.text
    for edit in sorted(edits, key=lambda e: -e.span.start):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    source = SourceFile(document.source.name, text, document.source.path)
    changed = Document(source, document, texts=document.texts)
    if not changed.is_sound:
        raise RefusedError("the text would not be valid")
    using = [net for net in document.names if name in document.parts_of(net)]
    for net in sorted(using, key=document.seconds_of)[:1]:
        before, after = document.checked(net), changed.checked(net)
        if before is not None and (after is None or _facts(after) != _facts(before)):
            raise RefusedError(f"`{net}` would not be the same net")
        errors, old = _errors(changed, net), _errors(document, net)
        if before is not None and len(errors) > len(old):
            raise RefusedError(f"`{net}` would have an error: {errors[-1].message}")


def _errors(document: Document, net: str) -> list[Diagnostic]:
    return [d for d in document.diagnostics(net) if d.severity == "error"]


def _facts(checked: Checked) -> tuple[object, ...]:
    """What stays the same when a text changes, but not its nets."""
    assert checked.compiled is not None
    graph = checked.compiled.graph
    kinds = [node.op.kind for node in graph.nodes]
    return (checked.compiled.costs.totals(), kinds, [str(o.value.type) for o in graph.outputs])
