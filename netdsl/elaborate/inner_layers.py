"""Layers that other tools give as arguments: `activation = relu`, `batch_norm = 1`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.habits.layers import find
from netdsl.habits.words import NOTHING
from netdsl.ops import LAYERS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.ir.op import Op

# The arguments, and the family or the kind of the layer.
INNER_LAYERS = {
    **dict.fromkeys(("activation", "act", "act_layer", "nonlinearity"), "activation"),
    **dict.fromkeys(
        ("batch_normalize", "batch_norm", "batchnorm", "use_bn", "bn", "norm", "norm_layer"),
        "normalisation",
    ),
    **dict.fromkeys(("dropout", "dropout_rate", "drop"), "dropout"),
}
DARKNETS_LEAKY = "leaky"  # a leaky ReLU with a slope of 0.1
_NO_ACTIVATION = ("linear", "none", "identity")
_SUBJECTS = {
    "activation": "an activation",
    "normalisation": "a normalisation",
    "dropout": "dropout",
}
_USUAL = {"activation": "relu", "normalisation": "bn"}


def is_layer(argument: ast.Argument, cls: type[Op]) -> bool:
    """Whether an argument is a layer that other tools give so, and not one of this kind."""
    return argument.name in INNER_LAYERS and all(a.name != argument.name for a in cls.args)


def following(name: str, value: object, expr: ast.Expr) -> tuple[str, bool, str]:
    """The layer that an argument means, or "" for none, whether that is certain, and the advice."""
    layer, is_certain = _meant(INNER_LAYERS[name], value, expr)
    if not layer:
        return layer, is_certain, "leave it out"
    subject = _SUBJECTS[INNER_LAYERS[name]]
    return layer, is_certain, f"{subject} is a layer of its own: write `-> {layer}` after this one"


def in_usual_order(layers: list[str]) -> list[str]:
    """Calls of layers in their usual order: a normalisation, an activation, dropout."""
    order = ("normalisation", "activation", "regularisation")

    def rank(layer: str) -> int:
        family = LAYERS[layer.partition("(")[0]].family
        return order.index(family) if family in order else 0

    return sorted(layers, key=rank)


def _meant(family: str, value: object, expr: ast.Expr) -> tuple[str, bool]:
    text = expr.span.text
    word = str(expr.value) if isinstance(expr, ast.Literal) else text
    if text in NOTHING or word.lower() in _NO_ACTIVATION or value is False or text == "0":
        return "", True
    if family == "dropout":
        return f"dropout({text})", True
    if family == "normalisation" and (value is True or text == "1"):
        return "bn", True
    if word == DARKNETS_LEAKY:
        return "leaky_relu(0.1)", True
    row = find(word)
    kind = word.lower()
    if kind not in LAYERS and row is not None:
        kind = row.ours
    if kind in LAYERS and LAYERS[kind].family == family:
        return kind, not any(declared.required for declared in LAYERS[kind].args)
    return _USUAL[family], False
