"""`netdsl completion`: prints the script with which a shell completes netdsl's command lines.

The script runs netdsl at every press of the key, which then calls `complete`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from argcomplete import autocomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter
from argcomplete.shell_integration import shellcode

from netdsl import library
from netdsl.analysis.figures import SHOW, USUAL
from netdsl.commands.arguments import COMMANDS
from netdsl.commands.common import split_name
from netdsl.commands.manual import sections
from netdsl.commands.parser import build_parser
from netdsl.driver import compile_picked, open_program
from netdsl.errors import NetdslError
from netdsl.ops import LAYERS, load_plugins
from netdsl.syntax import ast

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    Completer = Callable[..., Iterable[str]]

NETS, MODELS = (".net",), (".net", ".onnx")


def run(arguments: argparse.Namespace) -> int:
    """Print the script for a shell; returns the exit code."""
    sys.stdout.write(shellcode(["netdsl"], shell=arguments.shell))
    return 0


def complete() -> None:
    """Write the completions of the command line that the shell has put into the environment.

    Does not return.
    """
    parser = build_parser()
    for command in parser.commands.values():
        for action in command.actions():
            completer = _completer_of(action)
            if completer is not None:
                action.completer = completer  # type: ignore[attr-defined]
    autocomplete(parser, always_complete_options=False)


def _completer_of(action: argparse.Action) -> Completer | None:
    """What completes the value of an argument; None leaves it to its choices, or to files."""
    if action.choices is not None:
        return None
    return COMPLETERS.get(str(action.metavar)) or COMPLETERS.get(action.dest)


# ---- nets


def _nets(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Iterator[str]:
    """`.net` files and nets of the library; for `verify` also models."""
    suffixes = MODELS if parsed_args.command == "verify" else NETS
    yield from FilesCompleter(suffixes)(prefix)
    yield from _named_nets(prefix)


def _models(prefix: str, **_: object) -> Iterator[str]:
    yield from FilesCompleter(MODELS)(prefix)
    yield from _named_nets(prefix)


def _named_nets(prefix: str) -> Iterator[str]:
    """`lenet5`, and `lenet5:LeNet5` once the first letters are there; the nets of other files."""
    file, colon, _ = prefix.rpartition(":")
    if colon:
        files = [file]
    else:
        files = [name for name in library.library_names() if name.startswith(prefix)]
        yield from files
    if prefix:
        for name in files:
            yield from (f"{name}:{net}" for net in _nets_of(name))


def _nets_of(file: str) -> list[str]:
    try:
        return open_program(file).nets()
    except (NetdslError, OSError):
        return []


# ---- other values


def _parameters(parsed_args: argparse.Namespace, **_: object) -> Iterator[str]:
    """`classes=` for each parameter of the nets that the command line names."""
    for attribute in ("file", "files", "model"):
        named = getattr(parsed_args, attribute, None) or []
        for name in [named] if isinstance(named, str) else named:
            yield from _parameters_of(*split_name(name))


def _parameters_of(file: str, net: str | None) -> Iterator[str]:
    """The parameters of a net, or of all nets of a file."""
    try:
        definitions = open_program(file).module.definitions
    except (NetdslError, OSError):
        return
    for name in definitions if net is None else [net]:
        definition = definitions.get(name)
        for _ in definitions:  # aliases of aliases; a cycle is an error
            if isinstance(definition, ast.Alias):
                definition = definitions.get(definition.target)
        if isinstance(definition, ast.Definition) and definition.is_net:
            yield from (f"{parameter.name}=" for parameter in definition.parameters)


def _layers(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """The layers that have names, of the net that the command line names."""
    file, net = split_name(parsed_args.file)
    try:
        graph = compile_picked(open_program(file), net, {}).graph
    except (NetdslError, OSError):
        return []
    return [node.name for node in graph.nodes if not node.label.isdigit()]


def _kinds(**_: object) -> list[str]:
    load_plugins()
    # Without the operators, which a shell would expand.
    return [*filter(str.isidentifier, LAYERS), *library.block_names()]


def _listed(names: Callable[[], Iterable[str]], *whole: str) -> Completer:
    """Completes the last item of a list that commas separate, with names that it does not have.

    `whole` are values in place of a list.
    """

    def completer(prefix: str, **_: object) -> Iterator[str]:
        before, comma, _last = prefix.rpartition(",")
        given = before.split(",")
        yield from (f"{before}{comma}{name}" for name in names() if name not in given)
        if not comma:
            yield from whole

    return completer


def _data(**_: object) -> Iterable[str]:
    from netdsl.data.catalog import DATASETS

    return DATASETS


def _codes(**_: object) -> list[str]:
    return [section.code for section in sections()]


# By the placeholder in the help, or else by the name of the attribute. All others are files.
COMPLETERS: dict[str, Completer] = {
    "FILE[:NET]": _nets,
    "MODEL": _models,
    "files": FilesCompleter(NETS),  # of `fmt`
    "layer": _layers,
    "define": _parameters,
    "vary": _parameters,
    "data": _data,
    "out": DirectoriesCompleter(),
    "folder": DirectoriesCompleter(),
    "kind": _kinds,
    "code": _codes,
    "topic": lambda **_: COMMANDS,
    "only": _listed(_kinds),
    "show": _listed(lambda: SHOW, "all"),
    "columns": _listed(lambda: (*USUAL, *SHOW), "all"),
}
