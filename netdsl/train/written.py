"""The settings of a run as a `train` section has them, the defaults included; imports no torch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from netdsl.config import SettingCall, text_of
from netdsl.train.config import KINDS
from netdsl.train.recipe.losses import OutputLoss

if TYPE_CHECKING:
    from netdsl.train.config import TrainConfig

_NAMES = {
    target: name
    for _, registry in KINDS.values()
    for name, target in registry.items()
    if isinstance(target, type)
}


def texts_of_config(config: TrainConfig) -> dict[str, str]:
    """The value of each entry as a text, in the order of the entries; without those of no value."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {name: _text(value) for name, value in values.items() if value is not None}


def section_text(net: str, settings: dict[str, str]) -> str:
    """A `train` section with these entries."""
    width = max(map(len, settings))
    lines = [f"    {name:{width}} = {text}\n" for name, text in settings.items()]
    return f"train {net} {{\n{''.join(lines)}}}\n"


def _text(value: object) -> str:
    if isinstance(value, SettingCall):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_element, value))}]"
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return text_of(value)
    arguments = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    texts = [f"{name} = {_text(own)}" for name, own in arguments.items() if own is not None]
    name = _NAMES[type(value)]
    if not texts:
        return name
    return f"{name}({', '.join(texts)})"


def _element(value: object) -> str:
    """An element of a list; in a list of pairs, a pair."""
    if isinstance(value, OutputLoss):
        value = (value.output, value.loss, value.weight)
    if isinstance(value, tuple) and not isinstance(value, SettingCall):
        return f"({', '.join(map(_text, value))})"
    return _text(value)
