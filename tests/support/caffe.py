"""What Caffe computes for a `.prototxt`, written apart from the importer: shapes and weights."""

from __future__ import annotations

import re
from math import ceil, prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LOSSES = {"SoftmaxWithLoss", "Accuracy", "EuclideanLoss", "SigmoidCrossEntropyLoss"}
LOSSES |= {"ContrastiveLoss", "SmoothL1Loss", "Silence"}


def read_prototxt(text: str) -> dict[str, list[Any]]:
    """A prototxt as nested dicts of lists."""
    tokens = re.findall(r"#[^\n]*|\"[^\"]*\"|'(?:\\.|[^'\\])*'|[{}:]|[^\s{}:#\"']+", text)
    rest = iter([t.strip("\"'") for t in tokens if not t.startswith("#") and t != ":"] + ["}"])

    def message() -> dict[str, list[Any]]:
        fields: dict[str, list[Any]] = {}
        for key in rest:
            if key == "}":
                break
            value = next(rest)
            fields.setdefault(key, []).append(message() if value == "{" else value)
        return fields

    return message()


class Caffe:
    """The shapes of blobs and the parameters of layers, computed as Caffe computes them."""

    def __init__(self, path: Path, **inputs: tuple[int, ...]) -> None:
        text = path.read_text(encoding="utf-8")
        net = read_prototxt(re.sub(r"param_str: *\".*\"", "", text))
        self.blobs: dict[str, tuple[int, ...]] = dict(inputs)
        self.params: dict[str, int] = {}
        self.rows: list[tuple[tuple[int, ...], int]] = []
        self.sums: list[tuple[int, ...]] = []
        self.pools: list[tuple[int, ...]] = []
        self.ends: dict[str, tuple[int, ...]] = {}
        self._shared: set[str] = set()
        for layer in net["layer"]:
            rules = [rule.get("phase", [""])[0] for rule in layer.get("include", [])]
            kind = layer["type"][0]
            if "bottom" in layer and "top" in layer and rules != ["TRAIN"] and kind not in LOSSES:
                self._add(layer, kind)

    def _add(self, layer: dict[str, list[Any]], kind: str) -> None:
        inputs = [self.blobs[b] for b in layer["bottom"]]
        options = {
            k: v
            for key, value in layer.items()
            if key.endswith("_param")
            for k, v in value[0].items()
        }
        rule = getattr(self, f"_{kind.lower()}", None)
        shape, params = rule(options, *inputs) if rule else (inputs[0], 0)
        for bottom in layer["bottom"]:
            self.ends.pop(bottom, None)
        parts = len(layer["top"])
        for top in layer["top"]:
            self.blobs[top] = self.ends[top] = (shape[0] // parts, *shape[1:])
        names = {m["name"][0] for m in layer.get("param", []) if "name" in m}
        if names and names <= self._shared:
            params = 0
        self._shared |= names
        if kind == "Pooling":
            self.pools.append(shape)
        if params:
            # A factor for each channel is a value of its own in the text.
            self.rows.append(
                ((params,) if (kind, params) == ("Scale", shape[0]) else shape, params)
            )
            self.params[layer["name"][0]] = params

    @staticmethod
    def _convolution(o: dict[str, list[Any]], x: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        out, k, stride, pad, groups = (
            int(o.get(n, [d])[0])
            for n, d in [
                ("num_output", 0),
                ("kernel_size", 1),
                ("stride", 1),
                ("pad", 0),
                ("group", 1),
            ]
        )
        bias = o.get("bias_term") != ["false"]
        return (out, *((d + 2 * pad - k) // stride + 1 for d in x[1:])), out * (
            x[0] // groups * k * k + bias
        )

    @staticmethod
    def _deconvolution(o: dict[str, list[Any]], x: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        out, k, stride = (int(o[n][0]) for n in ("num_output", "kernel_size", "stride"))
        return (out, *((d - 1) * stride + k for d in x[1:])), x[0] * out * k * k

    @staticmethod
    def _pooling(o: dict[str, list[Any]], x: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        if "global_pooling" in o:
            return (x[0], 1, 1), 0
        k, stride, pad = (
            int(o.get(n, [d])[0]) for n, d in [("kernel_size", 1), ("stride", 1), ("pad", 0)]
        )
        sizes = [ceil((d + 2 * pad - k) / stride) + 1 for d in x[1:]]
        clipped = [
            n - 1 if pad and (n - 1) * stride >= d + pad else n
            for n, d in zip(sizes, x[1:], strict=True)
        ]
        return (x[0], *clipped), 0

    @staticmethod
    def _flatten(_: dict[str, list[Any]], x: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        return (prod(x),), 0

    @staticmethod
    def _reshape(o: dict[str, list[Any]], x: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        whole = (1, *x)
        dims = [int(d) for d in o["shape"][0]["dim"]]
        assert set(dims) == {0}
        return tuple(whole[: len(dims)][1:]), 0

    @staticmethod
    def _innerproduct(o: dict[str, list[Any]], x: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        out = int(o["num_output"][0])
        return (out,), out * (prod(x) + 1)

    @staticmethod
    def _scale(
        o: dict[str, list[Any]], x: tuple[int, ...], *by: tuple[int, ...]
    ) -> tuple[tuple[int, ...], int]:
        return x, 0 if by else (1 + (o.get("bias_term") == ["true"])) * x[0]

    @staticmethod
    def _concat(_: dict[str, list[Any]], *xs: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        return (sum(x[0] for x in xs), *xs[0][1:]), 0

    @staticmethod
    def _crop(
        _: dict[str, list[Any]], x: tuple[int, ...], to: tuple[int, ...]
    ) -> tuple[tuple[int, ...], int]:
        return (x[0], *to[1:]), 0

    @staticmethod
    def _roipooling(
        o: dict[str, list[Any]], x: tuple[int, ...], _: tuple[int, ...]
    ) -> tuple[tuple[int, ...], int]:
        return (x[0], int(o["pooled_h"][0]), int(o["pooled_w"][0])), 0

    def _eltwise(
        self, _: dict[str, list[Any]], x: tuple[int, ...], *xs: tuple[int, ...]
    ) -> tuple[tuple[int, ...], int]:
        assert {x} == {*xs}
        self.sums.append(x)
        return x, 0

    def _axpy(
        self,
        _: dict[str, list[Any]],
        scale: tuple[int, ...],
        x: tuple[int, ...],
        y: tuple[int, ...],
    ) -> tuple[tuple[int, ...], int]:
        assert (x[0], 1, 1) == scale
        return self._eltwise(_, x, y)
