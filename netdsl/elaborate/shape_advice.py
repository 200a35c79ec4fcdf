"""Advice for layers whose input has the wrong shape, from the layers before them."""

from __future__ import annotations

import re
from math import isqrt, prod
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import added
from netdsl.elaborate.input_fixes import COLOURS, is_picture
from netdsl.elaborate.join_repairs import Repair
from netdsl.errors import NetdslError
from netdsl.ir.op import WINDOWED
from netdsl.ir.types import TensorType
from netdsl.ops import LAYERS
from netdsl.ops.base import bind
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netdsl.elaborate.entered import Entered
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.op import Op
    from netdsl.ir.types import Sym
    from netdsl.source import Span
    from netdsl.syntax import ast

BRIDGES = (("flatten",), ("gap", "flatten"), ("tokens",))  # layers that make another rank
FEWEST_PIXELS = 4  # along a side of a square picture
MOST_AXES = 4  # channels and three spatial axes
MOVERS = ("reshape", "permute", "tokens", "embedding", "param", "const", "positions")
_CALL = re.compile(r"conv\((\d+), *(\d+), *(\d+)((?:, [^()]*)?\))")
_RESIDUAL = re.compile(r"\bresidual\b[^{}]*\{[^{}]*$")  # before a layer in its braces
KEEPING = ("activation", "normalisation", "regularisation")  # families that keep a shape
LARGEST_KERNEL = 11  # of the kernels that nets have
SMALLEST_PATCH = 4  # pixels along a side
MOST_STEPS = 4  # layers that a message lists


# ---- another number of axes


def for_rank(
    op: Op, call: ast.Call, x: Value, outside: Node | None = None, loop: Entered | None = None
) -> str | None:
    """Advice for a layer that does not take the rank of its input, or None.

    In a block, `outside` is the last layer before its call. `loop` is one that the input enters.
    """
    text = call.span.file.text
    written = text[call.name_span.start : call.span.end]
    earlier = next((value for value in _back(x) if takes(op, value.type)), None)
    is_decoder = x.producer is None or x.producer.op.kind != "flatten"
    if op.kind == "deconv" and len(x.type.shape) == 1 and is_decoder:
        return _enlarged(written, x)
    if earlier is not None and len(x.type.shape) == 1:
        called = _call_of_another_file(x, call)
        if called is not None:
            advice = "use `dense`" if op.family == "convolution" else f"leave out `{written}`"
            where = f"`{called.text}` on line {called.first.line}"
            return f"{where} ends with a vector, of {x.type} numbers: {advice}"
        return _moved_up(op, written, x, earlier)
    before = _source(x)
    is_flat = x.producer is not None and x.producer.op.kind == "flatten"
    if is_flat and before is not None and _takes_after(op, ("tokens",), before.type):
        return f"write `tokens -> {written}` in place of `flatten`"
    bridges = [" -> ".join(kinds) for kinds in BRIDGES if _takes_after(op, kinds, x.type)]
    if len(x.type.shape) > 2 and layout(x) != "map":
        if op.kind == "attention" and layout(x) == "moved":
            return _windowed(op, call, x.type)
        bridges = [bridge for bridge in bridges if bridge == "flatten"]
    if "tokens" in bridges and _RESIDUAL.search(text[: call.span.start]):
        place = "before the `residual`"
        if loop is not None:
            place = loop.before
        elif outside is not None:
            place = f"after the `{outside.op.kind}` on line {outside.span.first.line}"
        return f"put `tokens` {place}: it turns the map into a sequence of vectors"
    if bridges and loop is not None:
        listed = " or ".join(f"`{bridge}`" for bridge in _fitting(bridges, x.type))
        fact = "inside the loop, it would be applied in every round"
        return f"put {listed} {loop.before}: {fact}" + _along_last_axis(op, x.type)
    patches = _patches(x)
    if patches is not None and "tokens" in bridges:
        return (
            f"`{patches.span.text}` on line {patches.span.first.line} cuts patches: write"
            " `-> tokens` after it, which makes a sequence of their vectors"
        )
    if bridges and 1 < len(x.type.shape) <= MOST_AXES:
        return _bridged(written, bridges, x.type) + _along_last_axis(op, x.type)
    if len(x.type.shape) > MOST_AXES:
        return "an input has no batch; a picture has channels, height and width: `3x224x224`"
    shape = next((shape for shape in _pictures(x.type) if takes(op, TensorType(shape))), None)
    if shape is None and len(x.type.shape) == 1:
        return _as_sequence(op, x)
    if shape is None or not isinstance(x.type.size, int):
        return None
    sizes = "x".join(map(str, shape))
    if x.producer is None:
        return f"declare the input with its axes: `input {x.name}: {sizes}`"
    return f"give it axes again: `reshape({sizes}) -> {written}`"


def _patches(x: Value) -> Node | None:
    """The `conv` that cuts a picture into patches, if only such layers follow that keep a shape."""
    for value in _back(x, itself=True):
        node = value.producer
        if node is None or node.op.family not in (*KEEPING, "convolution"):
            return None
        if node.op.family == "convolution":
            k = node.op.given.get("k")
            is_patch = node.op.kind == "conv" and isinstance(k, int) and k >= SMALLEST_PATCH
            if is_patch and node.op.given["stride"] == k:
                return node
            return None
    return None


def other_channels(op: Op, x: Value) -> str | None:
    """Advice for a `reshape` of a map whose `conv` gives it too few or too many channels."""
    node, sizes, plane = x.producer, op.given.get("shape", ()), x.type.spatial
    if op.kind != "reshape" or node is None or node.op.kind != "conv":
        return None
    if not all(isinstance(n, int) and n > 0 for n in (*sizes, *x.type.shape)):
        return None
    needed, left = divmod(prod(sizes), prod(plane))
    if left or needed == x.type.channels:
        return None
    return (
        f"the `conv` on line {node.span.first.line} gives {x.type.channels} channels, and these"
        f" sizes need {needed}"
    )


def _enlarged(written: str, x: Value) -> str:
    """Advice for a `deconv` of a vector: an earlier map of its size, or a map of one position."""
    length = x.type.shape[0]
    maps = (value.type for value in _back(x) if len(value.type.shape) > 1)
    like = next((type_ for type_ in maps if type_.size == length), None)
    if like is not None:
        return f"make it a map again: write `reshape({like}) -> {written}`"
    layers = f"reshape([{length}, 1, 1]) -> {written}"
    if x.producer is None:
        return f"declare `input {x.name}: {length}x1x1`, a map of one position, or write `{layers}`"
    return f"make it a map of one position: write `{layers}`"


def layout(x: Value) -> str:
    """Whether a value is a "map" with its channels first, "moved", or "unknown".

    The axes of a moved value were ordered or made by the text: they can have any meaning.
    """
    otherwise = "unknown"
    for value in _back(x, itself=True):
        if value.producer is None:
            return "map" if is_picture(value.type.shape) else otherwise
        op = value.producer.op
        is_last = op.given.get("axis") == -1
        if is_last and op.family == "normalisation":  # its axis is the last one by default
            otherwise, is_last = "moved", False
        if op.kind in MOVERS or op.family == "sequence" or is_last:
            return "moved"
        if op.family in WINDOWED or op.kind in ("bn", "groupnorm"):
            return "map"
    return otherwise


def _windowed(op: Op, call: ast.Call, x: TensorType) -> str:
    """Advice for an attention over more axes than a sequence has."""
    count, length = "x".join(map(str, x.shape[:-2])), x.shape[-2]
    windows = f"each of the {count} windows of {length} vectors"
    if takes(type(op)({**op.given, "windowed": True}), x):
        written = added(call, "windowed = true")
        start, end = call.name_span.start, call.span.end
        text = call.span.file.text
        text = text[start : written.span.start] + written.text + text[written.span.end : end]
        return f"`{text}` is for windows: {windows} attends only to itself"
    return f"`windowed = true` takes windows, W x T x D: {windows} attends only to itself"


def _call_of_another_file(x: Value, call: ast.Call) -> Span | None:
    """The call, beside another one, of a net or block of another file that made a value."""
    site = x.site
    if site.span.file is call.span.file:
        return None
    while site.caller is not None and site.span.file is not call.span.file:
        site = site.caller
    return site.span if site.span.file is call.span.file else None


def _moved_up(op: Op, written: str, x: Value, earlier: Value) -> str:
    """Advice to put a layer before the one that makes a vector."""
    after = next(v for v in _back(x, itself=True) if _source(v) is earlier)
    assert after.producer is not None
    maker = after.producer
    if maker.op.given.get("last"):
        place = f"`last = true` on line {maker.span.first.line}"
        return f"leave out {place}: without it, `{maker.op.kind}` gives all steps"
    advice = f"`{maker.op.kind}` turns {earlier.type} into a vector: put `{written}` before it"
    if after is x:
        return f"{advice}, or leave `{maker.op.kind}` out"
    if op.family == "convolution":
        return f"{advice}, or use `dense` for the vector"
    return advice


def _bridged(written: str, bridges: Sequence[str], x: TensorType) -> str:
    """Advice to put other layers before a layer."""
    return "write " + " or ".join(f"`{bridge} -> {written}`" for bridge in _fitting(bridges, x))


def _fitting(bridges: Sequence[str], x: TensorType) -> list[str]:
    """The layers that make another rank of a value, without those that are seldom meant."""
    fitting = list(bridges)
    if all(size == 1 for size in x.spatial):
        fitting = fitting[:1]
    if not isinstance(x.size, int):
        fitting = [bridge for bridge in fitting if bridge != "flatten"]
    if len(fitting) > 1:
        fitting = [bridge for bridge in fitting if bridge != "tokens"]
    return fitting


def _along_last_axis(op: Op, x: TensorType) -> str:
    """The end of the advice for a layer that takes any number of axes if it is told the axis."""
    if op.given.get("axis", 0) is not None or not takes(type(op)({**op.given, "axis": -1}), x):
        return ""
    return "; `axis = -1` applies it along the last axis"


def _pictures(x: TensorType) -> Iterator[tuple[int, ...]]:
    """Square pictures, and sequences, with as many elements as a vector."""
    if not isinstance(x.size, int) or len(x.shape) != 1:
        return
    for channels in COLOURS:
        side = isqrt(x.size // channels)
        if channels * side * side == x.size and side >= FEWEST_PIXELS:
            yield (channels, side, side)
            yield (side, channels * side)


def takes(op: Op, *types: TensorType) -> bool:
    """Whether a layer takes inputs of these types."""
    try:
        op.inferred(*types)
    except NetdslError:
        return False
    return True


def _takes_after(op: Op, kinds: Sequence[str], x: TensorType) -> bool:
    """Whether a layer takes the result of other layers."""
    try:
        for kind in kinds:
            x = bind(LAYERS[kind], (), {}).inferred(x)[0]
    except NetdslError:
        return False
    return takes(op, x)


def _source(value: Value) -> Value | None:
    return None if value.producer is None else value.producer.inputs[0]


def _back(value: Value | None, *, itself: bool = False) -> Iterator[Value]:
    """The values from which a value comes, along the first inputs, the nearest first."""
    if not itself and value is not None:
        value = _source(value)
    while value is not None:
        yield value
        value = _source(value)


# ---- a map that has become too small


def for_window(help_: str, call: ast.Call, x: Value) -> Repair:
    """Advice for a window that does not fit, with the layers that made the map so small."""
    shrunk = [value for value in _back(x, itself=True) if _is_smaller(value)]
    misread = _misread([value.producer for value in reversed(shrunk) if value.producer], call)
    return misread or Repair(_for_small_map(help_, call, x, shrunk))


def _for_small_map(help_: str, call: ast.Call, x: Value, shrunk: list[Value]) -> str:
    """Advice for a window of a map that the layers of `shrunk` have made smaller."""
    spread = next((a.value.span.text for a in call.arguments if a.name == "dilation"), None)
    k = next((a.value.span.text for a in call.arguments[1:2] if a.name is None), "")
    is_plain = call.name == "conv" and "stride" not in call.span.text
    if spread is not None and is_plain and k.isdigit() and int(k) % 2:
        half = int(k) // 2
        pad = f"{half} * {spread}"
        if spread.isdigit():
            pad = str(half * int(spread))
        elif half == 1:
            pad = spread
        return f"write `pad = {pad}`, which keeps the size with this dilation"
    if not shrunk:
        declared = next(value for value in _back(x, itself=True) if value.producer is None)
        return f"{help_}; input `{declared.name}` is only {declared.type}"
    first = shrunk[0].producer
    assert first is not None
    if first.op.is_global:
        advice = f"`{first.op.kind}` leaves one position"
        return f"{advice}: put `{call.name}` before it, or use a kernel of 1"
    start = _source(shrunk[-1])
    assert start is not None
    steps = [f"{v.producer.op.kind} {_sizes(v)}" for v in reversed(shrunk) if v.producer]
    if len(steps) > MOST_STEPS:
        steps = ["...", *steps[-MOST_STEPS:]]
    return (
        f"{help_}; the map shrinks before it, from {_sizes(start)}: {', '.join(steps)}: leave out"
        " one of these, or begin with a larger input"
    )


def _misread(nodes: Sequence[Node], call: ast.Call) -> Repair | None:
    """Advice for an earlier `conv` whose arguments have another meaning than was meant.

    Those of `conv(3, 64, 7)` are in PyTorch's order, and the second 3 of `conv(64, 3, 3)` is the
    stride. A `call` in the same order is corrected too.
    """
    for node in nodes:
        numbers = _CALL.fullmatch(node.span.text)
        if node.op.kind != "conv" or numbers is None:
            continue
        out, k, stride, rest = numbers.groups()
        place = f"`{node.span.text}` on line {node.span.first.line}"
        if int(out) == node.inputs[0].type.channels and int(k) > LARGEST_KERNEL:
            fact = f"{place} has {out} output channels, a kernel of {k} and stride {stride}"
            written = f"conv({k}, {stride}{rest}"
            help_ = f"{fact}: the input channels are known, write `{written}`"
            here = _CALL.fullmatch(call.span.text)
            if here is None or here[1] != k:
                return Repair(help_)
            also = f"conv({here[2]}, {here[3]}{here[4]}"
            edits = Edit(node.span, written), Edit(call.span, also)
            return Repair(f"{help_}, and `{also}` here", edits)
        if k == stride and int(k) > 1:
            return Repair(
                f"the third argument of {place} is the stride: write `conv({out}, {k}{rest}`"
                + _also_in_lines(node, nodes)
            )
    return None


def _also_in_lines(first: Node, nodes: Sequence[Node]) -> str:
    """The end of the advice about a stride: the lines of other layers with the same mistake."""
    lines = []
    for node in nodes:
        numbers = _CALL.fullmatch(node.span.text)
        if node is not first and node.op.kind == "conv" and numbers and numbers[2] == numbers[3]:
            lines.append(node.span.first.line)
    others = sorted(set(lines) - {first.span.first.line})
    if not others:
        return ""
    return f", and so in line{'s' * (len(others) > 1)} {listed([str(n) for n in others])}"


def _as_sequence(op: Op, x: Value) -> str | None:
    """Advice to declare a vector as a signal of one channel, or as a sequence of numbers."""
    while x.producer is not None and x.producer.op.family in KEEPING:
        x = x.producer.inputs[0]
    size, fact = x.type.shape[0], "a signal has channels"
    shape: tuple[int | Sym, ...] = (1, size)
    if op.family == "sequence":
        shape, fact = (size, 1), "a sequence has steps"
    elif op.family not in WINDOWED or op.is_global:
        return None
    if x.producer is not None or not takes(op, TensorType(shape)):
        return None
    return f"{fact}: declare `input {x.name}: {'x'.join(map(str, shape))}`"


def _is_smaller(value: Value) -> bool:
    """Whether a layer makes its map smaller."""
    before = _source(value)
    if before is None or len(before.type.shape) != len(value.type.shape):
        return False
    pairs = zip(before.type.spatial, value.type.spatial, strict=True)
    return any(isinstance(a, int) and isinstance(b, int) and b < a for a, b in pairs)


def _sizes(value: Value) -> str:
    return "x".join(map(str, value.type.spatial))
