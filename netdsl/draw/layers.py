"""The styles `layers` and `blocks`: boxes in nested frames, joined by arrows with shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.draw.arrange import arrange
from netdsl.draw.boxes import SMALL, box_group, size_of
from netdsl.draw.folding import fitting_depth
from netdsl.draw.legend import finish
from netdsl.draw.metrics import text_width
from netdsl.draw.parts import LEAD, PAD, Link, Part, Room
from netdsl.draw.picture import Picture, short
from netdsl.draw.sheet import Group, Ink, Polygon, Rect, Stroke, Text
from netdsl.draw.themes import THEMES
from netdsl.draw.tips import Tips

if TYPE_CHECKING:
    from netdsl.draw.options import Options
    from netdsl.draw.picture import Box, Cluster
    from netdsl.draw.sheet import Item, Point, Sheet
    from netdsl.draw.themes import Theme
    from netdsl.ir.graph import Graph

TITLE = 9.0  # size of the letters of a scope's title
HEAD = 6.0  # length of an arrow's head
LABEL = 11.0  # height of a shape
_BEND = 5.0  # radius of the corners of arrows


def layers_sheet(graph: Graph, options: Options) -> Sheet:
    """The picture of a net in the style `layers` or `blocks`."""
    depth, blocks = options.depth, options.style == "blocks"
    if depth is None and not blocks:
        depth = fitting_depth(graph)
    picture = Picture(graph, depth, stack=True, blocks=blocks)
    return _Drawing(picture, options).sheet()


class _Drawing:
    def __init__(self, picture: Picture, options: Options) -> None:
        self.picture = picture
        self.options = options
        self.theme: Theme = THEMES[options.theme]
        self.right = bool(options.right)
        self.tips = Tips(picture.graph, options)
        self.parts: dict[str, Part] = {}  # by the id of the box
        self.boxes: dict[int, Box] = {}  # by the id of the part
        self.frames: list[tuple[Cluster, Part]] = []
        labels = {flow.source.id: "" for flow in picture.flows}
        for flow in picture.flows:
            if flow.shape is not None and not labels[flow.source.id]:
                labels[flow.source.id] = short(flow.shape.lines[0])
        self.labels = labels
        self.root = self._frame(picture.root)
        arrange(self.root, self._links())

    # ---- sizes

    def _frame(self, cluster: Cluster) -> Part:
        """The part of a scope, with those of its members in the order of the text."""
        frame = Part()
        if cluster is self.picture.root:
            frame.lead = frame.before = 0.0
        else:
            self._set_head(frame, cluster)
            self.frames.append((cluster, frame))
        members = [(int(box.id[1:]), self._part(box)) for box in cluster.boxes]
        members += [(_first(child), self._frame(child)) for child in cluster.children.values()]
        for _, member in sorted(members, key=lambda pair: pair[0]):
            frame.add(member)
        return frame

    def _set_head(self, frame: Part, cluster: Cluster) -> None:
        """Keep room for the title of a scope."""
        width = _title_width(cluster)
        if self.right:
            frame.before, frame.least, frame.lead = PAD + 14, width + PAD, LEAD
        else:
            frame.entry, frame.width = width + 2 * PAD, width + 2 * PAD

    def _part(self, box: Box) -> Part:
        width, height = size_of(box)
        label = self.labels.get(box.id, "")
        room = text_width(label, SMALL) + 9 if label else 0.0
        part = Part(height, width, sided=box.look == "sign")
        if self.right:
            part.main, part.cross = width, height
            part.room = Room(room, LABEL * bool(label), 0.0)
        elif label:
            part.room = Room(LABEL, 0.0, room)
        self.parts[box.id], self.boxes[id(part)] = part, box
        return part

    def _links(self) -> list[Link]:
        links = []
        for number, flow in enumerate(self.picture.flows):
            source = self.parts[flow.source.id]
            for target in flow.targets:
                inputs = target.bands[0].node.inputs if target.bands else ()
                leads = len(inputs) > 1 and inputs[0] is flow.value
                links.append(Link(number, source, self.parts[target.id], leads))
        return links

    # ---- shapes

    def sheet(self) -> Sheet:
        """The picture, with its title and legend."""
        items = [self._scope(cluster, frame) for cluster, frame in self.frames]
        items += self._wires()
        items += [self._box(box) for box in self.picture.boxes()]
        items += self._labels()
        height, width = self.root.main - PAD, self.root.cross - PAD
        if self.right:
            width, height = height, width
        families = [b.node.op.family for box in self.picture.boxes() for b in box.bands]
        return finish(
            items, width, height, self.picture.graph, self.theme, families, self._note()
        )

    def _note(self) -> str:
        """What the picture leaves out."""
        if any(box.look == "folded" for box in self.picture.boxes()):
            return "blocks are folded"
        return ""

    def _point(self, main: float, cross: float) -> Point:
        return (main, cross) if self.right else (cross, main)

    def _scope(self, cluster: Cluster, frame: Part) -> Group:
        x, y = self._point(*frame.at)
        width, height = self._point(frame.main, frame.cross)
        theme = self.theme
        border = theme.aux_border if cluster.aux else theme.scope_border
        fill = theme.scopes[min(max(cluster.scope.depth - 1, 0), len(theme.scopes) - 1)]
        name, colon, kind = cluster.title.partition(": ")
        texts = [Text(x + 8, y + 12, short(name), TITLE, theme.soft, "start", bold=True)]
        if colon:
            left = x + 8 + text_width(short(name), TITLE, bold=True)
            texts.append(Text(left, y + 12, short(f": {kind}"), TITLE, theme.faint, "start"))
        nodes = list(cluster.scope.nodes())
        return Group(
            "scope",
            [Rect(x, y, width, height, Ink(fill, border, 1.0, cluster.aux), 8.0), *texts],
            f"{cluster.scope.name}.",
            self.tips.of_scope(cluster.scope, nodes),
            self.tips.link_of_scope(cluster.scope, nodes),
        )

    def _box(self, box: Box) -> Group:
        x, y = self._point(*self.parts[box.id].at)
        group = box_group(box, x, y, self.theme)
        if box.scope is not None:
            group.tip = self.tips.of_scope(box.scope, box.nodes)
            group.link = self.tips.link_of_scope(box.scope, box.nodes)
        elif box.bands:
            group.tip = "\n\n".join(self.tips.of_layer(band.node) for band in box.bands)
            group.link = self.tips.link_of_layer(box.bands[0].node)
        return group

    def _wires(self) -> list[Group]:
        """The arrows, with one group for each value."""
        flows = self.picture.flows
        lines: dict[int, list[Item]] = {}
        aux = {number for number, flow in enumerate(flows) if all(t.aux for t in flow.targets)}
        for cluster, frame in [(self.picture.root, self.root), *self.frames]:
            for wire in frame.wires:
                target = None if wire.target is None else self.boxes.get(id(wire.target))
                dashed = cluster.aux or wire.value in aux or (target is not None and target.aux)
                points = tuple(self._point(*point) for point in wire.points)
                lines.setdefault(wire.value, []).extend(
                    arrow(points, self.theme, dashed=dashed, head=target is not None)
                )
        return [
            Group("edge", items, f"{flows[number].value.name}..")
            for number, items in sorted(lines.items())
        ]

    def _labels(self) -> list[Group]:
        """The shapes, each beside the arrow that leaves the box which makes the value."""
        groups = []
        for box in self.picture.boxes():
            label, part = self.labels.get(box.id, ""), self.parts[box.id]
            if not label:
                continue
            if self.right:
                x, y = part.at[0] + part.main + 4, part.at[1] + part.cross / 2 - 3.5
            else:
                x, y = part.at[1] + part.cross / 2 + 5, part.at[0] + part.main + LABEL - 0.5
            text = Text(x, y, label, SMALL, self.theme.faint, "start")
            groups.append(Group("label", [text]))
        return groups


def arrow(
    points: tuple[Point, ...], theme: Theme, *, dashed: bool = False, head: bool = True
) -> list[Item]:
    """A line through points, with a head at its end."""
    ink = Ink(line=theme.line, width=0.95, dashed=dashed)
    if not head:
        return [Stroke(points, ink, _BEND)]
    (x0, y0), (x, y) = points[-2:]
    length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1e-6)
    along, aside = ((x - x0) / length, (y - y0) / length), 2.6
    back = (x - HEAD * along[0], y - HEAD * along[1])
    corners = (
        (x, y),
        (back[0] - aside * along[1], back[1] + aside * along[0]),
        (back[0] + aside * along[1], back[1] - aside * along[0]),
    )
    return [Stroke((*points[:-1], back), ink, _BEND), Polygon(corners, Ink(theme.line))]


def _first(cluster: Cluster) -> int:
    """The number of the first box inside a scope."""
    return min(int(box.id[1:]) for inner in cluster.walk() for box in inner.boxes)


def _title_width(cluster: Cluster) -> float:
    name, colon, kind = cluster.title.partition(": ")
    rest = short(f": {kind}") if colon else ""
    return text_width(short(name), TITLE, bold=True) + text_width(rest, TITLE)
