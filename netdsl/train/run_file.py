"""The file `run.json` of a run: all that is needed to repeat it, and how it went.

It is read without torch, by `netdsl runs`.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict, cast

from netdsl.errors import NetdslError
from netdsl.files import replacing
from netdsl.pipes import refuse_pipe
from netdsl.train.folder import RUN
from netdsl.train.records import Best

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.train.records import Record

FORMAT = 1  # of the file
RUNNING, FINISHED, STOPPED, DIVERGED, FAILED = "running finished stopped diverged failed".split()


class Data(TypedDict):
    """The data of a run; `sum` is that of all images and labels."""

    name: str
    note: str
    sum: str
    classes: list[str]
    train: int
    validation: int
    test: int


class RunFile(TypedDict):
    """The contents of the file.

    `texts` are the files of the net in the folder, the net's own first, and `text_sum` is their
    SHA-256 sum. `settings` are all entries of the `train` section, as texts. `best` is the best
    number so far, and `last` the record of the last epoch. `command` are the words that repeat the
    run in `directory`, without a folder for its results. Times are those of ISO 8601.
    """

    format: int
    net: str
    state: str
    reason: str
    epochs: int
    done: int
    best: Best | None
    last: Record
    started: str
    ended: str
    texts: list[str]
    text_sum: str
    defines: dict[str, str]
    settings: dict[str, str]
    data: Data
    command: list[str]
    directory: str
    device: str
    machine: dict[str, str]
    versions: dict[str, str]


def write_run(folder: Path, run: RunFile) -> None:
    """Write the file; raises OSError."""
    text = json.dumps(run, indent=2, ensure_ascii=False) + "\n"
    with replacing(folder / RUN) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_run(folder: Path) -> RunFile:
    """The file of a folder; raises `NetdslError` `bad-run` if it is not what `netdsl` writes."""
    path = folder / RUN
    try:
        refuse_pipe(path)
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _bad(path, f"it cannot be read: {reason}") from None
    return _checked(path, contents)


def _checked(path: Path, contents: Any) -> RunFile:
    """The contents, if every key has a value of its type."""
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise _bad(path, f"it has no `format` {FORMAT}")
    types = {
        **dict.fromkeys(("net", "state", "reason", "started", "ended"), str),
        **dict.fromkeys(("directory", "device", "text_sum"), str),
        **dict.fromkeys(("epochs", "done"), int),
        **dict.fromkeys(("texts", "command"), list),
        **dict.fromkeys(("defines", "settings", "machine", "versions", "data", "last"), dict),
    }
    for key, kind in types.items():
        if not isinstance(contents.get(key), kind):
            raise _bad(path, f"it has no `{key}` of the right kind")
    for key in ("defines", "settings", "machine", "versions"):
        if not all(isinstance(text, str) for text in contents[key].values()):
            raise _bad(path, f"a value in `{key}` is not a string")
    data = contents["data"]
    if not all(isinstance(data.get(key), str) for key in ("name", "sum")):
        raise _bad(path, "its `data` have no name or no sum")
    try:
        datetime.fromisoformat(contents["started"])
        if contents["best"] is not None:
            key, value, epoch = contents["best"]
            contents["best"] = Best(str(key), float(value), int(epoch))
    except (KeyError, TypeError, ValueError) as error:
        raise _bad(path, str(error)) from None
    return cast("RunFile", contents)


def _bad(path: Path, reason: str) -> NetdslError:
    message = f"{path} is not the file of a run: {reason}"
    return NetdslError(
        "bad-run", message, help="remove the file: `netdsl train --resume` writes it again"
    )
