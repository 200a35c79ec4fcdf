"""The words with which users name what is compared."""

from __future__ import annotations

import os
import re

PREFIX = "git:"  # of a file in a revision


def is_committed(word: str) -> bool:
    """Whether a word on the command line names a file in a revision, rather than a file."""
    return word.startswith(PREFIX) and not os.path.exists(word)


def is_model(word: str) -> bool:
    """Whether a word names an ONNX model."""
    return os.path.splitext(word)[1].lower() == ".onnx"


def split_committed(word: str) -> tuple[str, str | None]:
    """Split `git:REVISION:FILE:NET` into what names the file, and the net if there is one."""
    revision, colon, path = word.removeprefix(PREFIX).partition(":")
    file, second, net = path.rpartition(":")
    if colon and second and re.fullmatch(r"\w+", net):
        return f"{PREFIX}{revision}:{file}", net
    return word, None
