"""Advice for joins of a vector with maps or sequences, and of the channels of another value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.join_repairs import Repair
from netdsl.elaborate.join_ways import line, source, way

if TYPE_CHECKING:
    from netdsl.elaborate.join_ways import Joining

_NEXT_LAYER = re.compile(
    r"\b(?:(?P<map>conv|depthwise|deconv|maxpool|avgpool|upsample)|dense|flatten|gap)\b"
)
_ONE_SIZE = re.compile(r"param\(\[?(?P<size>\w+)\]?(?P<rest>[,)].*)")
MAP = 3  # axes of channels and a picture


def channels_of_input(join: Joining) -> Repair | None:
    """Advice for `conv(in.channels, 1)` in the body of a net, where `in` is the net's input."""
    call = join.invocation.call
    if not all(x.type.shape and source(x).type.shape for x in join.xs):
        return None
    for number, x in enumerate(join.xs):
        for node in way(x):
            inside = call.span.start <= node.span.start < call.span.end
            if not inside or node.output.site.caller is not None or not node.type.shape:
                break
            channels = node.type.shape[0]
            other = join.xs[1 - number if number < 2 else 0].type.shape[0]
            is_input = channels == source(x).type.shape[0] != other
            if (
                "in.channels" in node.span.text
                and is_input
                and join.takes(number, x.type._replace(shape=(other, *x.type.shape[1:])))
            ):
                return Repair(
                    f"`in.channels` is {channels} on line {line(node.span)}, the channels of the"
                    f" net's input: write `{other}`, as many as {join.named(1 - number)} has"
                )
    return None


def for_vector(join: Joining) -> Repair | None:
    """Advice for a vector that is joined with a sequence or with a map."""
    ranks = [len(x.type.shape) for x in join.xs]
    if len(ranks) != 2 or min(ranks) != 1 or join.invocation.arms:
        return None
    number = ranks.index(1)
    vector, other = join.xs[number], join.xs[1 - number]
    if vector.producer is not None and vector.producer.op.kind == "param":
        written = _ONE_SIZE.fullmatch(vector.producer.span.text)
        step = other.type._replace(shape=(1, *vector.type.shape))
        if written is None or not join.takes(number, step):
            return None
        text = f"param([1, {written['size']}]{written['rest']}"
        help_ = f"a sequence of one step has two sizes: write `{text}`, which is {step}"
        return Repair(help_, (Edit(vector.producer.span, text),))
    call = join.invocation.call
    after = _NEXT_LAYER.search(call.span.file.text, call.span.end)
    reference = join.reference(number)
    if after is None or after["map"] is None or reference is None or ranks[1 - number] != MAP:
        return None
    plane = other.type.spatial
    if call.name != "concat" or not all(isinstance(size, int) for size in plane):
        return None
    sizes = "x".join(map(str, (1, *plane)))
    count = plane[0] * plane[1]
    return Repair(
        f"make the vector a map, and join that: write `{reference.span.text} -> dense({count}) ->"
        f" reshape({sizes})`"
    )
