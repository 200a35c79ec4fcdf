"""Other arguments for layers before a join that make its inputs equally large.

Each proposal is tried: with it, the join takes its inputs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Edit
from netdsl.elaborate.join_ways import fits, fork, line, resizes, way
from netdsl.habits.brackets import parts
from netdsl.ir.op import WINDOWED
from netdsl.source import Span
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.elaborate.join_ways import Joining
    from netdsl.ir.graph import Node, Site, Value


class Repair(NamedTuple):
    """What to do about an error: its help, and its fix."""

    help: str | None
    fix: tuple[Edit, ...] = ()


MOST_LISTED = 3  # layers that one message lists


def written_with(node: Node, *arguments: str) -> str:
    """The call of a layer as it is in the text, with further arguments."""
    text, further = node.span.text, ", ".join(arguments)
    if text.endswith(")"):
        return f"{text[:-1]}, {further})"
    return f"{text}({further})"


def _is_written(node: Node, name: str) -> bool:
    """Whether a call gives an argument by name."""
    return re.search(rf"\b{name}\s*=", node.span.text) is not None


def _given(node: Node, name: str, call: str = "") -> tuple[list[str], int | None]:
    """The texts of the arguments in the call of a layer, and the number of the one of that name."""
    _, opening, rest = (call or node.span.text).partition("(")
    if not opening or not rest.endswith(")"):
        return [], None
    texts = parts(rest[:-1])
    names = [declared.name for declared in node.op.args]
    for i, text in enumerate(texts):
        given = re.match(r"(\w+)\s*=(?!=)", text)
        if name == (given[1] if given else names[i]):
            return texts, i
    return texts, None


def changed_call(node: Node, **values: str) -> str:
    """The call of a layer as it is in the text, with other values of some arguments."""
    call = node.span.text
    for name, value in values.items():
        texts, number = _given(node, name, call)
        if number is None:
            texts.append(f"{name} = {value}")
        else:
            texts[number] = f"{name} = {value}" if texts[number].startswith(name) else value
        call = f"{node.op.kind}({', '.join(texts)})"
    return call


def _by_place(nodes: Iterable[Node]) -> dict[Span, Node]:
    """The layers by their places; a block or a loop makes several at one place."""
    places: dict[Span, Node] = {}
    for node in nodes:
        places.setdefault(node.span, node)
    return places


def _ends(join: Joining, first: int, other: int) -> tuple[Value, Value, Value | None]:
    a, b = join.xs[first], join.xs[other]
    return a, b, fork(a, b)


def _on_both_ways(join: Joining, first: int, other: int) -> list[Node]:
    """The layers on the ways from the fork to two inputs, in the order of the text."""
    a, b, end = _ends(join, first, other)
    nodes = [*way(a, end), *way(b, end)]
    return sorted(_by_place(nodes).values(), key=lambda node: node.span.start)


def _texts(written: list[str]) -> str:
    return " and ".join(f"`{text}`" for text in written)


# ---- transposed convolutions


def deconvs(join: Joining, first: int, other: int) -> Repair | None:
    """Advice for `deconv` layers without a stride, or whose results lack a last pixel.

    There is a fix if only the stride is missing, as in `deconv(64, 2)`.
    """
    nodes = [n for n in _on_both_ways(join, first, other) if n.op.kind == "deconv"]
    advice = _short(join, nodes)
    if advice is not None:
        return Repair(advice)
    return _without_stride(join, nodes)


def _short(join: Joining, nodes: list[Node]) -> str | None:
    """Advice to add an `output_pad` to the last `deconv`, or to all that lack it."""
    lacking: dict[Span, tuple[Node, int]] = {}
    for node in nodes:
        amount = missing_pixels(node)
        if amount is not None:
            lacking[node.span] = (node, amount)
    single = [dict([item]) for item in reversed(lacking.items())]
    for chosen in (*single, lacking):
        changes = {span: {"output_pad": amount} for span, (_, amount) in chosen.items()}
        if not changes or not fits(join, changes):
            continue
        written = [written_with(n, f"output_pad = {amount}") for n, amount in chosen.values()]
        help_ = f"write {_texts(written[:MOST_LISTED])}"
        (node, amount), *others = chosen.values()
        k = node.op.given["k"]
        if others:
            return f"{help_}: each map is then {node.op.given['stride']} times as large"
        if isinstance(k, int) and node.op.given["dilation"] == 1:
            help_ += f", or a kernel of {k + amount}"
        return help_
    return None


def missing_pixels(node: Node) -> int | None:
    """The pixels that a `deconv` lacks to multiply the size by its stride."""
    given = node.op.given
    if given["pad"] == "same" or given["output_pad"] != 0:
        return None
    stride = given["stride"]
    if not isinstance(stride, int):
        return None
    pairs = zip(node.inputs[0].type.spatial, node.type.spatial, strict=True)
    missing = {stride * a - b for a, b in pairs}
    amount = missing.pop()
    if missing or not isinstance(amount, int) or not 0 < amount < stride:
        return None
    return amount


def _without_stride(join: Joining, nodes: list[Node]) -> Repair | None:
    """Advice for `deconv(64, 2)`, which has stride 1 and was meant to double the size."""
    plain = [n for n in nodes if n.op.given["stride"] == 1 and not _is_written(n, "stride")]
    for node in reversed(plain):
        for arguments in _doublings(node):
            if fits(join, {node.span: arguments}):
                texts = [f"{name} = {value}" for name, value in arguments.items()]
                text = written_with(node, *texts)
                fix = (Edit(node.span, text),) if len(texts) == 1 else ()
                fact = f"`{node.span.text}` on line {line(node.span)} has stride 1"
                return Repair(f"{fact}: write `{text}`", fix)
    return None


def _doublings(node: Node) -> Iterator[dict[str, object]]:
    """The arguments with which a `deconv` makes its map larger by a factor."""
    k = node.op.given["k"]
    yield {"stride": 2}
    if not isinstance(k, int) or any(_is_written(node, n) for n in ("pad", "output_pad")):
        return
    if k > 2:
        yield {"stride": k}
        rest = {"output_pad": 1} if k % 2 else {}
        yield {"stride": 2, "pad": (k - 1) // 2, **rest}


# ---- windows without padding


def unpadded(join: Joining, first: int, other: int) -> str | None:
    """Advice to pad windows, or to pad them otherwise, if that makes the inputs equally large."""
    nodes = _on_both_ways(join, first, other)
    for is_fitting in (_loses_borders, _has_no_padding):
        lacking = [n for n in nodes if is_fitting(n)]
        changes = {n.span: {"pad": n.op.given["k"] // 2} for n in lacking}
        if lacking and fits(join, changes):
            return _padded(join, first, other, lacking)
    wrong = [n for n in nodes if _is_padded_otherwise(n)]
    halves = {n.span: n.op.given["k"] // 2 for n in wrong}
    if not wrong or not fits(join, {span: {"pad": half} for span, half in halves.items()}):
        return None
    written = [changed_call(n, pad=str(halves[n.span])) for n in wrong]
    texts = list(dict.fromkeys(written))[:MOST_LISTED]
    lines = listed([str(line(n.span)) for n in wrong[:MOST_LISTED]])
    where = f"in line{'s' * (len(texts) > 1)} {lines}"
    return f"write {_texts(texts)} {where}: half of the kernel keeps the size"


def _padded(join: Joining, first: int, other: int, lacking: list[Node]) -> str:
    written = [written_with(n, f"pad = {n.op.given['k'] // 2}") for n in lacking]
    subject = f"`{lacking[0].span.text}` has no padding"
    if len(lacking) > 1:
        subject = f"{len(lacking)} layers before the join have no padding"
    texts = list(dict.fromkeys(written))[:MOST_LISTED]
    help_ = f"{subject}: write {_texts(texts)} to keep the sizes"
    return help_ + _or_cropped(join, first, other)


def _or_cropped(join: Joining, first: int, other: int) -> str:
    """The crop of the U-Net, for a reference that is larger than a map with a label."""
    large, small = (other, first) if join.reference(first) is None else (first, other)
    reference, label = join.reference(large), _label(join, join.xs[small])
    if reference is None or label is None or join.invocation.name != "concat":
        return ""
    if not _is_larger(join.xs[large], join.xs[small]):
        return ""
    arm = f"{reference.span.text} -> crop(@{label})"
    return f", or cut the larger map: `concat {{ | identity | {arm} }}`"


def cropped(join: Joining) -> Repair | None:
    """Advice for `crop(@large)`, which cuts the smaller of two maps, and a fix before a `concat`.

    The fix writes `concat { | identity | @large -> crop(@small) }`.
    """
    reference = join.reference(len(join.xs) - 1)
    if reference is None or len(join.xs) != 2 or not _is_larger(join.xs[1], join.xs[0]):
        return None
    call, label = join.invocation.call.span, _label(join, join.xs[0])
    fact = f"`{reference.span.text}` is the larger map, so it is the one to cut"
    if label is None:
        arm = f"{reference.span.text} -> crop(@label)"
        return Repair(f"{fact}: give the smaller one a label, and write `{arm}`")
    arm = f"{reference.span.text} -> crop(@{label})"
    then = f" -> concat({reference.span.text})"
    if not call.file.text.startswith(then, call.end):
        return Repair(f"{fact}: write `{arm}`")
    text = f"concat {{ | identity | {arm} }}"
    place = Span(call.file, call.start, call.end + len(then))
    return Repair(f"{fact}: write `{text}`", (Edit(place, text),))


def _label(join: Joining, value: Value) -> str | None:
    """The label of a value in the scope of a join."""
    return next((name for name, b in join.scope.labels.items() if b.value is value), None)


def _is_larger(a: Value, b: Value) -> bool:
    """Whether the first of two maps is larger along all axes."""
    pairs = zip(a.type.spatial, b.type.spatial, strict=True)
    return all(isinstance(n, int) and isinstance(m, int) and n > m for n, m in pairs)


def _loses_borders(node: Node) -> bool:
    """Whether a layer is a window with an odd size and stride 1, without padding."""
    return _has_no_padding(node) and node.op.given["stride"] == 1


def _has_no_padding(node: Node) -> bool:
    """Whether a layer is a window with an odd size, without padding."""
    given = node.op.given
    k = given.get("k")
    is_window = isinstance(k, int) and k % 2 == 1 and k > 1 and given.get("dilation", 1) == 1
    is_plain = given.get("pad") == 0 and not _is_written(node, "pad") and node.op.kind != "deconv"
    return node.op.family in WINDOWED and is_window and is_plain and resizes(node)


def _is_padded_otherwise(node: Node) -> bool:
    """Whether a window with an odd size and stride 1 has a padding that changes the size."""
    given = node.op.given
    k, pad = given.get("k"), given.get("pad")
    is_window = isinstance(k, int) and k % 2 == 1 and given.get("dilation", 1) == 1
    is_written = _is_written(node, "pad") and isinstance(pad, int) and given.get("stride") == 1
    return node.op.kind != "deconv" and is_window and is_written and resizes(node)


# ---- strides


def strides(join: Joining, first: int, other: int) -> str | None:
    """Advice for a stride that one way has and the other lacks, or that one way has twice."""
    a, b, end = _ends(join, first, other)
    ways = [[n for n in way(x, end) if _stride(n) > 1] for x in (a, b)]
    few, many = sorted((0, 1), key=lambda i: len(ways[i]))
    numbers = (first, other)
    if len(ways[many]) > len(ways[few]) > 0:
        advice = _twice(join, numbers[many], ways[many])
        if advice is not None:
            return advice
    if ways[few] or not ways[many]:
        return None
    target = [n for n in way((a, b)[few], end) if _takes_stride(n)]
    advice = _lacking(join, target, ways[many])
    if advice is None:
        return None
    only, lacking = join.named(numbers[many]), join.named(numbers[few])
    return f"only {only} has a stride: write `{advice}` in {lacking} too, or leave the stride out"


def _stride(node: Node) -> int:
    """The stride of a convolution or pooling layer, or 1."""
    stride = node.op.given.get("stride", 1)
    if node.op.kind == "deconv" or not isinstance(stride, int):
        return 1
    return stride


def _takes_stride(node: Node) -> bool:
    is_convolution = node.op.family == "convolution" and node.op.kind != "deconv"
    return is_convolution and _stride(node) == 1 and "(" in node.span.text


def _twice(join: Joining, number: int, strided: list[Node]) -> str | None:
    """Advice for a way with a stride too many."""
    removable = [n for n in strided if n.op.family == "convolution"]
    chosen = next((n for n in removable if fits(join, {n.span: {"stride": 1}})), None)
    if chosen is None:
        return None
    lines = listed([str(line(n.span)) for n in reversed(strided)])
    return (
        f"{join.named(number)} has a stride in {len(strided)} layers (lines {lines}): give only"
        f" one of them a stride"
    )


def _lacking(join: Joining, target: list[Node], strided: list[Node]) -> str | None:
    """The call of a layer with the stride that only the other way has."""
    total = 1
    for node in strided:
        total *= _stride(node)
    for node in target:
        written = _stride_text(node, strided) or str(total)
        # A number would have this value in every use of a block, and a name only in this one.
        only = None if written.isdigit() else node
        if fits(join, {node.span: {"stride": total}}, only):
            return changed_call(node, stride=written)
    return None


def _stride_text(node: Node, strided: list[Node]) -> str | None:
    """The strides of other layers as they are written, where their names mean the same."""
    texts = []
    for other in strided:
        given, number = _given(other, "stride")
        if number is None or _call_of(other) is not _call_of(node):
            return None
        texts.append(re.sub(r"^stride\s*=\s*", "", given[number]))
    if len(texts) == 1 or all(map(str.isdigit, texts)):
        return texts[0] if len(texts) == 1 else None
    factors = [text if re.fullmatch(r"\w+", text) else f"({text})" for text in reversed(texts)]
    return " * ".join(factors)


def _call_of(node: Node) -> Site | None:
    """The call of the block that a layer is written in."""
    return node.output.site.caller
