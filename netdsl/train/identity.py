"""What defines a run: the net, its settings and the data. A resumed run must have the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from netdsl.errors import SettingError
from netdsl.train import settings
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.ir.graph import Graph
    from netdsl.train.config import TrainConfig

# Settings that change nothing in the steps of training.
FREE = ("metrics", "workers")
ALLOW = "`--allow-changes` resumes all the same; `--overwrite` starts from the beginning"
MOST = 3  # differences in a message


class Identity(TypedDict):
    """The layers by their name, and the settings by theirs, as texts; `data` is a sum."""

    net: dict[str, str]
    settings: dict[str, str]
    data: str


def layers_of(graph: Graph) -> dict[str, str]:
    """Every layer of a graph as a text, by its name."""
    return {
        node.name: " ".join(
            [
                node.op.kind,
                *(f"{name}={value}" for name, value in node.op.given.items()),
                *(value.name for value in node.inputs),
                *(["frozen"] if node.frozen else []),
            ]
        )
        for node in graph.nodes
    }


def settings_of(config: TrainConfig) -> dict[str, str]:
    """The settings that the steps of a run depend on, as texts.

    The number of epochs is one of them only if the schedule depends on it.
    """
    texts = {name: repr(getattr(config, name)) for name in config.__dataclass_fields__}
    free = set(FREE)
    if not isinstance(config.schedule, settings.Cosine):
        free.add("epochs")
    return {name: text for name, text in texts.items() if name not in free}


def check_same(path: Path, saved: Identity, now: Identity) -> None:
    """Raise SettingError `resume-mismatch` unless a checkpoint is of the same run."""
    for name, text in now["settings"].items():
        before = saved["settings"].get(name)
        if before != text:
            message = f"`{name}` is {text}, and {path} was written with {before}"
            if name == "epochs":
                message += "; the learning rate follows a cosine over all epochs"
            raise SettingError("resume-mismatch", message, name, ALLOW)
    if saved["net"] != now["net"]:
        message = f"{path} was written by another net: {_differences(saved['net'], now['net'])}"
        raise SettingError("resume-mismatch", message, None, ALLOW)
    if saved["data"] != now["data"]:
        message = f"{path} was written with other data: files have changed since"
        raise SettingError("resume-mismatch", message, "data", ALLOW)


def _differences(saved: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The first layers that differ, as `relu1` was `relu`, and is `tanh`."""
    names = [name for name in {**saved, **now} if saved.get(name) != now.get(name)]
    texts = [_difference(name, saved.get(name), now.get(name)) for name in names[:MOST]]
    if len(names) > MOST:
        texts.append(f"and {counted(len(names) - MOST, 'more layer')}")
    return "; ".join(texts)


def _difference(name: str, saved: str | None, now: str | None) -> str:
    if saved is None:
        return f"`{name}` is new"
    if now is None:
        return f"`{name}` is missing"
    return f"`{name}` was `{saved}` and is `{now}`"
