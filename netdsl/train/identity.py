"""What defines a run: the net, its settings and the data. A resumed run must have the same."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, TypedDict

from netdsl.errors import SettingError
from netdsl.train.machine import versions
from netdsl.train.recipe.schedules import SPREAD
from netdsl.train.written import texts_of_config
from netdsl.weights.record import differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from netdsl.train.config import TrainConfig
    from netdsl.train.processes import Processes

# Settings that change nothing in the steps of training.
FREE = (
    *("metrics", "train_metrics", "gradient_norms", "workers"),
    *("early_stopping", "checkpoint_epochs", "checkpoint_minutes", "threads"),
    *("strategy", "stages", "micro_batches"),
)
OWN = ("threads", "workers")  # which may differ from process to process
ALLOW = (
    "`--allow-changes` (in Python `allow_changes=True`) resumes all the same; `--overwrite` starts"
    " from the beginning"
)
OTHER_NET = (
    "`--out` gives this net a folder of its own, and `--overwrite` starts from the beginning;"
    " `--allow-changes` (in Python `allow_changes=True`) resumes if all weights keep their shapes"
)


# An argument in the text of a call that contains no other calls, and its value.
_ARGUMENT = re.compile(r"(\w+) = (\[[^\[\]]*\]|\"[^\"]*\"|[^\[\],()]+)(?=, \w+ = |\)$)")


class RunIdentity(TypedDict):
    """The layers by their name, and the settings by theirs, as texts; `data` is a sum."""

    net: dict[str, str]
    settings: dict[str, str]
    data: str


def settings_of(config: TrainConfig) -> dict[str, str]:
    """The settings that the steps of a run depend on, as texts.

    The number of epochs is one of them only if the schedule depends on it.
    """
    free = set(FREE)
    if not isinstance(config.schedule, SPREAD):
        free.add("epochs")
    return {name: text for name, text in texts_of_config(config).items() if name not in free}


def check_same(path: Path, saved: RunIdentity, now: RunIdentity) -> None:
    """Raise SettingError `resume-mismatch` unless a checkpoint is of the same run.

    It names all that has changed, and has the place of the first change.
    """
    changes = list(_changes(path, saved, now))
    if changes:
        allow = OTHER_NET if saved["net"] != now["net"] else ALLOW
        raise SettingError("resume-mismatch", _listed(changes), changes[0][0], allow)


def changes_of(path: Path, saved: RunIdentity, now: RunIdentity) -> str | None:
    """All that has changed since a checkpoint was written, or None."""
    changes = list(_changes(path, saved, now))
    return _listed(changes) if changes else None


def _listed(changes: list[tuple[str | None, str]]) -> str:
    return "; and ".join(text for _, text in changes)


def _changes(path: Path, saved: RunIdentity, now: RunIdentity) -> Iterator[tuple[str | None, str]]:
    """What differs between the run of a checkpoint and this one, each with its entry."""
    source, names_data = f"{path} was", False
    if saved["net"] != now["net"]:
        yield None, f"{source} written by another net: {differences(saved['net'], now['net'])}"
        source = "it was"
    for name in {**now["settings"], **saved["settings"]}:
        text, before = (identity["settings"].get(name) for identity in (now, saved))
        if before == text:
            continue
        place, text, before = _difference(name, text, before)
        message = f"{_given(place, text)}, but {source} written {_with(before)}"
        if name == "epochs":
            message += "; the learning rate follows a curve over all epochs"
        yield name, message
        source, names_data = "it was", names_data or name == "data"
    if saved["data"] != now["data"] and not names_data:
        yield "data", f"{source} written with other data: files have changed since"


def check_equal(processes: Processes, identity: RunIdentity, config: TrainConfig) -> None:
    """Raise SettingError `different-processes` unless all processes have the same run.

    They compare their nets, their settings, their data and their versions. Settings that change
    nothing in the steps count too: processes with other `stages` would wait for each other.
    """
    settings = {name: text for name, text in texts_of_config(config).items() if name not in OWN}
    own = {
        "the net": sum_of(identity["net"]),
        "the settings": sum_of(settings),
        "the data": identity["data"],
        "the versions of netdsl and PyTorch": sum_of(versions()),
    }
    texts = [json.loads(text) for text in processes.texts(json.dumps(own))]
    for number, other in enumerate(texts):
        different = [name for name, value in texts[0].items() if other[name] != value]
        if different:
            count = processes.count
            who = f"process {number} of {count} (numbered from 0)"
            message = f"{different[0]} of {who} differ from those of process 0"
            if different[0] == "the net":
                message = f"the net of {who} differs from that of process 0"
            help_ = "give all machines the same files, options and versions"
            raise SettingError("different-processes", message, None, help_)


def sum_of(values: Mapping[str, str]) -> str:
    """A sum of texts by name."""
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _difference(
    name: str, text: str | None, before: str | None
) -> tuple[str, str | None, str | None]:
    """The path and the two values of what differs: an argument, if it is the only one."""
    if text is None or before is None or text.partition("(")[0] != before.partition("(")[0]:
        return name, text, before
    now, then = (dict(_ARGUMENT.findall(value)) for value in (text, before))
    changed = [key for key in now if now[key] != then.get(key)]
    if now.keys() != then.keys() or len(changed) != 1:
        return name, text, before
    return f"{name}.{changed[0]}", now[changed[0]], then[changed[0]]


def _given(name: str, text: str | None) -> str:
    return f"`{name}` is not given" if text is None else f"`{name}` is {text}"


def _with(text: str | None) -> str:
    return "without it" if text is None else f"with {text}"
