"""Compiles the modules under /netdsl with the Python of the browser; the value is a `.tar.gz`.

The build runs this file in pyodide. Compiled modules load faster, and need no source beside them.
They have no line numbers, which would be a fifth of the archive.
"""

import gzip
import io
import os
import tarfile
from importlib._bootstrap_external import _code_to_hash_pyc
from types import CodeType


TEXTS = "texts/"  # the folder of files that the compiler reads as they are


def bare(code):
    """Code without line numbers: each entry says so for eight instructions (CPython's locations.md)."""
    constants = tuple(bare(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    entries = -(-len(code.co_code) // 16)
    return code.replace(co_linetable=b"\xff" * entries, co_consts=constants)


def compiled(path):
    """The content of the compiled module of a source file, which Python does not compare with it."""
    with open(path, "rb") as file:
        code = compile(file.read(), path.removeprefix("/netdsl/"), "exec", optimize=1)
    return _code_to_hash_pyc(bare(code), b"\0" * 8, checked=False)


def contents():
    """The files of the archive: their names and contents, in a fixed order."""
    for folder, folders, names in os.walk("/netdsl"):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            inside = os.path.relpath(path, "/netdsl")
            if name.endswith(".py") and not inside.startswith(TEXTS):
                yield inside + "c", compiled(path)
            else:
                with open(path, "rb") as file:
                    yield inside.removeprefix(TEXTS), file.read()


packed = io.BytesIO()
with (
    gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as zipped,
    tarfile.open(fileobj=zipped, mode="w") as archive,
):
    for name, content in contents():
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
packed.getvalue()
