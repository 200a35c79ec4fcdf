"""What the text at a place means: the reference of a layer, and its figures in the net."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.figures import long_figure
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text
from netdsl.lsp.completion import arguments_of
from netdsl.lsp.place import place_at, word_at
from netdsl.ops.args import show
from netdsl.reference import WITHOUT_DEFAULT, entry
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.analysis.summary import Layer
    from netdsl.checking import Checked
    from netdsl.lsp.document import Document

MOST = 6  # layers that one word makes, of which a hover shows the figures


class Hover(NamedTuple):
    """Paragraphs of Markdown about the stretch from `start` to `end`."""

    start: int
    end: int
    paragraphs: list[str]


def hover(document: Document, offset: int, net: str | None = None) -> Hover | None:
    """What the word at an offset means, with the figures that it has in a net; None for nothing."""
    text = document.source.text
    start, end = word_at(text, offset)
    place = place_at(text, end)
    if start == end or (place.is_text and not _is_label(text, end)):
        return None
    word = text[start:end]
    paragraphs = []
    call = place.call
    if call is not None and text[end:].lstrip().startswith("=") and word != call.word:
        paragraphs += _argument(document, call.word, word)
    if not paragraphs:
        paragraphs += _figures(document, net, start, end, word)
    if not paragraphs or not _is_label(text, end):
        paragraphs += _reference(document, word)
    return Hover(start, end, paragraphs) if paragraphs else None


def _is_label(text: str, end: int) -> bool:
    return text[end:].lstrip(" \t").startswith(":")


def _argument(document: Document, call: str, name: str) -> list[str]:
    for argument, default, meaning in arguments_of(document, call):
        if argument == name:
            usual = default if default in WITHOUT_DEFAULT else f"default `{default}`"
            return [f"`{name}` of `{call}`: {meaning or 'a parameter'} ({usual})"]
    return []


def _reference(document: Document, word: str) -> list[str]:
    """The reference of a layer, or the head and comment of a block, net or `let` of the file."""
    module = None if document.last is None else document.last.module
    if module is not None and word in module.lets:
        return [_code(module.lets[word].span.text)]
    item = None if module is None else module.definitions.get(word)
    if item is not None:
        head = item.span.text.partition("{")[0].strip()
        if isinstance(item, ast.Alias):
            head = item.span.text.strip()
        doc = " ".join(item.doc.split())
        return [_code(head), *([doc] if doc else [])]
    try:
        found = entry(word)
    except NetdslError:
        return []
    listed = [
        f"- `{name}`"
        + (f" = `{default}`" if default not in WITHOUT_DEFAULT else "")
        + f": {meaning}"
        for name, _, default, meaning in found.arguments
        if meaning
    ]
    return [_code(found.call), found.doc, *(["\n".join(listed)] if listed else [])]


def _code(text: str) -> str:
    return f"```netdsl\n{text}\n```"


# ---- figures


def _figures(document: Document, net: str | None, start: int, end: int, word: str) -> list[str]:
    """The shape, parameters and MACs of the layers that a word makes or names in a net."""
    for name in document.names if net is None else [net]:
        checked = document.checked(name)
        if checked is not None and checked.summary is not None:
            layers = _layers(checked, document, start, end, word)
            if layers:
                texts = [_line(layer) for layer in layers[:MOST]]
                if len(layers) > MOST:
                    texts.append(f"and {len(layers) - MOST} more")
                return ["\n".join(f"- {text}" for text in texts)]
    return []


def _layers(checked: Checked, document: Document, start: int, end: int, word: str) -> list[Layer]:
    """The layers whose call begins at a place, or that have the label there."""
    assert checked.summary is not None
    all_layers = checked.summary.layers()
    text = document.source.text
    key = document.source.key
    here = [layer for layer in all_layers if layer.node.span.file.key == key]
    if _is_label(text, end) or text[:start].endswith("@"):
        return [x for x in all_layers if x.node.name.rpartition(".")[2] == word]
    at = [x for x in here if x.node.span.start <= start and end <= x.node.span.end]
    narrow = min((x.node.span.end - x.node.span.start for x in at), default=0)
    at = [x for x in at if x.node.span.end - x.node.span.start == narrow]
    return [x for x in at if x.node.op.kind == word or x.node.span.text.startswith(word)]


def _line(layer: Layer) -> str:
    row, node = layer.row, layer.node
    parts = [f"`{node.name}`: output `{shape_text(row.shape)}`"]
    if row.params:
        parts.append(f"{row.params:,} params")
    if row.macs:
        parts.append(f"{long_figure(row.macs)} MACs")
    if row.field:
        parts.append(f"receptive field `{shape_text(row.field)}`")
    values = {arg.name: getattr(node.op, arg.name) for arg in node.op.args}
    arguments = [f"{name} = {show(value)}" for name, value in values.items() if value is not None]
    text = ", ".join(parts)
    return f"{text}; {', '.join(arguments)}" if arguments else text
