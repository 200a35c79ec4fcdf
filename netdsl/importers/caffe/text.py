"""The layers that a `.prototxt` describes, in one form for both versions of the format."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from netdsl.importers.caffe.fields import check_fields
from netdsl.importers.described import wrong
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netdsl.importers.caffe.prototxt import ProtoMessage

PHASE = "TEST"
# The kinds of `layers { type: ... }`, whose names differ from those of `layer`.
OLD_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "ABSVAL": "AbsVal",
        "ACCURACY": "Accuracy",
        "ARGMAX": "ArgMax",
        "BNLL": "BNLL",
        "CONCAT": "Concat",
        "CONTRASTIVE_LOSS": "ContrastiveLoss",
        "CONVOLUTION": "Convolution",
        "DATA": "Data",
        "DECONVOLUTION": "Deconvolution",
        "DROPOUT": "Dropout",
        "DUMMY_DATA": "DummyData",
        "EUCLIDEAN_LOSS": "EuclideanLoss",
        "ELTWISE": "Eltwise",
        "EXP": "Exp",
        "FLATTEN": "Flatten",
        "HDF5_DATA": "HDF5Data",
        "HDF5_OUTPUT": "HDF5Output",
        "HINGE_LOSS": "HingeLoss",
        "IM2COL": "Im2col",
        "IMAGE_DATA": "ImageData",
        "INFOGAIN_LOSS": "InfogainLoss",
        "INNER_PRODUCT": "InnerProduct",
        "LRN": "LRN",
        "MEMORY_DATA": "MemoryData",
        "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
        "MVN": "MVN",
        "POOLING": "Pooling",
        "POWER": "Power",
        "RELU": "ReLU",
        "SIGMOID": "Sigmoid",
        "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
        "SILENCE": "Silence",
        "SOFTMAX": "Softmax",
        "SOFTMAX_LOSS": "SoftmaxWithLoss",
        "SPLIT": "Split",
        "SLICE": "Slice",
        "TANH": "TanH",
        "WINDOW_DATA": "WindowData",
        "THRESHOLD": "Threshold",
    }
)
SOURCES = {"Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "WindowData"}
SOURCES |= {"PythonData"}  # a Python layer without an input
LOSSES = {"Accuracy", "ContrastiveLoss", "EuclideanLoss", "HDF5Output", "HingeLoss"}
LOSSES |= {"InfogainLoss", "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss", "Silence"}
LOSSES |= {"SmoothL1Loss", "SoftmaxWithLoss"}


TARGETS = LOSSES - {"ContrastiveLoss"}  # losses whose inputs after the first are what is wanted


class CaffeText(NamedTuple):
    """A layer: its kind, such as `Convolution`, and the names of the values it takes and makes."""

    kind: str
    name: str
    bottoms: list[str]
    tops: list[str]
    message: ProtoMessage


def layers_of(message: ProtoMessage, is_imported: Callable[[str], bool]) -> list[CaffeText]:
    """The layers of a net in the phase TEST; raises `NetdslError`.

    `is_imported` tells whether netdsl imports a kind of layer.
    """
    both = [name for name in ("layer", "layers") if name in message.fields]
    if not both:
        raise _no_net(message)
    if len(both) > 1:
        raise wrong("the net has both `layer` and `layers`", message.at("layers"))
    check_fields(message, is_imported)
    found = [_layer(m) for m in message.messages(both[0])]
    kept = [layer for layer in found if _is_kept(layer)]
    if not kept:
        raise wrong(f"no layer is of the phase {PHASE}", message.at(both[0]))
    return kept


def _no_net(message: ProtoMessage) -> Exception:
    """The error of a file without layers, which may be the settings of a training."""
    for name in ("net", "train_net", "net_param", "base_lr"):
        if name in message.fields:
            files = message.texts(name) if name in ("net", "train_net") else []
            help_ = f"import the net that it names, `{printable(files[0])[:80]}`" if files else None
            fact = "the file has the settings of a training, and no layers"
            return wrong(fact, message.at(name), help_)
    fact = "the file has no `layer`" if message.fields else "the file is empty"
    advice = "a Caffe net is a list such as `layer { name: ... type: ... }`"
    return wrong(fact, message.span, advice)


def _layer(message: ProtoMessage) -> CaffeText:
    if "layer" in message.fields:
        raise wrong(
            "this is the first version of the format",
            message.at("layer"),
            "Caffe's `upgrade_net_proto_text` turns it into the present one",
        )
    kind = message.text("type")
    if not kind:
        raise wrong("a layer has no `type`", message.span)
    kind = OLD_KINDS.get(kind, kind)
    bottoms, tops = message.texts("bottom"), message.texts("top")
    if kind == "Python" and not bottoms:
        kind = "PythonData"
    if kind not in SOURCES | LOSSES and not tops:
        raise wrong(f"`{printable(message.text('name'))[:60]}` has no `top`", message.span)
    return CaffeText(kind, message.text("name") or kind, bottoms, tops, message)


def _is_kept(layer: CaffeText) -> bool:
    """Whether a layer is part of the phase, by its rules of `include` and `exclude`."""
    include, exclude = layer.message.messages("include"), layer.message.messages("exclude")
    if include:
        return any(_is_met(rule, staged=layer.kind in SOURCES) for rule in include)
    return not any(_is_met(rule, staged=False) for rule in exclude)


def _is_met(rule: ProtoMessage, *, staged: bool) -> bool:
    """Whether a rule holds for the phase, at level 0 and without stages.

    With `staged`, any stage is accepted: the data of all stages have the same sizes.
    """
    names = {"0": "TRAIN", "1": "TEST"}
    phase = rule.text("phase", PHASE)
    level = rule.integer("min_level", 0, -(10**9)) <= 0 <= rule.integer("max_level", 0, -(10**9))
    return names.get(phase, phase) == PHASE and level and (staged or not rule.texts("stage"))
