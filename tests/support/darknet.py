"""What Darknet computes for a `.cfg`, written apart from the importer: sizes and numbers."""

from __future__ import annotations

from typing import NamedTuple


class DarknetLayer(NamedTuple):
    """A layer: its kind, the shape of its result, and how many learned numbers it has."""

    kind: str
    shape: tuple[int, ...]
    learned: int
    stored: int


def sections_of(text: str) -> list[tuple[str, dict[str, str]]]:
    """The sections of a file with their options."""
    found: list[tuple[str, dict[str, str]]] = []
    for raw in text.splitlines():
        line = raw.replace(" ", "").replace("\t", "")
        if line.startswith("["):
            found.append((line.strip("[]"), {}))
        elif line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found[-1][1].setdefault(key, value)
    return found


def darknet_layers(text: str) -> list[DarknetLayer]:
    """The layers of a file, by the formulas of Darknet's `make_..._layer` functions."""
    (_, net), *rest = sections_of(text)
    c, h, w = (int(net.get(key, 0)) for key in ("channels", "height", "width"))
    layers: list[DarknetLayer] = []
    for kind, options in rest:
        number = {k: int(v) for k, v in options.items() if v.lstrip("-").isdecimal()}
        learned = stored = 0
        inputs = c * h * w
        if kind == "convolutional":
            n, k, s = number["filters"], number.get("size", 1), number.get("stride", 1)
            pad = k // 2 if number.get("pad") else number.get("padding", 0)
            learned = n * (c // number.get("groups", 1)) * k * k + n
            if number.get("batch_normalize"):
                learned, stored = learned + n, 2 * n
            c, h, w = n, (h + 2 * pad - k) // s + 1, (w + 2 * pad - k) // s + 1
        elif kind == "connected":
            n = number["output"]
            learned = n * inputs + n
            if number.get("batch_normalize"):
                learned, stored = learned + n, 2 * n
            c, h, w = n, 1, 1
        elif kind == "maxpool":
            s = number.get("stride", 1)
            k = number.get("size", s)
            pad = number.get("padding", k - 1)
            h, w = (h + pad - k) // s + 1, (w + pad - k) // s + 1
        elif kind == "avgpool":
            h = w = 1
        elif kind == "upsample":
            h, w = h * number.get("stride", 2), w * number.get("stride", 2)
        elif kind == "crop":
            h, w = number["crop_height"], number["crop_width"]
        elif kind == "reorg" and "extra" in number:
            c, h, w = inputs + number["extra"], 1, 1
        elif kind == "reorg":
            s = number["stride"]
            c, h, w = c * s * s, h // s, w // s
        elif kind == "route":
            indices = [int(i) for i in options["layers"].split(",")]
            taken = [layers[i] for i in indices]
            c, h, w = sum(x.shape[0] for x in taken), *taken[0].shape[1:]
        layers.append(DarknetLayer(kind, (c, h, w), learned, stored))
    return layers


def weights_bytes(text: str) -> int:
    """The size of the `.weights` of a net, with a header of 20 bytes."""
    return 20 + 4 * sum(x.learned + x.stored for x in darknet_layers(text))
