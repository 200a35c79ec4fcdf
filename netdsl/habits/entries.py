"""Rewrites layers whose arguments are entries: sections, mappings and messages of other tools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess
from netdsl.habits.brackets import closing
from netdsl.habits.calls import chain_of
from netdsl.habits.layers import find
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_ENTRY = re.compile(r"[\"']?(\w+)[\"']?\s*[:=]\s*(\"[^\"]*\"|'[^']*'|\[[^\]]*\]|[\w.-]+)")
_HEAD = re.compile(r"(?:(?P<label>\w+)\s*:\s*)?(?P<kind>[A-Za-z_]\w*)\s*(?P<call>\([^()]*\))?\s*$")
_DEFINITION = re.compile(r"(?:^|\n)[ \t]*(?:net|block|aux|train)[ \t]+[^\n{]*\Z")
_KIND = ("type", "kind", "op", "layer")  # entries whose value is the kind of the layer
# How weights start and are trained, in a layer of Caffe.
_OF_WEIGHTS = re.compile(r"\b(?:\w+_filler|param)\s*\{[^{}]*\}")
_POOLING = {"MAX": "maxpool", "AVE": "avgpool"}
_UNUSED = ("name", "bottom", "top", *_KIND)
_MESSAGES = ("layer", "layers", "node")  # heads whose kind is an entry


def is_kind(name: str) -> bool:
    """Whether a name is that of a layer, here or in another tool."""
    return name in LAYERS or find(name) is not None


def braced_entries(matched: Matched) -> Fix:
    """`conv(8, k = 3)` for `conv { out: 8, k: 3 }`, and for a layer of Caffe."""
    text = matched.text
    opening = open_brace(text, matched.place("at")[0])
    if opening is None:
        return None
    before = text[max(0, opening - 80) : opening]
    head = _HEAD.search(before)
    if (
        head is None
        or _DEFINITION.search(before)
        or not (is_kind(head["kind"]) or head["kind"] in _MESSAGES)
    ):
        return None
    end = closing(text, opening)
    if end is None:
        return None
    start = opening - len(head[0])
    written = _call(head["kind"], text[opening + 1 : end], head["call"], head["label"])
    if written is None:
        return Guess("conv1: conv(20, 5)", end)
    return [(start, end + 1, written)]


def open_brace(text: str, offset: int) -> int | None:
    """The innermost brace that is open at an offset."""
    depth = 0
    for position in range(offset - 1, -1, -1):
        depth += (text[position] == "}") - (text[position] == "{")
        if depth < 0:
            return position
    return None


def section(matched: Matched) -> Fix:
    """`conv(8, 3)` for the section `[conv]` of Darknet, or for `conv:` and its indented entries."""
    if not is_kind(matched.group("kind")):
        return None
    text = matched.text
    end_of_line = text.find("\n", matched.place("at")[0])
    entries = re.compile(r"(?:\n[ \t]*\w+[ \t]*[:=](?!=)[ \t]*[^\s@{][^\n{}]*)+")
    found = entries.match(text, max(end_of_line, 0))
    if found is None:
        return None
    written = _call(matched.group("kind"), found[0])
    if written is None:
        return Guess("conv(32, 3, pad = 1)", found.end())
    return [(matched.place("fix")[0], found.end(), written)]


def _call(kind: str, inside: str, call: str | None = None, label: str | None = None) -> str | None:
    """The call of a layer with these entries, after the arguments that it has."""
    inside = _OF_WEIGHTS.sub("", inside)
    entries = {name: value.strip("\"'") for name, value in _ENTRY.findall(inside)}
    if kind in _MESSAGES:
        kind = next((entries[name] for name in _KIND if name in entries), kind)
    pooling = _POOLING.get(entries.pop("pool", ""))
    if pooling is not None:  # Caffe rounds its sizes up, and its windows have stride 1 by default
        kind, entries = pooling, {"stride": "1", "ceil": "true", **entries}
    label = label or entries.get("name")
    arguments = [call.strip("()")] if call is not None else []
    for name, value in entries.items():
        if name not in _UNUSED:
            is_plain = re.fullmatch(r"-?[\d.]+|true|false|\[.*\]", value)
            plain = value.capitalize() if value in ("true", "false") else value
            arguments.append(f"{name}={plain if is_plain else repr(value)}")
    if not is_kind(kind) or (not arguments and kind in LAYERS and call is None and not entries):
        return None
    chain = chain_of(f"{kind}({', '.join(arguments)})")
    if chain is None:
        return None
    return f"{label}: {chain}" if label and label.isidentifier() else str(chain)


def entry(matched: Matched) -> Fix:
    """`conv(8, 3)` for `conv: [8, 3]`, `conv: 8, 3` and `conv, 8, 3`."""
    kind = matched.group("kind")
    row = find(kind)
    if kind not in LAYERS and row is not None:
        kind = row.ours
    arguments = re.findall(r"[\w.]+", matched.group("arguments"))
    if kind not in LAYERS or not 1 <= len(arguments) <= len(LAYERS[kind].args):
        return None
    return f"{kind}({', '.join(arguments)})"


def part(matched: Matched) -> Fix:
    """Nothing, but the body in braces that begins on this line cannot be checked."""
    opening = matched.text.find("{", matched.start)
    end_of_line = matched.text.find("\n", matched.start)
    is_here = 0 <= opening and (end_of_line < 0 or opening < end_of_line)
    end = closing(matched.text, opening) if is_here else None
    return Guess("", end or 0)
