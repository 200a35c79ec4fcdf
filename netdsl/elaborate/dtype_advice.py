"""Advice for the element types that layers take."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.corrections import argument_of
from netdsl.elaborate.input_fixes import with_dtype
from netdsl.elaborate.join_repairs import Repair
from netdsl.elaborate.origins import first_of, source_of
from netdsl.elaborate.shape_advice import takes
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.ir.graph import Node, Value
    from netdsl.ir.op import Op

LENGTH = 64  # of the vectors in advice
INTEGERS = ("int64", "int32")
_INTEGERS = re.compile(r"^\s*input\s+(\w+)\s*:[^\n#]*\bint(?:32|64)\b", re.MULTILINE)
_LEARNED = re.compile(r"(?:query|queries|latents?|slots?|prototypes?|codes?|memory)s?\d*$")
_LABEL = re.compile(r"(?P<name>\w+):[ \t]*\Z")
_FLOATS = re.compile(r"(?P<between>(?:\s*->[^\n#]*?)?)\s*->\s*float\b")
MOST_AXES_OF_WORDS = 2  # sentences of words


def dtype_advice(cls: type[Op], call: ast.Call, xs: tuple[Value, ...]) -> Repair:
    """Advice for an element type that a layer does not take: how to declare the net's input."""
    if cls.kind == "embedding" and source_of(xs[0]).producer is not None:
        return _integers_advice(call, source_of(xs[0]))
    is_word = len(xs[0].type.shape) == 1 and xs[0].type.dtype in INTEGERS
    if cls.family == "sequence" and is_word:
        label = "" if call.label is None else f"{call.label.span.text}: "
        written = f"embedding(N, {LENGTH}) -> {label}{call.span.text}"
        return Repair(f"turn N different integers into vectors: write `{written}`")
    sources = [source_of(x) for x in xs]
    declared = [source for source in sources if source.producer is None]
    if cls.kind == "embedding" and declared:
        help_ = f"declare it: `input {declared[0].name}: {declared[0].type} int64`"
        learned = _learned(call, declared[0])
        fix = with_dtype(declared[0], "int64", call.span)
        if len(declared[0].type.shape) > MOST_AXES_OF_WORDS or not fix:
            return Repair(f"{help_}, if no other layer takes its numbers{learned}")
        if learned and len(declared[0].type.shape) > 1:
            return Repair(help_ + learned)
        return Repair(help_, fix)
    wrong = [x for x in declared if x.type.dtype != "float32"]
    if not wrong:
        return _computed_advice(sources)
    dtype = wrong[0].type.dtype
    takers = [f"`{a.name} = @{wrong[0].name}`" for a in cls.args if dtype in a.dtypes]
    if takers:
        return Repair(f"give it by name: {' or '.join(takers)}")
    if dtype == "bool":
        return Repair(f"write `@{wrong[0].name} -> float`: 1 for true and 0 for false")
    help_ = f"declare input `{wrong[0].name}` without a type, which makes it float32"
    if dtype.startswith("int"):
        help_ += "; `embedding` turns integers into vectors"
    if dtype == "float16":
        help_ += "; `netdsl export --fp16` writes a 16-bit model"
    if dtype.startswith("int") and len(wrong[0].type.shape) == 1 and len(xs) == 1:
        return Repair(help_)  # these may be words
    return Repair(help_, with_dtype(wrong[0], "float32", call.span))


def _learned(call: ast.Call, x: Value) -> str:
    """The advice for `query: embedding(5, 8)` that is meant as vectors that a net learns."""
    sizes = [a.span.text for a in call.arguments if a.name is None]
    if call.label is None or len(sizes) != len(call.arguments) or len(sizes) != 2:
        return ""
    label = call.label.span.text
    is_used = re.search(rf"@{re.escape(label)}\b", call.span.file.text) is not None
    if not is_used and not _LEARNED.match(label) and len(x.type.shape) == 1:
        return ""
    listed = "x".join(sizes)
    if not all(map(str.isdigit, sizes)):
        listed = f"[{', '.join(sizes)}]"
    return f"; for vectors that do not depend on the input, write `{label}: param({listed})`"


def _computed_advice(sources: list[Value]) -> Repair:
    """Advice for integers that a layer gives to one that computes in float32."""
    for x in sources:
        if x.producer is not None and x.type.dtype in INTEGERS:
            return Repair(as_floats(x.producer))
    return Repair(None)


def as_floats(node: Node) -> str:
    """How the integers that a layer gives become numbers to compute with."""
    if node.op.kind == "const":
        return f"`const` has floats without `dtype = {node.type.dtype}`: leave it out"
    text = node.span.file.text
    label = _LABEL.search(text[: node.span.start])
    floats = _FLOATS.match(text, node.span.end)
    if label is not None and floats is not None:  # the chain has floats, but its label has not
        written = f"{node.span.text}{floats['between'].rstrip()} -> {label['name']}: float"
        return f"`{label['name']}` names only the first layer of its chain: write `{written}`"
    return f"`{node.op.kind}` gives integers: write `-> float` after it"


def _integers_advice(call: ast.Call, x: Value) -> Repair:
    """Advice for an `embedding` of values that another layer makes."""
    assert x.producer is not None
    made, source = x.producer, first_of(x)
    if made.op.kind == "const" and made.span.text.endswith(")"):
        end, text = made.span.end - 1, ", dtype = int64"
        fix: tuple[Edit, ...] = (Edit(Span(made.span.file, end, end), text),)
        if not takes(type(made.op)({**made.op.given, "dtype": "int64"}), *made.types):
            return Repair("the indices of `embedding` are integers, and these have fractions")
        return Repair(f"write `{made.span.text[:-1]}{text})`", fix)
    label = "" if call.label is None else f"{call.label.span.text}: "
    written = f"{label}{call.span.text}"
    if source.producer is None and source.type.dtype.startswith("int"):
        return _second_table(label, written, source, is_smaller=_rows(call) < _size(made))
    if label.startswith("pos"):
        return Repair(f"number the positions: write `positions -> {written}`")
    return Repair(
        "integers come from an input, as in `input tokens: T int64`, or from `positions` or `const`"
    )


def _second_table(label: str, written: str, source: Value, *, is_smaller: bool) -> Repair:
    """Advice for an `embedding` after another one: of positions, or of other integers."""
    start = f"@{source.name} -> "
    if label.startswith(("pos", "wpe")):
        return Repair(f"number the positions: write `{start}positions -> {written}`")
    place = source.site.span
    names = [] if place is None else _INTEGERS.findall(place.file.text)
    others = [name for name in names if name != source.name]
    if is_smaller and others:
        return Repair(f"the integers are in `{others[0]}`: write `@{others[0]} -> {written}`")
    if is_smaller:
        return Repair(
            f"number the positions: write `{start}positions -> {written}`; integers of another kind"
            " come from an input of their own"
        )
    return Repair(f"the integers are in `{source.name}`: write `{start}{written}`")


def _size(node: Node) -> int:
    """The number of vectors that an `embedding` has; 0 for another layer."""
    return int(str(node.op.given["n"])) if node.op.kind == "embedding" else 0


def _rows(call: ast.Call) -> float:
    """The number of vectors of an `embedding`, or infinity if it is not a number in the text."""
    match call.arguments:
        case (ast.Argument(value=ast.Literal(value=int() as rows)), *_):
            return rows
    return math.inf


def named_dtype_advice(call: ast.Call, cls: type[Op], xs: tuple[Value, ...], name: str) -> Repair:
    """Advice for the element type of a tensor that a named argument gives."""
    named = [a for a in cls.args if a.dtypes and argument_of(call, cls, a.name) is not None]
    values = zip(named, xs[len(xs) - len(named) :], strict=True)
    declared, source = next((a, source_of(x)) for a, x in values if a.name == name)
    if source.producer is not None:
        return Repair(None)
    dtype = declared.dtypes[-1]
    written = f"input {source.name}: {source.type} {dtype}".removesuffix(" float32")
    hides = "; true hides a key" * (dtype == "bool")
    return Repair(f"declare it: `{written}`{hides}", with_dtype(source, dtype, call.span))
