"""Warnings about the data that a `train` section names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Diagnostic
from netdsl.library import is_shipped
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

# The datasets whose files are in a folder that the user names: `cifar10(root = "DIR")`.
NEED_ROOT = ("mnist", "cifar10")
ABOUT_THE_DATA = ("data-without-root",)  # the codes of this module


def training_warnings(train: ast.Train | None) -> Iterator[Diagnostic]:
    """The warning about data whose folder the section leaves to the command.

    The sections of the library leave it out, because nobody can edit them.
    """
    if train is None or is_shipped(train.span.file):
        return
    for entry in train.entries:
        value = entry.values[0]
        if entry.name != "data" or _name(value) not in NEED_ROOT or _has_root(value):
            continue
        name = _name(value)
        yield Diagnostic(
            "data-without-root",
            f"the files of `{name}` are in a folder, which the section does not name",
            value.span,
            "warning",
            help=f'write `{name}(root = "DIR")`, or give it in the command:'
            f" `--data '{name}(root = \"DIR\")'`",
        )


def _name(value: ast.Expr) -> str:
    if isinstance(value, ast.Name):
        return value.id
    return value.name if isinstance(value, ast.Function) else ""


def _has_root(value: ast.Expr) -> bool:
    """Whether a call has an argument that is the folder: the first, or `root`."""
    if not isinstance(value, ast.Function):
        return False
    return any(argument.name in (None, "root") for argument in value.arguments)
