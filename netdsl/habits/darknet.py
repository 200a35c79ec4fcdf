"""Rewrites the sections of Darknet's `.cfg` files as layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess
from netdsl.habits.entries import section
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.habits.base import Fix, Matched

_ENTRIES = re.compile(r"(?:\n[ \t]*\w+[ \t]*=(?!=)[ \t]*[^\s@{][^\n{}]*)+")
_ENTRY = re.compile(r"(\w+)[ \t]*=[ \t]*([^\s#;]+)")
_ACTIVATIONS = {"logistic": "sigmoid", "leaky": "leaky_relu(0.1)", "swish": "silu"}
# Sections whose keys decide nothing.
_PLAIN = {"avgpool": "gap", "avg": "gap", "softmax": "softmax", "soft": "softmax"}
# What to write for a section that depends on others.
_EXAMPLES = {
    "shortcut": "add(@label)",
    "route": "concat(@label)",
    **dict.fromkeys(("yolo", "region", "detection"), "output boxes: identity"),
}


def darknet_section(matched: Matched) -> Fix:
    """`conv(16, 3, pad = 1, bias = false) -> bn` for `[convolutional]` and the keys below it."""
    kind, text = matched.group("kind"), matched.text
    end, keys = matched.start + len(matched.match.string), {}
    found = _ENTRIES.match(text, end)
    if found is not None:
        keys, end = dict(_ENTRY.findall(found[0])), found.end()
    if kind in ("net", "network"):
        return Guess(_input(keys), end)
    if kind in _EXAMPLES:
        return Guess(_EXAMPLES[kind], end)
    written = _layers(kind, keys)
    if written is None:
        return section(matched)
    if isinstance(written, Guess):
        return Guess(written, end)
    return [(matched.place("fix")[0], end, written)]


def _input(keys: Mapping[str, str]) -> str:
    """The input of a net, with the sizes of its first section."""
    given = {"channels": "3", "height": "224", "width": "224", **keys}
    return f"input image: {given['channels']}x{given['height']}x{given['width']}"


def _layers(kind: str, keys: Mapping[str, str]) -> str | None:
    """The layers of a section, or None if they are not certain."""
    try:
        if kind in ("convolutional", "conv"):
            return _activated(_convolution(keys), keys)
        if kind in ("connected", "conn"):
            return _activated(f"flatten -> dense({int(keys['output'])}", keys)
        if kind in ("maxpool", "max"):
            return _maxpool(keys)
        if kind == "upsample" and set(keys) <= {"stride"}:
            return f"upsample({int(keys.get('stride', '2'))})"
        if kind == "dropout":
            return f"dropout({float(keys.get('probability', '0.5')):g})"
    except (KeyError, ValueError):
        return None
    return _PLAIN.get(kind)


def _convolution(keys: Mapping[str, str]) -> str:
    """The call of a `conv` without its last parenthesis; `pad=1` is half of the kernel."""
    k = int(keys.get("size", "1"))
    given = {"stride": 1, "pad": 0, "groups": 1, "dilation": 1}
    values = {name: int(keys.get(name, default)) for name, default in given.items()}
    values["pad"] = int(keys.get("padding", "0"))
    if int(keys.get("pad", "0")):
        values["pad"] = k // 2
    further = [f", {name} = {n}" for name, n in values.items() if n != given[name]]
    return f"conv({int(keys['filters'])}, {k}{''.join(further)}"


def _activated(call: str, keys: Mapping[str, str]) -> str:
    """A call with what its keys add to it; raises `KeyError` for an unknown activation."""
    chain = f"{call})"
    if int(keys.get("batch_normalize", "0")):
        chain = f"{call}, bias = false) -> bn"
    theirs = keys.get("activation", "linear")
    if theirs == "linear":
        return chain
    ours = _ACTIVATIONS.get(theirs, theirs)
    if ours.partition("(")[0] not in LAYERS:
        raise KeyError(theirs)
    return f"{chain} -> {ours}"


def _maxpool(keys: Mapping[str, str]) -> str | None:
    """A pooling layer, whose padding is one less than its window and counts both sides."""
    stride = int(keys.get("stride", "1"))
    k = int(keys.get("size", stride))
    if set(keys) - {"size", "stride"}:
        return None
    if k == stride:
        return Guess(f"maxpool({k})")  # Darknet pads sizes that the stride does not divide
    if k % 2 == 0 and stride > 1:
        return None
    if k % 2 == 0:
        return f"maxpool({k}, stride = 1, pad = same)"
    return f"maxpool({k}, stride = {stride}, pad = {k // 2})"
