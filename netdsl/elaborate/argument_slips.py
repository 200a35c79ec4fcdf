"""Advice for arguments that are meant for a layer of another tool, by their number or order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit
from netdsl.elaborate.value_advice import padding_of_keras
from netdsl.habits.arguments import ELSEWHERE, QUERIES, SEQUENCES
from netdsl.ops import LAYERS
from netdsl.source import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.errors import OpError
    from netdsl.ir.op import Op
    from netdsl.ir.types import TensorType
    from netdsl.syntax import ast

WIDEST_KERNEL = 11  # of usual convolutions
THREE = 3  # channels of the input, own channels, kernel
_TRANSPOSE = re.compile(r"\s*->\s*permute\(\[2, 1\]\)")


def positions_in_a_row(
    call: ast.Call, cls: type[Op], x: TensorType | None, error: OpError, given: Sequence[object]
) -> None:
    """Advice for PyTorch's `flatten(2)` of a map, and for the transpose after it."""
    if cls.kind != "flatten" or list(given) != [2] or x is None:
        return
    if len(x.shape) > 2:
        error.diagnostic.help = (
            "`flatten` leaves one axis: for the sequence of the positions of a map, write"
            " `tokens` in place of `flatten(2)` and of the transpose after it"
        )
        span = call.span
        then = _TRANSPOSE.match(span.file.text, span.end)
        if then is not None:
            place = Span(span.file, span.start, then.end())
            error.diagnostic.fix = (Edit(place, "tokens"),)


def as_list(call: ast.Call, wrong: OpError) -> None:
    """Advice for loose numbers where one list is wanted; `permute` leaves the batch out."""
    texts = [a.span.text for a in call.arguments]
    if len(texts) < 2 or not all(text.removeprefix("-").isdigit() for text in texts):
        return
    if call.name == "permute" and texts[0] == "0":
        texts = texts[1:]
    listed = f"[{', '.join(texts)}]"
    first, last = call.arguments[0].span, call.arguments[-1].span
    wrong.diagnostic.help = f"write one list: `{call.name}({listed})`"
    wrong.diagnostic.fix = (Edit(Span(first.file, first.start, last.end), listed),)


def elsewhere(call: ast.Call, cls: type[Op], argument: ast.Argument) -> str | None:
    """Advice for an argument whose counterpart is outside of the call, or another argument."""
    name = str(argument.name)
    if cls.kind == "attention" and name in SEQUENCES:
        return _queries(call)
    if cls.family == "convolution" and name in ("causal", "is_causal"):
        repair = padding_of_keras(call, argument, "causal")
        if repair is not None and repair.fix:
            return f"write `{repair.fix[0].text}`, which pads only before the first step"
    return ELSEWHERE.get(name)


def _queries(call: ast.Call) -> str:
    """Advice for `attention(2, k = @, v = @x)`, whose tensors have no names."""
    named = {str(a.name)[:1]: a.value.span.text for a in call.arguments if a.name in SEQUENCES}
    keys = named.get("k") or named.get("m") or named.get("c") or "@"
    tensors = list(dict.fromkeys([keys, named.get("v", keys)]))
    if tensors == [named.get("q", "@")]:
        tensors = []
    others = [a.span.text for a in call.arguments if a.name not in SEQUENCES]
    count = next((i for i, a in enumerate(call.arguments) if a.name is not None), len(others))
    written = f"{call.name}({', '.join([*others[:count], *tensors, *others[count:]])})"
    if named.get("q", "@") != "@":
        written = f"{named['q']} -> {written}"
    return f"{QUERIES}: write `{written}`"


def without_channels(call: ast.Call) -> str:
    """Advice for `depthwise(64, 3, 1, pad = 1)`, which takes no output channels."""
    kept = ", ".join(argument.span.text for argument in call.arguments[1:])
    names = ", ".join(declared.name for declared in LAYERS["depthwise"].args[:3])
    return f"`depthwise` keeps the channels, and takes ({names}): write `depthwise({kept})`"


def channels_first(call: ast.Call, cls: type[Op], x: TensorType | None) -> str | None:
    """The fact about `conv(3, 16, 3, padding = 1)` of 3 channels, which begins as in PyTorch.

    It has numbers for the channels of its input, for its own and for the kernel. None for others.
    """
    texts = [argument.span.text for argument in call.arguments[:THREE]]
    if cls.kind not in ("conv", "deconv") or len(texts) < THREE or x is None:
        return None
    names = [argument.name for argument in call.arguments]
    if not all(map(str.isdigit, texts)) or "groups" in names or texts[0] != str(x.shape[0]):
        return None
    if int(texts[1]) <= max(WIDEST_KERNEL, int(texts[2])):
        return None  # a kernel and a stride
    return f"the {texts[0]} channels of the input are known"
