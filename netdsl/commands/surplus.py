"""What a word too many on a command line may mean, for the parser's error about it."""

from __future__ import annotations

import os
import re
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from netdsl.commands.destinations import WEIGHTS
from netdsl.commands.meant import similar, without_spaces
from netdsl.library import library_file, library_names, net_of_library

if TYPE_CHECKING:
    from collections.abc import Sequence

FLAGS = ("--resume", "--overwrite")  # they take no value, and are about the folder `--out`
_NUMBER, _WORD, _SETTING = r"-?[\d.]+,?", r"\w+,?", r"[\w.]+=\S+"
# Options that take several values: what one looks like, and what is between two.
LISTS = {
    **dict.fromkeys(("--batch", "--devices", "--mean", "--std", "--at"), (_NUMBER, ",")),
    **dict.fromkeys(("--show", "--columns", "--only"), (_WORD, ",")),
    "--input": (r"\d+|[A-Z],?", "x"),
    "--log": (_WORD, " {option} "),
    **dict.fromkeys(("-D", "--set", "--vary"), (_SETTING, " {option} ")),
}
# Commands whose option of that name takes one value.
SINGLE = {("--batch", f"netdsl {command}") for command in ("check", "run", "test", "export")}


def surplus(word: str, given: Sequence[str], program: str, known: Sequence[str]) -> str:
    """The end of the message about an argument too many; `known` are the options."""
    if program == "netdsl nets":
        return f"; {_for_net(word)}"
    spaced = without_spaces(given)
    if spaced is not None:
        return f": write `{spaced}`, without spaces"
    before = given[given.index(word) - 1] if word in given[1:] else ""
    if before.endswith(".net") and word.isidentifier():
        return f": for a net of the file, write `{before}:{word}`"
    flag = next((f for f in FLAGS if f in given and f in known), None)
    if flag is not None:
        at = given.index(flag)
        if word in given[at + 1 : at + 3] and _is_value(given[at + 1], r".*(?<!\.net)"):
            return f": {_out(given[at + 1], flag)}"
    return _apart(given, program, known) or _second(word, given, program, known)


def of_flag(flag: str, value: str) -> str:
    """The message about an option that takes no value, and got one as in `--resume=runs/A`."""
    message = f"option `{flag}` takes no value, found `{value}`"
    return f"{message}: {_out(value, flag)}" if flag in FLAGS else message


def _out(folder: str, flag: str) -> str:
    return f"the folder follows `--out`: write `--out {folder} {flag}`"


def _apart(given: Sequence[str], program: str, known: Sequence[str]) -> str:
    """The end of the message about values with blanks between them: `--batch 1 8`."""
    for at, option in enumerate(given):
        pattern, joint = LISTS.get(option, ("", ""))
        if option not in known or not pattern or (option, program) in SINGLE:
            continue
        fits = partial(_is_value, pattern=pattern)
        values = [word.strip(",") for word in takewhile(fits, given[at + 1 :])]
        if len(values) > 1:
            return f": write `{option} {joint.format(option=option).join(values)}`"
    return ""


def _is_value(word: str, pattern: str) -> bool:
    """Whether a word is one of several values, and not a file or a net of the library."""
    if word.startswith("-") or os.path.isfile(word) or library_file(word) is not None:
        return False
    return re.fullmatch(pattern, word) is not None


def _second(word: str, given: Sequence[str], program: str, known: Sequence[str]) -> str:
    """The end of the message about a second file, or the weights of a net."""
    command = program.rpartition(" ")[2]
    is_run = os.path.isfile(os.path.join(word, "weights.safetensors"))
    if (is_run or word.lower().endswith(WEIGHTS)) and "--weights" in known:
        return f": weights are an option: write `--weights {word}`"
    files = [w for w in given if w.lower().endswith((".net", ".onnx")) or library_file(w)]
    if command == "diff":
        return _revisions(word, given)
    if word not in files[1:]:
        return ""
    one = f"`{program}` takes one net at a time"
    if command != "verify":
        return f": {one}"
    models = [file for file in files if file.lower().endswith(".onnx")]
    if len(models) == 1:
        one = f"`netdsl verify {models[0]}` compares the model with its manifest"
    return f": {one}, and `netdsl diff {files[0]} {word}` compares the layers of two"


def _revisions(word: str, given: Sequence[str]) -> str:
    """The end of the message about a third argument: two revisions and a file, as for git."""
    from netdsl.diff.revisions import without_prefix  # few words are revisions

    nets = [other for other in given[1:] if not other.startswith("-")][:2]
    meant = [without_prefix(other, [word]) for other in nets]
    if not os.path.isfile(word) or None in meant or len(meant) < 2:
        return ""
    return f": write `netdsl diff {' '.join(filter(None, meant))}`"


def _for_net(name: str) -> str:
    """Advice for `netdsl nets resnet50`."""
    own = next((file for file in (name, f"{name}.net") if os.path.isfile(file)), None)
    if own is not None or library_file(name) is not None:
        return f"`netdsl check {own or name}` shows one net"
    found = net_of_library(name)
    if found is None:
        alike = similar(name, library_names())
        return "the library has no net of that name" + f"; {alike}" * bool(alike)
    return f"`netdsl check {found[0]}:{found[1]}` shows one net"
