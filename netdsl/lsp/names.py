"""The names of a workspace: where each is defined, where it is used, and its other name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.elaborate.loader import BUILT_IN
from netdsl.errors import NetdslError
from netdsl.library import block_file, import_path, read, shipped
from netdsl.lsp.place import word_at
from netdsl.lsp.rpc import RefusedError
from netdsl.lsp.symbols import LABEL, definition_at, label_uses, symbols
from netdsl.lsp.uses import name_of_let, places_of
from netdsl.lsp.workspace import address_of
from netdsl.ops import LAYERS
from netdsl.source import Span
from netdsl.syntax.tables import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.lsp.document import Document
    from netdsl.lsp.workspace import Workspace
    from netdsl.source import SourceFile

MOST = 500  # symbols that a search finds
_IMPORT = re.compile(r'^[ \t]*import[ \t]+("[^"\n]*"|\w+)', re.MULTILINE)
_DEFINED = re.compile(r"^(net|block|let)[ \t]+([^\W\d]\w*)", re.MULTILINE)


class Home(NamedTuple):
    """Where a name is defined; a label has meaning only `inside` a net or block of its text."""

    name: str
    place: Span
    inside: str = ""

    @property
    def is_label(self) -> bool:
        """Whether the name is a label."""
        return bool(self.inside)


# ---- imports


def imports(source: SourceFile) -> Iterator[tuple[Span, str]]:
    """The names after `import`, each with the path of the file; one that is not there is left out.

    The text need not be valid.
    """
    for match in _IMPORT.finditer(source.text):
        target = match[1]
        if target.startswith('"'):
            try:
                path = import_path(source, target.strip('"'))
            except NetdslError:
                continue  # the diagnostics have it
        else:
            found = shipped(target)
            if found is None:
                continue
            path = found[0]
        yield Span(source, match.start(1), match.end(1)), path


# ---- definitions and uses


def home_at(document: Document, offset: int) -> Home | None:
    """The definition of the name at an offset, which may be in another file; None for no name."""
    for span, path in imports(document.source):
        if span.start <= offset <= span.end:
            return Home("", Span(read(path), 0, 0))
    symbol = definition_at(document, offset)
    if symbol is not None:
        tops = symbols(document) if symbol.kind == LABEL else []
        inside = next((top.name for top in tops if symbol in top.inside), "")
        return Home(symbol.name, symbol.place, inside)
    text = document.source.text
    start, end = word_at(text, offset)
    if start == end or text[:start].endswith("@"):
        return None
    return _home_of(document, text[start:end])


def _home_of(document: Document, name: str) -> Home | None:
    """The definition of a block, net or `let` as a text means its name."""
    module = None if document.last is None else document.last.module
    if module is not None and name in module.definitions:
        return Home(name, module.definitions[name].name_span)
    if module is not None and name in module.lets:
        return Home(name, name_of_let(module.lets[name]))
    path = block_file(name)
    if path is None or name in LAYERS:
        return None
    source = read(path)
    match = re.search(rf"^block[ \t]+({name})\b", source.text, re.MULTILINE)
    return match and Home(name, Span(source, *match.span(1)))


def uses_of(workspace: Workspace, address: str, home: Home) -> list[tuple[str, Span]]:
    """Every place with a name in the meaning of a definition, with the address of its text."""
    document = workspace.documents[address]
    if home.is_label:
        return [(address, span) for span in label_uses(document, home.place)]
    found = []
    for other, text in workspace.everywhere(home.name):
        assert text.program is not None
        meant = _home_of(text, home.name)
        if meant is not None and _is_same(meant, home):
            found += [(other, span) for span in places_of(text.program.module.tree, home.name)]
    return found


def _is_same(one: Home, other: Home) -> bool:
    return one.place.start == other.place.start and _key(one.place) == _key(other.place)


def _key(place: Span) -> str:
    source = place.file
    return source.name if source.path is None else os.path.realpath(source.path)


def address_of_place(workspace: Workspace, address: str, place: Span) -> str:
    """The address of the text that a place is in, as seen from an open text."""
    if place.file.path is None or place.file is workspace.documents[address].source:
        return address
    for other, document in workspace.documents.items():
        path = document.source.path
        if path is not None and os.path.realpath(path) == os.path.realpath(place.file.path):
            return other
    return address_of(place.file.path)


# ---- other names


def check_rename(workspace: Workspace, home: Home) -> None:
    """Raise `RefusedError` if a name cannot be changed."""
    if not home.name:
        raise RefusedError("the name of a file cannot be changed here")
    if not home.is_label and not workspace.is_editable(home.place.file.path):
        file = home.place.file.name
        raise RefusedError(f"`{home.name}` is defined in {file}, which is outside the workspace")


def check_new_name(document: Document, home: Home, name: str) -> None:
    """Raise `RefusedError` unless a definition can get another name."""
    if not re.fullmatch(r"[^\W\d]\w*", name):
        raise RefusedError(f"`{name}` is not a name: a name is letters, digits and `_`")
    if name in dict(KEYWORDS) or name in BUILT_IN:
        raise RefusedError(f"`{name}` is a word of the language")
    if name in LAYERS:
        raise RefusedError(f"`{name}` is a layer of the language")
    module = None if document.last is None else document.last.module
    if module is None or name == home.name or home.is_label:
        return
    if name in module.definitions or name in module.lets:
        raise RefusedError(f"`{name}` is already defined")


# ---- search


def search(workspace: Workspace, words: str) -> list[tuple[str, str, str, Span]]:
    """The definitions of all files whose names contain the letters of some words in their order.

    Each has its kind, its name, the address of its text, and its place.
    """
    pattern = re.compile(".*?".join(map(re.escape, words)), re.IGNORECASE)
    found = []
    for address, source in workspace.sources():
        for match in _DEFINED.finditer(source.text):
            if pattern.search(match[2]):
                place = Span(source, *match.span(2))
                found.append((match[1], match[2], address, place))
                if len(found) == MOST:
                    return found
    return found
