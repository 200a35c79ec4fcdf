"""Names of layers: those of their tensors in checkpoints, or else those of their modules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.importers.flat import FlatLayer
    from netdsl.importers.onnx.foreign import StoredTensor

# The last part of a tensor's name, which is not part of the name of its layer.
ENDINGS = re.compile(
    r"(weight|bias|kernel|gamma|beta|moving_mean|moving_variance|running_mean|running_var"
    r"|in_proj_weight|in_proj_bias|weight_[ih]h_l\d+(_reverse)?|bias_[ih]h_l\d+(_reverse)?"
    r"|embeddings|depthwise_kernel|w|b)"
)
PART = re.compile(r"[A-Za-z0-9_\-]+")
# PathNames that exporters make up.
MADE_UP = re.compile(r"(onnx::|val_|_val_|const_|p_|b_|arg\d|t_\d|[A-Za-z]+_\d+_const)")


def path_of(layer: FlatLayer) -> tuple[str, ...]:
    """The name of a layer, part by part; empty if nothing names it."""
    if "" in layer.weights:
        return _clean(_parts(layer.weights[""]))
    for key, stored in layer.weights.items():
        if stored.name.endswith(f".{key}"):
            return _clean(tuple(stored.name.removesuffix(f".{key}").split(".")))
        parts = _parts(stored)
        if len(parts) > 1 and ENDINGS.fullmatch(parts[-1]):
            return _clean(parts[:-1])
    if not layer.weights:
        return ()
    return _clean(layer.node.scope)


def is_learned(stored: StoredTensor) -> bool:
    """Whether a tensor has the name of a weight, as in `layer1.0.bn1.weight`."""
    parts = _parts(stored)
    return len(parts) > 1 and ENDINGS.fullmatch(parts[-1]) is not None


def _parts(stored: StoredTensor) -> tuple[str, ...]:
    name = stored.name
    if not name or MADE_UP.match(name):
        return ()
    separator = "/" if "/" in name and "." not in name.split("/")[0] else "."
    return tuple(part for part in name.split(":")[0].split(separator) if part)


def _clean(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The parts as labels, without characters that a label cannot contain."""
    cleaned = [re.sub(r"[^A-Za-z0-9_\-]+", "_", part)[:64] for part in parts]
    return tuple(part for part in cleaned if PART.fullmatch(part))
