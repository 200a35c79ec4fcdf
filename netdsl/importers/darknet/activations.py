"""Darknet's activations (activations.h) as operators of ONNX."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from netdsl.importers.described import refused, wrong
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netdsl.importers.darknet.text import CfgSection
    from netdsl.importers.onnx.built import BuiltValue, ModelBuilder

LEAK = 0.1  # the slope of `leaky` and of `ramp` below 0


def _same(kind: str, **attributes: float) -> Callable[[ModelBuilder, BuiltValue], BuiltValue]:
    return lambda builder, x: builder.same(kind, x, **attributes)


def _linear(builder: ModelBuilder, x: BuiltValue) -> BuiltValue:
    return x


def _ramp(builder: ModelBuilder, x: BuiltValue) -> BuiltValue:
    """`relu(x) + 0.1 x`."""
    positive = builder.same("Relu", x)
    return builder.op("Add", [positive, builder.scaled("Mul", x, LEAK)], x.shape)


def _loggy(builder: ModelBuilder, x: BuiltValue) -> BuiltValue:
    """`2 sigmoid(x) - 1`."""
    return builder.scaled("Add", builder.scaled("Mul", builder.same("Sigmoid", x), 2), -1)


def _clipped(low: float, high: float) -> Callable[[ModelBuilder, BuiltValue], BuiltValue]:
    def clip(builder: ModelBuilder, x: BuiltValue) -> BuiltValue:
        return builder.op("Clip", [x, builder.number(low), builder.number(high)], x.shape)

    return clip


def _swish(builder: ModelBuilder, x: BuiltValue) -> BuiltValue:
    """`x sigmoid(x)`."""
    return builder.op("Mul", [x, builder.same("Sigmoid", x)], x.shape)


ACTIVATIONS: Mapping[str, Callable[[ModelBuilder, BuiltValue], BuiltValue]] = MappingProxyType(
    {
        "linear": _linear,
        "logistic": _same("Sigmoid"),
        "loggy": _loggy,
        "relu": _same("Relu"),
        "relu6": _clipped(0, 6),
        "elu": _same("Elu"),
        "selu": _same("Selu"),
        "relie": _same("LeakyRelu", alpha=0.01),
        "leaky": _same("LeakyRelu", alpha=LEAK),
        "ramp": _ramp,
        "tanh": _same("Tanh"),
        "hardtan": _clipped(-1, 1),
        "mish": _same("Mish"),
        "swish": _swish,
    }
)
OTHERS = ("plse", "stair", "lhtan", "gelu", "hard_mish")  # Darknet has them, the language has not


def activate(builder: ModelBuilder, section: CfgSection, x: BuiltValue, default: str) -> BuiltValue:
    """The value after the activation that a section names; raises `NetdslError`."""
    name = section.word("activation", default)
    rule = ACTIVATIONS.get(name)
    if rule is not None:
        return rule(builder, x)
    span = section.at("activation")
    if name in OTHERS or name.startswith("normalize_channels"):
        raise refused(f"the activation `{name}`", "the language has no such layer", span)
    raise wrong(f"Darknet has no activation `{printable(name)[:40]}`", span)
