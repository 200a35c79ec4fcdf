"""Opens what `check`, `draw`, `verify` and `bench` take: a net, or an ONNX model in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.common import (
    UsageError,
    load_one,
    parse_defines,
    parse_inputs,
    split_name,
    suffix_of,
)
from netdsl.driver import compile_picked, open_program

if TYPE_CHECKING:
    import argparse

    from netdsl.driver import Compiled
    from netdsl.elaborate.program import Program
    from netdsl.importers.importing import Imported

NO_PARAMETERS = "-D sets parameters of nets, and a model has none: --input gives its open sizes"
LINES = "{} is a model: the lines are those of its net, written as a text"


def is_model(file: str) -> bool:
    """Whether a file is an ONNX model, by its name."""
    return suffix_of(file) == ".onnx"


def open_file(file: str, arguments: argparse.Namespace) -> Program:
    """The nets of a file, or the one net that a model is; raises `NetdslError` and `UsageError`."""
    if is_model(file):
        return open_model(file, arguments).compiled.program
    return open_program(file, parse_defines(arguments.define))


def open_model(file: str, arguments: argparse.Namespace) -> Imported:
    """A model as a net in memory; raises `NetdslError` and `UsageError`."""
    if arguments.define:
        raise UsageError(NO_PARAMETERS)
    from netdsl.importers.whole import whole_model  # it needs onnx

    return whole_model(file, parse_inputs(arguments.input))


def load_net_or_model(arguments: argparse.Namespace) -> Compiled:
    """The one net that a command is about, as `load_one`, or that of a model."""
    file, net = split_name(arguments.file)
    if not is_model(file):
        return load_one(arguments)
    return compile_picked(open_file(file, arguments), net)
