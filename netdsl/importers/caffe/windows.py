"""The windows of Caffe's convolutions and poolings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.importers.described import sizes_text, wrong

if TYPE_CHECKING:
    from netdsl.importers.caffe.layer import CaffeLayer
    from netdsl.importers.caffe.prototxt import ProtoMessage
    from netdsl.importers.onnx.built import BuiltValue


def pair(param: ProtoMessage, name: str, default: int, least: int) -> tuple[int, int]:
    """A size along both axes: `pad` once or twice, or `pad_h` and `pad_w`.

    One of `kernel_h` and `kernel_w`, or of `stride_h` and `stride_w`, is an error: Caffe takes the
    other to be 0.
    """
    short = name.removesuffix("_size")
    keys = (f"{short}_h", f"{short}_w")
    given = [key for key in keys if key in param.fields]
    if len(given) == 1 and least > 0:
        missing = keys[given[0] == keys[0]]
        raise wrong(f"`{given[0]}` is set, and `{missing}` is not", param.at(given[0]))
    if given:
        return param.integer(keys[0], default, least), param.integer(keys[1], default, least)
    values = param.integers(name, least) or [default]
    return values[0], values[-1]


class CaffeWindow(NamedTuple):
    """The window of a layer along both axes."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def span(self) -> list[int]:
        """The sizes of the window with its gaps."""
        return [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]

    def attributes(self) -> dict[str, object]:
        """The window as attributes of ONNX."""
        found: dict[str, object] = {
            "kernel_shape": self.kernel,
            "strides": self.stride,
            "pads": (*self.pad, *self.pad),
        }
        if self.dilation != (1, 1):
            found["dilations"] = self.dilation
        return found


def window_of(layer: CaffeLayer, param: ProtoMessage) -> CaffeWindow:
    """The window that a layer gives; raises `NetdslError` if it has none."""
    if not any(key in param.fields for key in ("kernel_size", "kernel_h", "kernel_w")):
        raise layer.wrong("it has no `kernel_size`", param)
    return CaffeWindow(
        pair(param, "kernel_size", 1, 1),
        pair(param, "stride", 1, 1),
        pair(param, "pad", 0, 0),
        pair(param, "dilation", 1, 1),
    )


def fits(layer: CaffeLayer, x: BuiltValue, window: CaffeWindow) -> None:
    """Raise `NetdslError` if a window is larger than the picture with its padding."""
    for size, pad, span in zip(x.spatial, window.pad, window.span, strict=True):
        if size + 2 * pad < span:
            param = layer.param("pooling_param" if layer.kind == "Pooling" else "convolution_param")
            key = "kernel_size" if "kernel_size" in param.fields else "kernel_h"
            fact = f"a window of {span} does not fit into {sizes_text(x.shape)}"
            raise layer.wrong(fact, param, key)
