"""The paths of layers of Caffe, from which their labels and groups in the text follow."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

FEWEST = 3  # layers of a unit
# A layer of a unit: `res2b_branch2a` and `bn2b_branch2a`, or `conv2_3_1x1_reduce`.
UNIT = re.compile(
    r"(?P<kind>[A-Za-z]*)(?P<stage>\d+)(?:(?P<letter>[a-z])(?P<number>\d*)|_(?P<count>\d+))"
    r"_(?P<rest>\w*[A-Za-z]\w*)"
)


class UnitPlace(NamedTuple):
    """The place of a layer in a unit of a stage, which counts from 0."""

    kind: str
    stage: str
    position: int
    rest: str

    @property
    def unit(self) -> tuple[str, int]:
        """The unit."""
        return self.stage, self.position


def layer_paths(names: list[str]) -> dict[str, str]:
    """The path of each name, with dots between its parts.

    A slash separates parts, unless what is before it is a layer too: `conv1` and `conv1/bn` become
    `conv1` and `conv1_bn`. Names that count the units of a residual network become positions, so
    that equal units can be one block: `res2b_branch2a` becomes `res2.1.branch2a`.
    """
    own = set(names)
    flat = {name: _parts(name, own) for name in names}
    places = {
        name: place
        for name, parts in flat.items()
        if len(parts) == 1 and (place := _place(parts[0])) is not None
    }
    members = Counter(place.unit for place in places.values())
    units = {unit for unit, count in members.items() if count >= FEWEST}
    kinds: dict[str, str] = {}
    paths = {}
    for name, parts in flat.items():
        place = places.get(name)
        if place is None or place.unit not in units or len(units) == 1:
            paths[name] = ".".join(parts) or "layer"
            continue
        kind = kinds.setdefault(place.stage, place.kind)
        label = place.rest if place.kind == kind else f"{place.kind}_{place.rest}"
        paths[name] = f"{kind}{place.stage}.{place.position}.{label}"
    return paths


def _parts(name: str, own: set[str]) -> list[str]:
    """The parts of a name."""
    parts: list[str] = []
    whole = ""
    for part in name.replace(".", "_").split("/"):
        is_joined = whole in own and parts
        whole = f"{whole}/{part}" if whole else part
        if is_joined:
            parts[-1] += f"_{part}"
        elif part:
            parts.append(part)
    return parts


def _place(name: str) -> UnitPlace | None:
    match = UNIT.fullmatch(name)
    if match is None:
        return None
    if match["count"]:
        index = int(match["count"][:6]) - 1
    elif match["number"]:
        index = int(match["number"][:6])
    else:
        index = ord(match["letter"]) - ord("a")
    return UnitPlace(match["kind"], match["stage"], index, match["rest"])
