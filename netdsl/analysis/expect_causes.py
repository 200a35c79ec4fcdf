"""Why the sizes of a label differ from those that an `expect` line expects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.analysis.expect_advice import is_comparison
from netdsl.analysis.expect_repairs import other_argument
from netdsl.diagnostics import Edit
from netdsl.habits.sizes import meant_sizes
from netdsl.ir.types import shape_text
from netdsl.source import Span
from netdsl.syntax import ast
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.diagnostics import Diagnostic
    from netdsl.ir.graph import Graph, Node, Site, Value
    from netdsl.source import SourceFile

MOST_STEPS = 6  # layers that a message lists
LONGEST_CALL = 60  # characters of a call in a message
RECURRENT = ("rnn", "lstm", "gru")
SHUFFLES = ("pixel_shuffle", "pixel_unshuffle")
_BATCH = re.compile(r"reshape\(\s*\[\s*-1\s*,")
_FIRST_NUMBER = re.compile(r"(?P<before>\w+\(\s*)(?P<number>\d+)\b(?![x.])")


def site_in(site: Site, file: SourceFile) -> Site:
    """The place of a value, or the call in that file that leads to it."""
    own = site
    while own.span.file is not file and own.caller is not None:
        own = own.caller
    return own if own.span.file is file else site


def cause_of(value: Value, wanted: tuple[object, ...], file: SourceFile) -> str | None:
    """Advice for a label whose sizes are not the wanted ones, or None."""
    shape = value.type.shape
    if len(shape) != len(wanted) or len(shape) < 3:
        return None
    if shape[1:] != wanted[1:]:
        steps, repair = _steps(value), other_argument(value, wanted)
        return "; ".join(filter(None, (steps, repair))) or None
    return _channels(value, wanted[0], file)


def end_of_line(graph: Graph, value: Value, wanted: object) -> str | None:
    """Advice for a label at the beginning of a chain whose end has the wanted sizes."""
    uses, last = graph.uses(), value
    while len(takers := uses.get(id(last), [])) == 1:
        last = takers[0].output
        if last.site.span.first.line != value.site.span.first.line:
            return None
        if last.type.shape == wanted and value.producer is not None:
            label, kind = value.name.rpartition(".")[2], last.site.span.brief
            first = f"`{label}` names only `{value.producer.op.kind}`, the first layer of its line"
            return f"{first}: to name the last one, write `-> {label}: {kind}`"
    return None


def unwanted_axis(value: Value, wanted: object) -> tuple[str, tuple[Edit, ...]] | None:
    """Advice and a fix for `reshape([-1, 2048])` on the way to a value, whose -1 is no batch."""
    if value.type.shape != (1, *(wanted if isinstance(wanted, tuple) else (wanted,))):
        return None
    for node in _back(value):
        result = node.type.shape
        if node.op.kind != "reshape" or result[0] != 1 or not _BATCH.match(node.span.text):
            continue
        written = "flatten"
        if len(result) > 2:
            written = f"reshape({shape_text(result[1:])})"
        help_ = f"sizes have no batch, so -1 adds an axis of size 1: write `{written}`"
        fix: tuple[Edit, ...] = ()
        if node.output.site.caller is None:
            fix = (Edit(node.span, written),)
        return f"{help_} in place of `{node.span.text}`", fix
    return None


def last_step(value: Value, wanted: object) -> tuple[str, tuple[Edit, ...]] | None:
    """Advice and a fix for a sequence where one vector is expected, after a recurrent layer."""
    if not isinstance(wanted, tuple) or len(value.type.shape) != 2:
        return None
    if value.type.shape[1:] != wanted:
        return None
    for node in _back(value):
        if node.op.kind not in RECURRENT:
            continue
        if node.output.site.caller is not None or not node.span.text.endswith(")"):
            return None
        written = f"{node.span.text.removesuffix(')')}, last = true)"
        end = Span(node.span.file, node.span.end - 1, node.span.end - 1)
        help_ = f"`{node.op.kind}` gives every step: write `{written}` for the last one"
        return help_, (Edit(end, ", last = true"),)
    return None


def _back(value: Value) -> Iterator[Node]:
    """The layers that lead to a value along their first inputs, the nearest first."""
    while (node := value.producer) is not None:
        yield node
        value = node.inputs[0]


def _steps(value: Value) -> str | None:
    """The layers that change the size of a map, and the size after each."""
    steps: list[str] = []
    start = value
    for node in _back(value):
        before, after = node.inputs[0].type, node.type
        if len(after.shape) != len(value.type.shape):
            break
        if before.spatial != after.spatial:
            label = node.label
            if label.isdigit():
                label = node.op.kind
            steps.insert(0, f"{label} {shape_text(after.spatial)}")
        start = node.inputs[0]
    if not steps:
        return None
    if len(steps) > MOST_STEPS:
        steps = ["...", *steps[-MOST_STEPS:]]
    if len(start.type.shape) == len(value.type.shape):
        source = "input " * (start.producer is None)
        steps.insert(0, f"{source}{shape_text(start.type.spatial)}")
    return f"sizes along the way: {', '.join(steps)}"


def _channels(value: Value, wanted: object, file: SourceFile) -> str | None:
    """The layer that gives a value its channels."""
    node = next((node for node in _back(value) if _sets_channels(node)), None)
    if node is None:
        return None
    site = site_in(node.output.site, file)
    if site is not node.output.site:
        return _of_call(site.span.text, value.type.shape[0], wanted)
    kind = node.op.kind
    if kind == "concat":
        parts = " and ".join(str(x.type.shape[0]) for x in node.inputs)
        advice = f"`concat` joins {len(node.inputs)} values here, of {parts} channels"
        return advice + _about_loops(node.span)
    if kind in SHUFFLES:
        return _of_shuffle(node, wanted)
    if "out" not in node.op.given:
        return f"the input of `{kind}` is {node.inputs[0].type}"
    if node is value.producer or len(node.span.text) > LONGEST_CALL:
        return None
    return f"the channels come from `{node.span.text}` on line {node.span.first.line}"


def _of_shuffle(node: Node, wanted: object) -> str:
    """Advice for `pixel_shuffle`, whose channels come from the layer before it."""
    kind, given = node.op.kind, node.inputs[0].type.shape[0]
    parts = node.op.given["r"] ** 2
    fact = f"`{kind}` turns each channel into {parts}"
    if kind == "pixel_shuffle":
        fact = f"`{kind}` turns every {parts} channels into 1"
    if not isinstance(wanted, int) or (kind != "pixel_shuffle" and wanted % parts):
        return f"{fact}, and its input has {given}"
    needed = wanted * parts if kind == "pixel_shuffle" else wanted // parts
    maker = next((n for n in _back(node.inputs[0]) if _sets_channels(n)), None)
    which = "its input must have"
    if maker is not None and len(maker.span.text) <= LONGEST_CALL:
        which = f"`{maker.span.text}` on line {maker.span.first.line} must give"
    return f"{fact}: for {counted(wanted, 'channel')}, {which} {needed}, not {given}"


def _about_loops(join: Span) -> str:
    """The end of the advice for a join with a loop in one of its arms."""
    if re.search(r"\|\s*(for|repeat)\b", join.text):
        return "; a loop after `|` is one arm, in which its rounds follow one another"
    return ""


def _sets_channels(node: Node) -> bool:
    before, after = node.inputs[0].type.shape, node.type.shape
    return before[:1] != after[:1] or "out" in node.op.given or node.op.kind == "concat"


def _of_call(text: str, channels: object, wanted: object) -> str | None:
    """Advice for the call of a block of the library, such as `bottleneck(256)`."""
    if len(text) > LONGEST_CALL or not isinstance(channels, int):
        return None
    number = _FIRST_NUMBER.match(text)
    advice = f"`{text}` gives {channels:,} channels"
    if number is None or not isinstance(wanted, int) or channels % int(number["number"]):
        return advice
    times = channels // int(number["number"])
    if times == 1 or wanted % times:
        return advice
    meant = f"{number['before']}{wanted // times}{text[number.end() :]}"
    return f"{advice}, {times} times its first argument; `{meant}` gives {wanted:,}"


def explain_sizes(condition: ast.Expr, diagnostic: Diagnostic) -> None:
    """Advice for sizes after `shape(label) ==` that another tool writes."""
    if not isinstance(condition, ast.Operation) or not is_comparison(condition):
        return
    right = condition.rest[0][1]
    meant = meant_sizes(right.span.text)
    is_shape = isinstance(condition.first, ast.Function) and condition.first.name == "shape"
    if is_shape and meant is not None and meant != right.span.text:
        diagnostic.message = f"`{right.span.text}` is not how sizes are written"
        diagnostic.span = right.span
        diagnostic.help = f"write `{meant}`: numbers with `x` between them, without a batch"
        diagnostic.fix = (Edit(right.span, meant),)
