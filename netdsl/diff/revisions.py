"""Reads `.net` files as they were committed to git, with the files that they import.

Git runs without a shell, and the names of files and revisions go to its standard input, so none of
them can be an option. Only its objects are read; nothing is checked out.
"""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
from typing import TYPE_CHECKING

from netdsl.diff.words import PREFIX
from netdsl.errors import NetdslError
from netdsl.library import decode
from netdsl.limits import limit, raise_help
from netdsl.source import SourceFile, printable
from netdsl.syntax.parser import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.elaborate.loader import Reference
    from netdsl.syntax import ast

HELP = "write git:REVISION:FILE, such as git:HEAD~1:nets/vgg.net"
_SECONDS = 60  # for git to read one file
_CODE = "cannot-read"
# Git must not fetch objects that are missing, or change the index.
_QUIET = {"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def open_committed(word: str) -> tuple[SourceFile, dict[Reference, SourceFile]]:
    """The file that `git:REVISION:FILE` names, and those that it imports, by who imports them.

    As for git, FILE is a path from the root of the repository, or from here if it begins with
    `./`; an empty REVISION is the index. Raises `NetdslError`.
    """
    revision, colon, path = word.removeprefix(PREFIX).partition(":")
    if not colon or not path or "\n" in word:
        raise NetdslError("file-not-found", f"`{printable(word)}` names no file", help=HELP)
    source = _read(revision, path)
    files: dict[Reference, SourceFile] = {}
    waiting, known = [source], {source.key: source}
    for importer in waiting:
        for item in _imports(importer):
            target = _target(importer, revision, item)
            if target not in known:
                try:
                    known[target] = _read(revision, target.removeprefix(f"{PREFIX}{revision}:"))
                except NetdslError as error:
                    raise NetdslError(
                        "import-not-found", error.diagnostic.message, item.span
                    ) from None
                waiting.append(known[target])
            files[importer.key, item.target, True] = known[target]
    return source, files


def _imports(source: SourceFile) -> list[ast.Import]:
    """The imports of other files; those of the library are the same for every revision."""
    try:
        tree = parse(source)
    except NetdslError:  # the compiler reports it
        return []
    return [item for item in tree.imports if item.is_path]


def _target(importer: SourceFile, revision: str, item: ast.Import) -> str:
    """The name of an imported file, which must be inside the folder of its importer."""
    start = f"{PREFIX}{revision}:"
    path = importer.name.removeprefix(start)
    folder = posixpath.dirname(path)
    target = posixpath.normpath(posixpath.join(folder, item.target))
    inside = posixpath.join(posixpath.normpath(folder or "."), "")
    is_inside = not target.startswith(("/", "..")) and (inside == "./" or target.startswith(inside))
    if not is_inside or "\n" in target:
        raise NetdslError(
            "import-outside",
            f"`{printable(item.target)}` is outside the folder of `{importer.name}`",
            item.span,
            help="imported files must be inside the file's own folder",
        )
    return start + "./" * path.startswith("./") + target


def _read(revision: str, path: str) -> SourceFile:
    """A file of a revision; raises `NetdslError`."""
    name = printable(f"{PREFIX}{revision}:{path}")
    words = f"{revision}:{path}"
    header = _git("--batch-check", words, name).decode("utf-8", "replace")
    kind, _, size = header.strip().rpartition(" ")
    if not size.isdigit() or not kind.endswith(" blob"):
        raise _missing(revision, path, header)
    if int(size) > limit("source_bytes"):
        message = f"`{name}` is over {limit('source_bytes'):,} bytes"
        raise NetdslError("file-too-large", message, help=raise_help("source_bytes"))
    data = _git("--batch", words, name)
    start = data.index(b"\n") + 1
    return decode(name, data[start : start + int(size)], None)


def _missing(revision: str, path: str, header: str) -> NetdslError:
    """The error of a file or a revision that does not exist, or of a folder."""
    where = f"the revision `{printable(revision)}`" if revision else "the index of git"
    if header.split(" ")[1:2] == ["tree"]:
        message = f"`{printable(path)}` is a folder in {where}"
        return NetdslError("not-a-file", message, help="name a .net file in the folder")
    if revision and "commit" not in _git("--batch-check", f"{revision}^{{}}", revision).decode():
        message = f"there is no revision `{printable(revision)}`"
        return NetdslError("file-not-found", message, help=HELP)
    message = f"there is no file `{printable(path)}` in {where}"
    help_ = "the path begins at the root of the repository, or in this folder with `./`"
    return NetdslError("file-not-found", message, help=help_)


# Words that git takes as a revision, in every repository: HEAD~1, a usual branch, a tag, a hash.
_REVISION = re.compile(
    r"(HEAD|main|master|develop|trunk|@)([~^@].*)?|(origin|upstream|refs)/.+|stash(@.*)?"
    r"|[\w./-]+(~\d*|\^\d*)+|v\d+(\.\d+)*\S*|[0-9a-f]{7,40}"
)


def without_prefix(word: str, others: Sequence[str]) -> str | None:
    """What to write for a word that names no file but a revision, or None.

    `others` are the other words, of which one is likely to be the file. Git is asked only about
    names that do not look like revisions.
    """
    revision, _, path = word.partition(":")
    if revision.endswith(".net"):
        return None
    if not _REVISION.fullmatch(revision) and not _is_revision(revision):
        return None
    if not path:
        path = _path_in_git(next(filter(os.path.isfile, others), "FILE"))
    return f"{PREFIX}{revision}:{path}"


def _is_revision(name: str) -> bool:
    """Whether git knows a revision of that name; not if there is no repository or no git."""
    if not name or not name.isprintable():
        return False
    try:
        return b"commit" in _git("--batch-check", f"{name}^{{}}", name)
    except NetdslError:
        return False


def _path_in_git(file: str) -> str:
    """The path of a file from the root of its repository, or as it is without a repository."""
    folder = here = os.getcwd()
    while not os.path.exists(os.path.join(folder, ".git")):
        if folder == os.path.dirname(folder):
            return file
        folder = os.path.dirname(folder)
    if not os.path.isfile(file):
        folder = here
    return os.path.relpath(file, folder).replace(os.sep, "/")


def _git(option: str, words: str, name: str) -> bytes:
    """What `git cat-file` prints about one object; raises `NetdslError`.

    Links inside of the repository are followed, which git can do in revisions only.
    """
    command = ["git", "cat-file", option]
    if not words.startswith(":"):
        command.append("--follow-symlinks")
    try:
        done = subprocess.run(
            command,
            input=f"{words}\n".encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=True,
            timeout=_SECONDS,
            env={**os.environ, **_QUIET},
        )
    except FileNotFoundError:
        message = f"cannot read `{name}`: the program `git` is not installed"
        raise NetdslError(_CODE, message) from None
    except subprocess.TimeoutExpired:
        message = f"cannot read `{name}`: git took more than {_SECONDS} seconds"
        raise NetdslError(_CODE, message) from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        reason = printable(reason.removeprefix("fatal: ")) or f"git failed with {error.returncode}"
        raise NetdslError(_CODE, f"cannot read `{name}`: {reason}") from None
    return done.stdout
