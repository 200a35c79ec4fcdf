"""Where a word belongs that a command does not know: the other commands that list such words."""

from __future__ import annotations

from netdsl.commands.arguments import COMMANDS
from netdsl.commands.manual import sections
from netdsl.errors import NetdslError
from netdsl.library import library_file, net_of_library
from netdsl.reference import entry


def elsewhere(word: str) -> str | None:
    """Which command explains a word: a layer, a code, a command or a net; None for another word."""
    if any(section.code == word for section in sections()):
        return f"it is a code: `netdsl explain {word}`"
    if _is_layer(word):
        return f"it is a layer: `netdsl layers {word}`"
    if word in COMMANDS:
        return f"it is a command: `netdsl help {word}`"
    found = net_of_library(word)
    if library_file(word) is not None:
        return f"it is a file of the library: `netdsl check {word}`"
    if found is not None:
        return f"it is a net of the library: `netdsl check {found[0]}:{found[1]}`"
    from netdsl.commands.training_help import kind_of  # few words need it

    kind = kind_of(word)
    if kind is not None:
        return f"a `train` section can name the {kind}: `netdsl help {word}`"
    return None


def _is_layer(word: str) -> bool:
    try:
        entry(word)
    except NetdslError:
        return False
    return True
