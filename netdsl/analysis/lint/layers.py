"""Warnings about single layers: windows, arguments in another tool's order, two activations."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from netdsl.analysis.lint.constant import constant_results
from netdsl.analysis.lint.numbers import number_warnings
from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.elaborate.notes import call_notes
from netdsl.ir.op import WINDOWED, Window
from netdsl.library import is_shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Graph, Node

WIDEST_KERNEL = 11  # of usual convolutions over all channels
WIDEST_STRIDE = 4  # of a kernel of 1 that only makes a map smaller
WIDEST_STEPS = 2  # the kernel of a bilinear `deconv` is twice its stride
MOST_STACKED = 8  # recurrent layers of usual nets
MOST_HEADS = 32  # of usual attention layers
USUAL_WIDTH = 64  # of a head
LARGEST_EPS = 1  # far more than any net has: it is the number of channels
MOMENTA = (0.9, 0.99, 0.997, 0.999)  # those of other tools, which count the old batches
# A call with three arguments by position, of which the first is not needed.
_THREE = re.compile(r"(?P<kind>\w+)\([^,=()]+,\s*(?P<rest>[^,=()]+,\s*[^,=()]+[,)].*)", re.DOTALL)
_CHANNELS = re.compile(r"\w+\(\d+,\s*(?P<rest>\d+\b[^()]*)\)")
_NAMED = re.compile(r"\b(out|k|weight)\s*=")
_HEAD = re.compile(r"^block (?P<signature>(?P<name>\w+)\(.*\)) \{$", re.MULTILINE)
# An activation that is part of another: mish(x) = x tanh(softplus(x)).
PARTS_OF_ACTIVATIONS = {("softplus", "tanh")}


def layer_warnings(graph: Graph) -> Iterator[Diagnostic]:
    """The warnings about the layers of a net, each on its own."""
    examined: set[tuple[object, ...]] = set()  # layers of repeated blocks are alike
    own = ((node, warning) for node in graph.nodes for warning in _of_layer(node, examined))
    for node, warning in chain(own, number_warnings(graph), constant_results(graph)):
        warning.notes += call_notes(node.output.site)
        if is_shipped(node.span.file):
            _move_to_call(warning, node)
        yield warning


def _move_to_call(warning: Diagnostic, node: Node) -> None:
    """Move a warning inside a block of the library to the call in the user's file."""
    caller, inside = node.output.site.caller, node.span
    while caller is not None and is_shipped(caller.span.file):
        caller = caller.caller
    heads = list(_HEAD.finditer(inside.file.text, 0, inside.start))
    if caller is None or not heads:
        return
    name, signature = heads[-1]["name"], heads[-1]["signature"]
    others = [n for n in warning.notes if n.span is None or not is_shipped(n.span.file)]
    others = [n for n in others if n.span != caller.span]
    warning.notes = (Annotation(f"this is in `{name}`, here", inside), *others)
    warning.span = caller.span
    call = caller.span.text
    if call.partition("(")[0] != name:
        return
    warning.help = f"it is declared as `{signature}`"
    parameters = re.findall(r"[(,] ?(\w+)", signature)
    if warning.code == "skipped-input" and "stride" in parameters:
        number = parameters.index("stride") + 1
        warning.help = f"argument {number} of `{name}` is the stride; {warning.help}"
        channels = _CHANNELS.fullmatch(call)
        if channels is not None:  # in PyTorch's order: those of the input come first
            meant = f"{name}({channels['rest']})"
            warning.help = f"argument {number} of `{name}` is the stride: is this `{meant}`?"


def _of_layer(node: Node, examined: set[tuple[object, ...]]) -> Iterator[Diagnostic]:
    """The warnings about one layer."""
    if node.op.family in WINDOWED:
        key = (node.op, node.span, node.inputs[0].type)
        if key not in examined:
            examined.add(key)
            yield from _skipped_input(node)
            yield from _needless_padding(node)
            yield from _needless_window(node)
            yield from _argument_order(node)
            if node.op.kind == "depthwise":
                yield from _channels_first(node)
            if node.op.kind != "deconv":  # which may begin with a map of 1x1
                yield from _wide_kernel(node)
    elif node.op.family in ("normalisation", "sequence"):
        yield from _other_order(node)
    elif node.op.family == "activation":
        yield from _double_activation(node)


def _skipped_input(node: Node) -> Iterator[Diagnostic]:
    """A stride that is larger than the kernel, unless it is a usual one of a kernel of 1."""
    for window in node.op.windows(*node.types):
        is_usual = window.extent == 1 and window.stride <= WIDEST_STRIDE
        if window.up == 1 and window.extent < window.stride and not is_usual:
            yield Diagnostic(
                "skipped-input",
                f"the stride of this `{node.op.kind}` is {window.stride}, but its kernel is only"
                f" {window.extent} wide: parts of the input are never read",
                node.span,
                "warning",
                help=f"make the kernel at least {window.stride} wide, or the stride at most"
                f" {window.extent}",
            )
            return


def _needless_padding(node: Node) -> Iterator[Diagnostic]:
    """Zeros around an axis along which the kernel is 1 wide: they become a border of bias."""
    if node.op.given.get("pad_mode", "zeros") != "zeros":
        return
    for window in node.op.windows(*node.types):
        if window.up == 1 and window.extent == 1 and window.pad > 0:
            yield Diagnostic(
                "needless-padding",
                f"the padding of this `{node.op.kind}` is {window.pad} where its kernel is 1 wide:"
                " the windows at the border see only padding",
                node.span,
                "warning",
                help="leave `pad` out, or write `pad = same`, which keeps the size",
            )
            return


def _needless_window(node: Node) -> Iterator[Diagnostic]:
    """`maxpool(1)`, which changes nothing."""
    windows = set(node.op.windows(*node.types))
    if node.op.family == "pooling" and not node.op.is_global and windows == {Window()}:
        yield Diagnostic(
            "needless-window",
            f"a window of 1 changes nothing: this `{node.op.kind}` has no effect",
            node.span,
            "warning",
            help=f"write `{node.op.kind}(2)`, or leave it out",
        )


def _channels_first(node: Node) -> Iterator[Diagnostic]:
    """`depthwise(32, 3)` on 32 channels: `depthwise` begins with the kernel."""
    kernel, text = _largest(node.op.given["k"]), node.span.text
    meant = _CHANNELS.fullmatch(text)
    if meant is None or kernel <= WIDEST_KERNEL or kernel != node.inputs[0].type.shape[0]:
        return
    yield Diagnostic(
        "argument-order",
        f"this `depthwise` has a kernel of {kernel}, as many as its channels",
        node.span,
        "warning",
        help=f"it keeps the channels, and begins with the kernel: is this"
        f" `depthwise({meant['rest']})`?",
    )


def _argument_order(node: Node) -> Iterator[Diagnostic]:
    """`conv(3, 64, 3)`, which PyTorch reads as: from 3 channels to 64, with a kernel of 3."""
    channels = node.inputs[0].type.shape[0]
    if getattr(node.op, "out", None) != channels or _NAMED.search(node.span.text):
        return
    given = node.op.given
    widest, step = given["k"], _largest(given["stride"])
    if isinstance(widest, tuple):
        return  # no other tool has channels here
    if given["groups"] == 1 and widest > max(WIDEST_KERNEL, WIDEST_STEPS * step):
        kind = node.op.kind
        help_ = "the arguments are output channels, kernel and stride, without the input channels"
        three = _THREE.fullmatch(node.span.text)
        if three is not None:
            help_ += f": is this `{three['kind']}({three['rest']}`?"
        yield Diagnostic(
            "argument-order",
            f"this `{kind}` has {channels} output channels, as many as its input, and a kernel of"
            f" {widest}",
            node.span,
            "warning",
            help=help_,
        )


def _wide_kernel(node: Node) -> Iterator[Diagnostic]:
    """A kernel of 128 on a map of 32x32, which fits only because of its padding."""
    sizes = node.types[0].shape[1:]
    given = node.op.given.get("k", 0)
    kernels = given if isinstance(given, tuple) else (given,) * len(sizes)
    windows = zip(node.op.windows(*node.types), sizes, kernels, strict=False)
    for window, size, kernel in windows:
        if not isinstance(size, int) or window.up != 1 or kernel <= max(WIDEST_KERNEL, 2 * size):
            continue
        kind, out = node.op.kind, getattr(node.op, "out", None) or kernel
        help_ = f"a kernel of {size} sees the whole map"
        if out < kernel and kernel == given:
            help_ = f"channels come before the kernel: are {out} and {kernel} swapped?"
        yield Diagnostic(
            "argument-order",
            f"this `{kind}` has a kernel of {kernel}, and its input is only {size} wide",
            node.span,
            "warning",
            help=help_,
        )
        return


def _before_eps(node: Node) -> str:
    """The call of a layer with only the arguments that come before `eps`."""
    names = [declared.name for declared in node.op.args]
    given = node.span.text.partition("(")[2].removesuffix(")").split(",")
    kept = [text.strip() for text in given[: names.index("eps")]]
    return f"{node.op.kind}({', '.join(kept)})".removesuffix("()")


def _other_order(node: Node) -> Iterator[Diagnostic]:
    """`bn(64)` and `lstm(64, 128)`, which begin with the length of the input in PyTorch."""
    op, text = node.op, node.span.text
    kind, eps, layers = op.kind, op.given.get("eps", 0), op.given.get("layers", 1)
    if (eps > LARGEST_EPS or eps in MOMENTA) and "eps" not in text:
        message = f"this `{kind}` has an `eps` of {eps:g}, which is usually a small number"
        help_ = f"the channels of the input are known: leave them out, as in `{_before_eps(node)}`"
        if kind == "layernorm" and len(node.types[0].shape) > 2:
            help_ = "the channels of the input are known: write `layernorm(axis = 1)`"
        if eps in MOMENTA:
            help_ = f"the momentum is a share of the new batch: write `momentum = {1 - eps:g}`"
    elif layers > MOST_STACKED and "layers" not in text:
        message = f"this `{kind}` has {layers} stacked layers"
        rest = text.partition(",")[2].strip()
        help_ = (
            "the arguments are the length of the state and the number of layers, without the"
            f" length of the input: is this `{kind}({rest}`?"
        )
    elif kind == "attention" and MOST_HEADS < op.given["heads"] == node.types[0].shape[-1]:
        heads = op.given["heads"]
        message = f"this `attention` has {heads} heads, each of width 1"
        help_ = (
            f"the argument is the number of heads: the width of {heads} is known; for example,"
            f" write `attention({-(-heads // USUAL_WIDTH)})`"
        )
    else:
        return
    yield Diagnostic("argument-order", message, node.span, "warning", help=help_)


def _largest(sizes: int | tuple[int, ...]) -> int:
    return sizes if isinstance(sizes, int) else max(sizes)


def _double_activation(node: Node) -> Iterator[Diagnostic]:
    """Two activations in a row."""
    before = node.inputs[0].producer
    if before is None or before.op.family != "activation":
        return
    first, second = before.op.kind, node.op.kind
    if (first, second) in PARTS_OF_ACTIVATIONS:
        return
    yield Diagnostic(
        "double-activation",
        f"`{second}` follows `{first}`: these are two activations in a row",
        node.span,
        "warning",
        notes=(Annotation(f"`{first}` is here", before.span),),
        help="remove one of the two",
    )
