"""Compiles modules with the Python of the browser. The build runs this file in pyodide.

Compiled modules load faster than sources, and need no source beside them. They have no line
numbers, which would be a fifth of their size.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from importlib._bootstrap_external import _code_to_hash_pyc
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = "texts/"  # the folder of files that the compiler reads as they are
# What the compiler does not import from Python's library, by the beginning of its path.
UNUSED = tuple(
    """
    _pydatetime. _pydecimal. _pyio. _pyrepl/ bdb. cProfile. cgi cmd. configparser. ctypes/ curses/
    dbm/ doctest. ensurepip/ filecmp. fileinput. ftplib. idlelib/ imaplib. lib2to3/ mailbox.
    mailcap. modulefinder. multiprocessing/ netrc. nntplib. optparse. pdb. pickletools. plistlib.
    poplib. profile. pstats. pty. pyclbr. pydoc. pydoc_data/ sched. shelve. smtplib. socketserver.
    sqlite3/ statistics. symtable. tabnanny. telnetlib. timeit. tkinter/ trace. tracemalloc. tty.
    turtle unittest/ venv/ wave. webbrowser. wsgiref/ xml/ xmlrpc/ zipapp.
""".split()
)
ENCODINGS = ("__init__", "aliases", "ascii", "cp437", "idna", "latin_1", "raw_unicode_escape")
ENCODINGS += ("unicode_escape", "utf_8", "utf_8_sig", "utf_16", "utf_16_le")


def bare(code: CodeType) -> CodeType:
    """Code without line numbers: one entry says so for eight instructions of two bytes each."""
    constants = tuple(bare(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    entries = -(-len(code.co_code) // 16)
    return code.replace(co_linetable=b"\xff" * entries, co_consts=constants)


def compiled(source: bytes, name: str) -> bytes:
    """The content of the compiled module of a source, which Python does not compare with it."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=1)
    return _code_to_hash_pyc(bare(code), b"\0" * 8, checked=False)


def compiler(folder: str) -> bytes:
    """The modules of the compiler and what they read, as a `.tar.gz`."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for name, content in _files(folder):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _files(folder: str) -> Iterator[tuple[str, bytes]]:
    for inside, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(inside, name)
            short = os.path.relpath(path, folder)
            with open(path, "rb") as file:
                content = file.read()
            if name.endswith(".py") and not short.startswith(TEXTS):
                yield short + "c", compiled(content, short)
            else:
                yield short.removeprefix(TEXTS), content


def library(path: str) -> bytes:
    """Python's library without what is unused, as an archive from which Python imports."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(path) as sources,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
    ):
        for name in sorted(sources.namelist()):
            folder, _, module = name.partition("/")
            is_foreign = folder == "encodings" and module.removesuffix(".py") not in ENCODINGS
            if name.startswith(UNUSED) or is_foreign or name.endswith("/"):
                continue
            content = sources.read(name)
            stored = name
            if name.endswith(".py"):
                stored, content = name + "c", compiled(content, f"/lib/{name}")
            archive.writestr(zipfile.ZipInfo(stored), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
