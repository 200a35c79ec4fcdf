"""How tensors start: the names of the initialisers, and what they mean in numbers.

`default` is PyTorch's for convolution and dense layers, uniform in ±1/sqrt(fan_in) (He et al. 2015
with a = sqrt 5). `he_*` is He et al. 2015, `xavier_*` Glorot and Bengio 2010, `normal` has standard
deviation 0.01 as AlexNet's.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import NamedTuple

from netdsl.errors import OpError

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


Numbers = float | tuple["Numbers", ...]  # nested lists


class Distribution(NamedTuple):
    """`kind` is uniform (in ±scale), normal (of deviation scale), constant (scale), bilinear or
    literal.
    """

    kind: str
    scale: float = 0.0


def distribution(init: str, shape: tuple[int, ...]) -> Distribution:
    """The distribution an initialiser's name means for a tensor of that shape (outputs x inputs x
    window).
    """
    name, _, number = init.partition(":")
    window = prod(shape[2:])
    fan_in, fan_out = (
        (shape[1] * window, shape[0] * window) if len(shape) > 1 else (prod(shape), prod(shape))
    )
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


def check_fans(kind: str, init: str, shape: tuple[int, ...]) -> None:
    """Refuse an initialiser that needs the number of inputs of an output, if there is one axis."""
    if len(shape) < 2 and init.startswith(("he_", "xavier_")):
        raise OpError(
            "bad-argument",
            f"`init` of `{kind}` is {init}, which needs two sizes or more, found {shape[0]} alone",
            "init",
            "it can be default, normal, zeros, ones",
        )


def bilinear(shape: tuple[int, ...]) -> list[float]:
    """The weights of a transposed convolution that interpolates: each channel apart (Long et al.
    2015).
    """
    inputs, outputs, *window = shape
    axes = []
    for k in window:
        factor = (k + 1) // 2
        centre = factor - 1 if k % 2 else factor - 0.5
        axes.append([1 - abs(i - centre) / factor for i in range(k)])
    kernel = [1.0]
    for axis in axes:
        kernel = [a * b for a in kernel for b in axis]
    zeros = [0.0] * len(kernel)
    return [
        v
        for i in range(inputs)
        for o in range(outputs)
        for v in (kernel if i % outputs == o else zeros)
    ]


def shaped(
    kind: str, name: str, values: tuple[Numbers, ...], shape: tuple[int, ...]
) -> tuple[float, ...]:
    """Literal numbers as a flat tuple; leading axes of one may be left out.

    Raises `OpError` where they do not fit.
    """
    found: list[int] = []
    level: Numbers = values
    while isinstance(level, tuple):
        found.append(len(level))
        level = level[0]
    flat = _flat(values, tuple(found))
    wanted = shape
    while len(wanted) > len(found) and wanted[0] == 1:
        wanted = wanted[1:]
    if flat is None or tuple(found) != wanted:
        text = "x".join(map(str, found))
        ragged = "" if flat is not None else " with rows of unlike length"
        raise OpError(
            "shape-mismatch",
            f"`{name}` of `{kind}` holds {text} numbers{ragged}, it needs"
            f" {'x'.join(map(str, shape))}",
            name,
            "lists nest as output x input x window; leading sizes of 1 may be left out",
        )
    return tuple(flat)


def _flat(values: Numbers, shape: tuple[int, ...]) -> list[float] | None:
    if not shape:
        return None if isinstance(values, tuple) else [values]
    if not isinstance(values, tuple) or len(values) != shape[0]:
        return None
    parts = [_flat(v, shape[1:]) for v in values]
    return None if any(p is None for p in parts) else [x for p in parts for x in p or []]
