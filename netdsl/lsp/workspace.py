"""The texts that an editor has open, and the `.net` files of the folders that it works in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from netdsl.errors import NetdslError
from netdsl.library import read
from netdsl.lsp.document import Document
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FILES = 2000  # of a workspace that are searched
SKIPPED = ("node_modules", "__pycache__", "dist", "build")  # folders without texts of people


class Workspace:
    """The open texts by their address, and the folders of the workspace, which may be none.

    An open text takes the place of its file wherever that is imported.
    """

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.folders: list[str] = []
        self._files: dict[str, Document] = {}  # texts that are not open, by their path

    def take(self, address: str, text: str) -> Document:
        """A version of a text, which is open from now on."""
        path = path_of(address)
        source = SourceFile(os.path.basename(path or address), text, path)
        previous = self.documents.get(address)
        made = self.documents[address] = Document(source, previous, texts=self.texts(address))
        return made

    def close(self, address: str) -> None:
        """Forget a text; its file counts again."""
        self.documents.pop(address, None)

    def texts(self, but: str = "") -> dict[str, str]:
        """The open texts that are in files, by the path without symbolic links."""
        found = {}
        for address, document in self.documents.items():
            path = document.source.path
            if address != but and path is not None:
                found[os.path.realpath(path)] = document.source.text
        return found

    def importers(self, path: str) -> list[str]:
        """The addresses of the open texts that import a file, directly or through others.

        Those with an import that could not be read count too.
        """
        real = os.path.realpath(path)
        found = []
        for address, document in self.documents.items():
            if document.source.path is None or os.path.realpath(document.source.path) == real:
                continue
            program = document.program
            if program is None:
                found += [address] * ("import" in document.source.text)
            elif program.module.lacks_imports or real in _paths(document):
                found.append(address)
        return found

    def sources(self) -> Iterator[tuple[str, SourceFile]]:
        """The address and the text of each file of the workspace, the open texts first."""
        seen = set()
        for address, document in self.documents.items():
            if document.source.path is not None:
                seen.add(os.path.realpath(document.source.path))
            yield address, document.source
        for path in self._paths():
            if os.path.realpath(path) not in seen:
                try:
                    yield address_of(path), read(path)
                except NetdslError:
                    continue  # the file has its diagnostics when someone opens it

    def everywhere(self, word: str) -> Iterator[tuple[str, Document]]:
        """The files of the workspace that contain a word, except those with syntax errors."""
        for address, source in self.sources():
            if word in source.text:
                document = self.documents.get(address) or self._file(source)
                if document.program is not None:
                    yield address, document

    def is_editable(self, path: str | None) -> bool:
        """Whether a file is open or in a folder of the workspace; a text in no file is."""
        if path is None:
            return True
        real = os.path.realpath(path)
        folders = [os.path.realpath(folder) + os.sep for folder in self.folders]
        return real in self.texts() or any(real.startswith(folder) for folder in folders)

    def _paths(self) -> Iterator[str]:
        """The `.net` files of the workspace; without one, those beside the open texts."""
        count = 0
        if not self.folders:
            paths = {os.path.dirname(path) for path in self.texts()}
            for folder in sorted(paths):
                names = os.listdir(folder) if os.path.isdir(folder) else []
                yield from (os.path.join(folder, n) for n in sorted(names) if n.endswith(".net"))
        for folder in self.folders:
            for here, folders, names in os.walk(folder):
                folders[:] = sorted(f for f in folders if f[0] != "." and f not in SKIPPED)
                for name in sorted(names):
                    if name.endswith(".net"):
                        count += 1
                        if count > MOST_FILES:
                            return
                        yield os.path.join(here, name)

    def _file(self, source: SourceFile) -> Document:
        """The document of a text that is not open."""
        known = self._files.get(source.key)
        texts = self.texts()
        is_same = known is not None and known.source.text == source.text
        if known is None or not is_same or not _is_current(known, texts):
            known = self._files[source.key] = Document(source, texts=texts)
        return known


def _is_current(document: Document, texts: dict[str, str]) -> bool:
    """Whether the files that a document imports are as they were when it was made."""
    if document.program is None:
        return False
    for source in document.program.loader.sources():
        if source is not document.source and source.path is not None:
            try:
                text = texts.get(os.path.realpath(source.path)) or read(source.path).text
            except NetdslError:
                return False
            if text != source.text:
                return False
    return True


def _paths(document: Document) -> set[str]:
    """The paths of the files behind a text, without symbolic links."""
    assert document.program is not None
    sources = document.program.loader.sources()
    return {os.path.realpath(source.path) for source in sources if source.path is not None}


# ---- addresses


def path_of(address: str) -> str | None:
    """The path of a `file:` address; None for a text that is in no file."""
    parts = urlsplit(address)
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    return path[1:] if os.name == "nt" and path[2:3] == ":" else path


def address_of(path: str) -> str:
    """The `file:` address of a path."""
    path = os.path.abspath(path).replace(os.sep, "/")
    return "file://" + quote(path if path.startswith("/") else "/" + path)
