"""The arguments of the call around a place, and which of them is written there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.lsp.completion import arguments_of
from netdsl.lsp.place import given_names, place_at

if TYPE_CHECKING:
    from netdsl.lsp.document import Document


class ShownCall(NamedTuple):
    """A call: its text, the texts of its arguments with their meanings, and the one at the place.

    `active` is None if the place is after the last argument that the call takes.
    """

    label: str
    arguments: list[tuple[str, str]]
    active: int | None


def signature_at(document: Document, offset: int) -> ShownCall | None:
    """The call around an offset, or None outside of calls."""
    text = document.source.text
    call = place_at(text, offset).call
    if call is None:
        return None
    arguments = arguments_of(document, call.word)
    if not arguments:
        return None
    texts = [
        (name if default == "required" else f"{name} = {default}", meaning)
        for name, default, meaning in arguments
    ]
    label = f"{call.word}({', '.join(text for text, _ in texts)})"
    _, active = given_names(text, call, offset)
    named = re.search(r"(\w+)\s*=[^,=]*$", text[call.start : offset])
    names = [name for name, _, _ in arguments]
    if named is not None and named[1] in names:
        active = names.index(named[1])
    return ShownCall(label, texts, active if active < len(texts) else None)
