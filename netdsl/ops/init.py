"""How weights are initialised: the names of the initialisers, and their distributions.

`default` is PyTorch's initialisation of convolution and dense layers: uniform in ±1/sqrt(fan_in)
(He et al. 2015 with a = sqrt 5). `he_*` is from He et al. 2015, and `xavier_*` from Glorot and
Bengio 2010. `normal` has a standard deviation of 0.01, as in AlexNet.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import Correction, OpError
from netdsl.ir.op import Param, Weight
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.op import Op
    from netdsl.ops.args import Numbers

MOST_NESTED = 64  # numbers in the advice of an error
INITS = (
    "default",
    "he_normal",
    "he_uniform",
    "xavier_normal",
    "xavier_uniform",
    "normal",
    "zeros",
    "ones",
)

MAX_LISTED = 12  # the most numbers in a correction
# The order of the lists in a weight with several axes.
_NESTED = {"output": "output x input x window", "element": "the axes of the layer"}


class Distribution(NamedTuple):
    """How the numbers of a tensor are drawn.

    `kind` is uniform (within ±scale), normal (with standard deviation scale), constant (scale),
    bilinear or literal.
    """

    kind: str
    scale: float = 0.0


def distribution(init: str, shape: tuple[int, ...]) -> Distribution:
    """The distribution of an initialiser for a tensor of outputs x inputs x window.

    Besides the names in `INITS`, layers give `uniform:FAN_IN`, `normal:DEVIATION`,
    `constant:VALUE`, `bilinear` and `literal`.
    """
    name, _, number = init.partition(":")
    fan_in, fan_out = _fans(shape)
    match name:
        case "default":
            return Distribution("uniform", 1 / sqrt(fan_in))
        case "uniform":
            return Distribution("uniform", 1 / sqrt(float(number)))
        case "he_normal":
            return Distribution("normal", sqrt(2 / fan_in))
        case "he_uniform":
            return Distribution("uniform", sqrt(6 / fan_in))
        case "xavier_normal":
            return Distribution("normal", sqrt(2 / (fan_in + fan_out)))
        case "xavier_uniform":
            return Distribution("uniform", sqrt(6 / (fan_in + fan_out)))
        case "normal":
            return Distribution("normal", float(number or 0.01))
        case "constant":
            return Distribution("constant", float(number))
        case "zeros" | "ones":
            return Distribution("constant", float(name == "ones"))
        case "bilinear" | "literal":
            return Distribution(name)
    raise ValueError(init)


def is_random(param: Param) -> bool:
    """Whether the starting numbers of a tensor depend on the seed."""
    if param.is_constant:
        return False
    return distribution(param.init, param.shape).kind in ("uniform", "normal")


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """The inputs of each output and the outputs of each input; both are the length of a vector."""
    if len(shape) < 2:
        return prod(shape), prod(shape)
    window = prod(shape[2:])
    return shape[1] * window, shape[0] * window


def check_fans(kind: str, init: str, shape: tuple[int, ...]) -> None:
    """Refuse an initialiser that needs two sizes for a tensor with only one axis."""
    if len(shape) < 2 and init.startswith(("he_", "xavier_")):
        raise OpError(
            "bad-argument",
            f"`init` of `{kind}` is {init}, which needs at least two sizes, found {shape[0]}",
            "init",
            "it can be default, normal, zeros or ones",
        )


def bilinear(shape: tuple[int, ...]) -> list[float]:
    """The weights of a transposed convolution that interpolates each channel (Long et al. 2015)."""
    inputs, outputs, *window = shape
    kernel = [1.0]
    for k in window:
        kernel = [a * b for a in kernel for b in _triangle(k)]
    zeros = [0.0] * len(kernel)
    return [
        value
        for i in range(inputs)
        for o in range(outputs)
        for value in (kernel if i % outputs == o else zeros)
    ]


def _triangle(k: int) -> list[float]:
    """The weights of linear interpolation along an axis, from a window of that size."""
    factor = (k + 1) // 2
    centre = (k - 1) / 2
    return [1 - abs(i - centre) / factor for i in range(k)]


def _nesting(
    name: str,
    flat: Sequence[float] | None,
    written: tuple[int, ...],
    shape: tuple[int, ...],
    order: str,
) -> tuple[str, Correction | None]:
    """Advice for numbers of another shape, and a correction if one list has all of them."""
    if len(shape) == 2:  # a layer without a window
        order = order.removesuffix(" x window")
    help_ = f"nest the lists as {order}; leading sizes of 1 can be left out"
    if flat is None or len(flat) > MOST_NESTED:
        return help_, None
    if len(written) > 1 and written == shape[-len(written) :]:
        return _repeated(_nested(flat, list(written)), shape[: -len(written)], order), None
    if len(written) > 1 or len(flat) != prod(shape):
        return help_, None
    sizes = list(shape)
    while len(sizes) > 1 and sizes[0] == 1:
        del sizes[0]
    text = _nested(flat, sizes)
    return f"nest the lists: write `{text}`", Correction({name: text})


def _repeated(text: str, counts: tuple[int, ...], order: str) -> str:
    """Advice for one window where there are several: the same numbers for each."""
    for count in reversed(counts):
        text = f"[{text}]" if count == 1 else f"{count} * [{text}]"
    return f"the lists are {order}; for the same numbers in each, write `{text}`"


def _nested(values: Sequence[float], sizes: list[int]) -> str:
    """Numbers in nested lists of these sizes, as they are written."""
    if len(sizes) == 1:
        parts = [*map(_number_text, values)]
    else:
        length = prod(sizes[1:])
        starts = range(0, len(values), length)
        parts = [_nested(values[i : i + length], sizes[1:]) for i in starts]
    return f"[{', '.join(parts)}]"


def shaped(
    kind: str, name: str, values: tuple[Numbers, ...], shape: tuple[int, ...], each: str = "output"
) -> tuple[float, ...]:
    """Literal numbers as a flat tuple; the text may leave out leading axes of size 1.

    Raises `OpError` if the numbers do not have that shape. If it is that of a list, there is a
    number for `each` output.
    """
    written = _shape_of(values)
    flat = _flat(values, written)
    wanted = shape
    while len(wanted) > len(written) and wanted[0] == 1:
        wanted = wanted[1:]
    if flat is None or written != wanted:
        ragged = "" if flat is not None else " in rows of unequal length"
        found = f"{_text(written)} numbers"
        if len(written) == 1:
            found = counted(written[0], "number")
        help_, correction = f"give one number for each {each}", None
        if len(shape) > 1:
            help_, correction = _nesting(name, flat, written, shape, _NESTED[each])
        elif flat is not None and len(flat) == shape[0] <= MAX_LISTED:
            text = f"[{', '.join(map(_number_text, flat))}]"
            help_, correction = f"write `{text}`", Correction({name: text})
        raise OpError(
            "shape-mismatch",
            f"`{name}` of `{kind}` has {found}{ragged}, but needs {_text(shape)}",
            name,
            help_,
            correction,
        )
    return tuple(flat)


def _number_text(number: float) -> str:
    return str(int(number) if number.is_integer() else number)


def weight_param(op: Op, otherwise: Param, each: str = "output") -> Param:
    """The weight of a layer: that of its argument `weight`, or else `otherwise`.

    Raises `OpError` if the argument has another shape, or if `init` is given too.
    """
    given: tuple[Numbers, ...] | Weight | None = op.given["weight"]
    if given is None:
        return otherwise
    init = next((a for a in op.args if a.name == "init"), None)
    if init is not None and op.given["init"] != init.default:
        raise OpError(
            "bad-argument",
            f"`{op.kind}` has both `weight` and `init = {op.given['init']}`",
            "init",
            "leave `init` out: `weight` gives the numbers themselves",
            Correction({"init": None}),
        )
    if isinstance(given, Weight):
        return tied(op.kind, "weight", given, otherwise.shape)
    numbers = shaped(op.kind, "weight", given, otherwise.shape, each)
    return Param(otherwise.shape, "literal", numbers)


def bias_params(op: Op, otherwise: Param, each: str = "output") -> dict[str, Param]:
    """The bias of a layer, if its argument `bias` is not false; it is `otherwise` if it is true.

    Raises `OpError` if the argument has another shape.
    """
    given: bool | tuple[Numbers, ...] | Weight = op.given.get("bias", False)
    if isinstance(given, Weight):
        return {"bias": tied(op.kind, "bias", given, otherwise.shape)}
    if given is False:
        return {}
    if given is True:
        return {"bias": otherwise}
    numbers = shaped(op.kind, "bias", given, otherwise.shape, each)
    return {"bias": Param(otherwise.shape, "literal", numbers)}


def tied(kind: str, name: str, weight: Weight, shape: tuple[int, ...]) -> Param:
    """A weight of an earlier layer as a tensor of a layer; raises `OpError` for another shape."""
    if weight.shape != shape:
        needed, found = _text(shape), _text(weight.shape)
        raise OpError(
            "shape-mismatch",
            f"`{name}` of `{kind}` must be {needed}, but `{weight.name}` is {found}",
            name,
            _other_shape(shape, weight.shape),
        )
    return Param(shape, "tied", tied=weight.name)


def _other_shape(needed: tuple[int, ...], found: tuple[int, ...]) -> str:
    """Advice for a weight of another shape."""
    if needed == found[::-1]:
        return (
            "a weight is shared as it is, not transposed: are the sizes of the first layer in the"
            " right order? two `matmul` can use one `param`, one of"
            " them with `transpose = true`"
        )
    if len(needed) == len(found) == 2 and needed[0] == found[0]:
        return f"bring the input to its length: write `dense({found[1]})` before this layer"
    return "layers can only share weights of equal shapes"


def numbers_of(kind: str, name: str, values: Numbers) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The shape of literal numbers, and the numbers; raises `OpError` for unequal rows."""
    shape = _shape_of(values)
    numbers = _flat(values, shape)
    if numbers is None:
        message = f"`{name}` of `{kind}` has rows of unequal length, not {_text(shape)} numbers"
        raise OpError("shape-mismatch", message, name, "make all rows the same length")
    return shape, tuple(numbers)


def _shape_of(values: Numbers) -> tuple[int, ...]:
    """The lengths of the first list at each level."""
    lengths = []
    while isinstance(values, tuple):
        lengths.append(len(values))
        values = values[0]
    return tuple(lengths)


def _flat(values: Numbers, shape: tuple[int, ...]) -> list[float] | None:
    """The numbers of nested lists, or None if the length of a list differs from `shape`."""
    if not isinstance(values, tuple):
        return None if shape else [values]
    if not shape or len(values) != shape[0]:
        return None
    flat: list[float] = []
    for item in values:
        part = _flat(item, shape[1:])
        if part is None:
            return None
        flat += part
    return flat


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
