"""Methods, attributes and indices of tensors, and layers that are called with a tensor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import parts
from netdsl.habits.calls import chain_of
from netdsl.habits.statements import is_layer, labels_above
from netdsl.habits.words import OF_TENSORS
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

JOINS = ("concat", "add", "mul", "sub", "max")
_CALL = r"[A-Za-z_]\w*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))"
_REDUCTIONS = {
    "mean": "reduce_mean", "sum": "reduce_sum", "max": "reduce_max", "amax": "reduce_max",
    "min": "reduce_min", "amin": "reduce_min", "norm": "reduce_norm",
}  # fmt: skip
_AXES = ("dim", "axis", "dims", "axes")
_KEEP = ("keepdim", "keepdims", "keep")


def _begins_chain(matched: Matched) -> bool:
    """Whether what is to be replaced is the beginning of a chain."""
    before = matched.text[matched.start : matched.place("fix")[0]]
    return re.fullmatch(r"\s*(?:(?:output\s+)?\w+\s*:|output\b)?\s*", before) is not None


def applied(matched: Matched) -> Fix:
    """`@x -> conv(8, 3)` for `conv(8, 3)(@x)` at the beginning of a chain."""
    layer = matched.group("layer").removesuffix("()")
    if not is_layer(matched, layer.split("(")[0]):
        return None
    return _as_chain(matched, f"{matched.group('x')} -> {layer}")


def called_method(matched: Matched) -> Fix:
    """`reduce_mean(@h, axis = 1)` for `@h.mean(1)`, or a chain if it begins one."""
    x, method = matched.group("x"), matched.group("method")
    reduction = _reduction(method, matched.group("arguments"))
    if reduction is not None:
        written = re.sub(r"\(", f"({x}, ", reduction, count=1)
        if _begins_chain(matched):
            written = f"{x} -> {reduction}".removeprefix("@ -> ")
        return written if matched.group("arguments") else Guess(f"{written}` with the axes of `{x}")
    order = re.fullmatch(r"\(?\[?0,(?P<axes>(?:\s*\d\s*,?)+)\]?\)?", matched.group("arguments"))
    if method == "permute" and order is not None:
        return _as_chain(matched, f"{x} -> permute([{', '.join(parts(order['axes']))}])")
    if method == "pow" and re.fullmatch(r"[\w.]+", matched.group("arguments").strip()):
        power = f"{x} ** {matched.group('arguments').strip()}"
        return f"({power})" if _begins_chain(matched) else power
    layer = LAYERS.get(method)
    if layer is not None and layer.is_function and not matched.group("arguments").strip():
        return (
            _as_chain(matched, f"{x} -> {method}") if _begins_chain(matched) else f"{method}({x})"
        )
    arguments = matched.group("arguments").replace("true", "True").replace("false", "False")
    chain = chain_of(f"x.{method}({arguments})")
    if chain is None:
        return None
    return _as_chain(matched, f"{x} -> {chain}")


def _as_chain(matched: Matched, chain: str) -> Fix:
    """The chain, which is a line of its own if it is needed inside a formula or a list."""
    chain = chain.removeprefix("@ -> ")
    if _begins_chain(matched):
        return chain
    labels = labels_above(matched)
    name = "part" if "part" not in labels else f"part{len(labels)}"
    return Guess(f"{name}: {chain}` in a line above, and `@{name}")


def _reduction(method: str, arguments: str) -> str | None:
    """The layer for `mean(-1, true)` and `mean(dim = -1, keepdim = true)`."""
    given: dict[str, str] = {}
    for number, argument in enumerate(part for part in parts(arguments) if part):
        name, equals, value = (text.strip() for text in argument.rpartition("="))
        is_axis = name in _AXES if equals else number == 0
        is_keep = name in _KEEP if equals else number == 1
        if not is_axis and not is_keep:
            return None
        given["axis" if is_axis else "keep"] = value.lower() if is_keep else value
    kind = _REDUCTIONS.get(method)
    if kind is None:
        return None
    if "axis" not in given:
        return f"{kind}(axis = [1, 2, 3])"
    axis = given["axis"].replace("(", "[").replace(")", "]")
    keep = ", keep = true" if given.get("keep") == "true" else ""
    return f"{kind}(axis = {axis}{keep})"


def indexed(matched: Matched) -> Fix:
    """`@x -> select(0)` for `@x[:, 0]`, and `@x -> slice(1)` for `@x[:, 1:]`."""
    x, texts = matched.group("x"), parts(matched.group("inside"))
    if texts[0] not in (":", "...") or len(texts) < 2:
        return None
    chosen = [(i, text) for i, text in enumerate(texts) if text not in (":", "...")]
    if len(chosen) != 1 or not re.fullmatch(r"-?\w*(?::-?\w*)?", chosen[0][1]):
        return None
    axis, text = chosen[0]
    if texts[0] == "...":
        axis -= len(texts)
    written = _part(text) + ("" if axis == 1 else f", axis = {axis}")
    layer = "slice" if ":" in text else "select"
    return _as_chain(matched, f"{x} -> {layer}({written})")


def _part(text: str) -> str:
    """The arguments for `1`, `1:`, `:4` and `1:4`."""
    start, colon, end = text.partition(":")
    if not colon or not end:
        return start
    return f"{start}, {end}" if start else f"end = {end}"


def reference_to_input(matched: Matched) -> Fix:
    """`@in`, in a `let`, a formula, a list of tensors and a join."""
    before = matched.match.string[: matched.place("at")[0] - matched.start]
    call = re.search(r"(\w*)\s*\([^()]*$", before)
    if call is not None and call[1] and call[1] not in (*JOINS, "matmul"):
        return None
    return "@in"


def step_of_path(matched: Matched) -> Fix:
    """`@group.0` for `@group.[0]`, and `@group.{i}` for `@group.[i]`."""
    inside = matched.group("inside")
    return f"{matched.group('x')}.{inside if inside.isdigit() else f'{{{inside}}}'}"


def position_in_group(matched: Matched) -> Fix:
    """`@group.0` for `@group[0]`, if that is the label of a group."""
    name = matched.group("x").removeprefix("@")
    if not re.search(rf"\b{re.escape(name)}:\s*\{{", matched.text[: matched.start]):
        return None
    return f"@{name}.{matched.group('inside')}"


def listed_tensors(matched: Matched) -> Fix:
    """`[@s{i} for i in range(2)]` for the same without brackets."""
    return f"[{' '.join(matched.group('fix').split())}]"


HABITS = (
    Habit(
        r"(?P<fix>(?P<join>concat|add|mul|sub|max)\s*\(\s*(?P<axis>[^()]*?)\s*\)(?P<at>\s*\()"
        r"\s*(?P<list>\[[^\[\]]*@[^\[\]]*\])\s*\))",
        "concat()‹(›[@image, @image])",
        "write `$join($list)`",
        "found a second pair of parentheses: `$join` has its tensors in the first",
        lambda matched: (
            f"{matched.group('join')}({matched.group('list')}"
            + (f", {matched.group('axis')})" if matched.group("axis") else ")")
        ),
    ),
    Habit(
        rf"(?P<fix>(?P<layer>{_CALL})(?P<at>\()\s*(?P<x>@[\w.]*)\s*\))",
        "conv(8, 3)‹(›@image)",
        "the input of a layer comes before it: write `$fix`",
        "found a second pair of parentheses: a layer is not applied to a value",
        applied,
        where="body",
    ),
    Habit(
        r"(?P<at>@(?:[\w.]*\w)?\.(?:transpose|swapaxes|swapdims|t|mT|T)\s*\([^()]*\))",
        "(‹@image.transpose(1, 2)› + 1)",
        OF_TENSORS["transpose"],
        "a tensor has no methods",
    ),
    Habit(
        r"(?P<fix>(?P<x>@(?!(?:torch|tf|jit|functools)\b)(?:[\w.]*\w)?)"
        r"(?P<at>\.(?P<method>[a-z_]\w*)\s*\()"
        r"(?P<arguments>[^()]*(?:\([^()]*\)[^()]*)*)\))",
        "(@image - @image‹.mean(›1, true))",
        "write `$fix`",
        "a tensor has no method `$method`",
        called_method,
        "a tensor has no methods: give it to a layer, `$x -> relu`, or to a function, `exp($x)`",
    ),
    Habit(
        r"^\s*expect\b.*?(?P<fix>(?P<at>@(?P<first>\d+))(?P<rest>(?:\.\w+)*))",
        "relu\n    expect params(‹@0›) == 0",
        "write `$fix`: a reference begins with a letter or with a quote",
        "`$at` is not a reference",
        '@"$first"$rest',
    ),
    Habit(
        r"(?<![\w)\]])(?P<at>@\d+(?:\.\w+)*)",
        "relu\n    add(‹@0›)",
        "give that layer a label, as in `a: relu`, and write `@a`",
        "`$at` is not a reference: a position follows the label of a group, as in `@features.0`",
    ),
    Habit(
        r"(?P<fix>(?P<at>@(?P<label>\{[^{}\"]*\}\w*)))",
        'repeat 2 as i { "{i}": relu }\n    add(‹@{0}›)',
        "write `$fix`: a reference begins with a letter or with a quote",
        "`$at` is not a reference",
        '@"$label"',
    ),
    Habit(
        r"(?:^|[{|;:]|->)\s*(?P<fix>(?P<at>\{[^{}\":]*\}\w*))(?=\s*:(?!=))",
        "‹{1 + 1}›: relu",
        "write `$fix`: a label that begins with an expression is in quotes",
        "`$at` is not a label",
        '"$at"',
        where="body",
    ),
    Habit(
        r"(?P<fix>(?P<x>@\w[\w.]*)\.(?P<at>\[)\s*(?P<inside>[^\[\]]*?)\s*\])",
        "inner: { relu -> tanh }\n    add(@inner.‹[›1])",
        "write `$fix`",
        "a step of a path is written without brackets",
        step_of_path,
        where="body",
    ),
    Habit(
        rf"\b(?:{'|'.join(JOINS)})\s*\((?P<fix>\s*@[^()\[\]]*?\s(?P<at>for)\s"
        r"[^()]*(?:\([^()]*\)[^()]*)*)\)",
        "repeat 2 as i { s{i}: relu }\n    concat(@s{i} ‹for› i in range(2))",
        "write `$fix`",
        "this list has no brackets",
        listed_tensors,
        where="body",
    ),
    Habit(
        r"(?P<fix>(?P<x>@[A-Za-z_][\w.]*)(?P<at>\[)\s*(?P<inside>\d+)\s*\])",
        "inner: { relu -> tanh }\n    @inner‹[›1] -> relu",
        "write `$fix` for the layer at that position",
        "a position in a group is written without brackets",
        position_in_group,
        where="body",
    ),
    Habit(
        r"(?P<fix>(?P<x>@[\w.]*)(?P<at>\[)(?P<inside>[^\[\]]*)\])",
        "@image‹[›:, 0]",
        "write `$fix`",
        "a tensor has no indices: `select` takes one element of an axis, and `slice` a part",
        indexed,
        "write `$x -> select(0)` for one element of an axis, or `$x -> slice(0, 4)` for a part",
        where="body",
    ),
    Habit(
        r"(?:[=(,\[+*/-]|->)\s*(?P<fix>(?P<at>in))(?=\s*(?:[)\],+*/-]|$))",
        "(‹in› + @)",
        "the value is `@in`",
        "`in` only has sizes, such as `in.channels`",
        reference_to_input,
        where="body",
    ),
)
