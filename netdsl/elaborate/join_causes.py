"""The layer that makes the inputs of a join unequal: a stride, missing padding, an odd pixel."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from netdsl.elaborate.join_repairs import written_with
from netdsl.errors import NetdslError
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netdsl.ir.graph import Node, Value
    from netdsl.ir.types import TensorType

SEQUENCE = 2  # axes of T x D
FAR = 200  # layers before a join that are examined
# The arguments with the length of the vectors that a layer makes.
WIDTHS = {"embedding": "dim", "dense": "units"}


class Odd(NamedTuple):
    """An input of a join that is unlike the others, and the sizes that they have."""

    value: Value
    usual: tuple[int, ...]


def cause(call: ast.Call, xs: Sequence[Value]) -> str | None:
    """What to write in place of a layer before a join of maps of unequal sizes, or None."""
    odd = _odd(xs)
    if odd is None:
        return None
    return _own_stride(odd) or _lost_pixel(call, xs, odd)


def _odd(xs: Sequence[Value]) -> Odd | None:
    """The first input whose sizes are not those of the others; of two, the smaller."""
    sizes = [x.type.spatial for x in xs]
    if len({len(s) for s in sizes}) > 1 or not all(isinstance(n, int) for s in sizes for n in s):
        return None
    numbers = [tuple(int(str(n)) for n in s) for s in sizes]
    counts = Counter(numbers)
    usual = max(counts, key=lambda size: (counts[size], size))
    odd = next((x for x, size in zip(xs, numbers, strict=True) if size != usual), None)
    return None if odd is None else Odd(odd, usual)


def _before(value: Value) -> Iterator[Node]:
    """The layers from which a value comes, along the first inputs, the nearest first."""
    node = value.producer
    for _ in range(FAR):
        if node is None:
            return
        yield node
        node = node.inputs[0].producer


def _maker(odd: Odd) -> Node | None:
    """The last layer before a join that changes the size of its map."""
    nodes = _before(odd.value)
    return next((n for n in nodes if n.inputs[0].type.spatial != n.type.spatial), None)


def _changed(node: Node, **changes: object) -> TensorType | None:
    """The type of the result of a layer with other arguments."""
    try:
        return type(node.op)({**node.op.given, **changes}).inferred(*node.types)[0]
    except NetdslError:
        return None


def _own_stride(odd: Odd) -> str | None:
    """Advice for `maxpool(3, pad = 1)`, whose stride is 3, in an arm beside maps of full size."""
    node = _maker(odd)
    if node is None or node.op.given.get("stride", 0) is not None or "(" not in node.span.text:
        return None
    k = node.op.given["k"]
    if not isinstance(k, int) or k % 2 == 0:
        return None
    same = _changed(node, stride=1, pad=k // 2)
    if same is None or same.spatial != odd.usual:
        return None
    arguments = ["stride = 1"]
    written = written_with(node, *arguments)
    if "pad" not in written:
        written = written_with(node, "stride = 1", f"pad = {k // 2}")
    elif node.op.given["pad"] != k // 2:
        return None
    else:
        start, _, rest = node.span.text.partition(", pad")
        written = f"{start}, stride = 1, pad{rest}"
    return f"`{node.op.kind}({k})` has stride {k} by default: write `{written}`"


def _lost_pixel(call: ast.Call, xs: Sequence[Value], odd: Odd) -> str | None:
    """Advice for a map that a pooling layer rounded down, and that grows by a factor again."""
    node = _maker(odd)
    if node is None or node.op.kind != "upsample" or node.op.given["scale"] is None:
        return None
    scale, text = node.op.given["scale"], node.span.text
    losses = [
        (n, size)
        for n in _before(odd.value)
        for size in n.inputs[0].type.spatial
        if n.op.family == "pooling" and isinstance(size, int) and _rounds(n, size)
    ]
    references = [a.value.span.text for a in call.arguments if isinstance(a.value, ast.Reference)]
    others = [x for x in xs if x.type.spatial == odd.usual]
    if not losses or len(references) != 1 or len(others) != 1 or "(" not in text:
        return None
    pool, size = losses[-1]
    step = pool.op.given["stride"] or pool.op.given["k"]
    written = text.replace(f"({scale}", f"({references[0]}").replace(
        f"scale = {scale}", references[0]
    )
    return (
        f"`{pool.span.text}` drops a pixel of {size}, which {step} does not divide: write"
        f" `{written}`, which has the size of the reference, or begin with sizes that"
        f" {scale} divides"
    )


def _rounds(node: Node, size: int) -> bool:
    """Whether a pooling layer leaves out the last pixels of a size."""
    step = node.op.given.get("stride") or node.op.given.get("k")
    whole = node.op.given.get("pad") == 0 and not node.op.given.get("ceil", False)
    return isinstance(step, int) and step == node.op.given.get("k") and whole and size % step > 0


# ---- operands whose shape is an argument


def other_shape(xs: Sequence[Value], wanted: Sequence[TensorType]) -> str | None:
    """Advice to change the argument that gives one of two inputs its shape, or None."""
    for x, other in zip(xs, wanted, strict=True):
        node = x.producer
        if node is not None and node.op.kind == "param" and "value" not in node.span.text:
            advice = _other_param(node, other)
            if advice is not None:
                return advice
    return None


def _other_param(node: Node, other: TensorType) -> str | None:
    """`param(197x768)` in place of `param(196x768)`, and `param(1x8, leading = 1)` of `1x1x8`."""
    written, found = str(node.type), node.type.shape
    if not all(isinstance(n, int) for n in other.shape) or written not in node.span.text:
        return None
    if len(found) == len(other.shape):
        return f"write `{node.span.text.replace(written, str(other), 1)}`"
    extra = len(found) - len(other.shape)
    if extra < 1 or set(found[:extra]) != {1} or "leading" in node.span.text:
        return None
    kept = "x".join(map(str, found[extra:]))
    text = node.span.text.replace(written, f"{kept}, leading = {extra}", 1)
    return f"a shape has no batch: write `{text}`, which stores it as {written}"


def other_width(xs: Sequence[Value]) -> str | None:
    """Advice for two sequences or vectors of unlike lengths, from the smaller one's layer."""
    lengths = [x.type.shape[-1] for x in xs]
    if not all(isinstance(n, int) for n in lengths):
        return None
    small = min(xs, key=lambda x: int(str(x.type.shape[-1])))
    wanted = max(int(str(n)) for n in lengths)
    node = small.producer
    name = None if node is None else WIDTHS.get(node.op.kind)
    if node is None or name is None:
        return None
    text, length = node.span.text, str(node.op.given[name])
    by_channels = by_first_axis(node)
    if by_channels is not None:
        return by_channels
    if text.count(length) != 1:
        return None
    help_ = f"give the vectors the same length: write `{text.replace(length, str(wanted))}`"
    return help_ + f", or `{text} -> dense({wanted})`" * (node.op.kind != "dense")


def by_first_axis(node: Node) -> str | None:
    """Advice for `dense(in.channels)` of a sequence, whose first axis has the steps."""
    text = node.span.text
    if "in.channels" not in text or len(node.type.shape) != SEQUENCE:
        return None
    return (
        "`in.channels` is the size of the first axis, here the steps: write"
        f" `{text.replace('in.channels', 'in.shape[1]')}` for the length of the vectors"
    )
