"""The pixels of a picture that matter for its class: gradients and Grad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from netdsl.look.attribution import grad_cam, guided, integrated
from netdsl.look.layers import is_map, title_of
from netdsl.look.parts import ColourScale, Grid, Tile, TileRow, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Node
    from netdsl.look.layers import UnitChoice
    from netdsl.look.net import LayeredNet
    from netdsl.look.pictures import Pictures

SHARE = 0.5  # of the picture in the picture under Grad-CAM
TEXT = (
    "Each row is a picture and the class that the maps are about: the answer of the net, unless a"
    " unit of the output is chosen. Bright pixels matter most: a small"
    " change of them changes the score of the class most. Each map is divided by its largest"
    " number."
)
NO_CAPTUM = (
    "Guided back-propagation, integrated gradients and Grad-CAM need the package captum:"
    " `pip install 'netdsl[look]'`."
)
NO_RELU = (
    "Guided back-propagation changes only ReLU, which this net does not have: it would be the"
    " gradient."
)


class Method(NamedTuple):
    """A way to find the pixels that matter, and the head of its column."""

    head: str
    values: np.ndarray  # N x H x W


def saliency(
    net: LayeredNet, pictures: Pictures, numbers: Sequence[int], choice: UnitChoice, *, captum: bool
) -> View:
    """The pictures with these numbers, and what matters in them for the class that the net gives.

    If a unit of the output is chosen, that is the class. Without `captum`, the methods of that
    package are left out.
    """
    images = pictures.prepared(numbers)
    with torch.inference_mode():
        scores = net(images)
    classes = scores.argmax(1)
    if choice.unit is not None and choice.layer is not None and choice.layer.output is net.scores:
        classes = torch.full_like(classes, choice.unit)
    methods = [Method("gradient", strength(gradient(net, images, classes)))]
    text, node, heat = [TEXT], cam_layer(net, choice), None
    if not captum:
        text.append(NO_CAPTUM)
    elif has_relu(net):
        methods.append(Method("guided", strength(guided(net, images, classes))))
    else:
        text.append(NO_RELU)
    if captum:
        methods.append(Method("integrated", strength(integrated(net, images, classes))))
    if captum and node is not None:
        heat = grad_cam(net, images, classes, node)
        text.append(f"Grad-CAM is that of {title_of(net.graph, node)}, over the picture.")
    rows = []
    for row, number in enumerate(numbers):
        name = pictures.class_of(int(classes[row]))
        truth = pictures.true_class(number)
        if truth not in ("", name):
            name += f" (it is {truth})"
        tiles = [Tile(pictures.shown(number))]
        tiles += [Tile(_divided(method.values[row])) for method in methods]
        if heat is not None:
            tiles.append(Tile(_over(pictures.shown(number), heat[row])))
        rows.append(TileRow(name, tiles))
    heads = ["picture", *(method.head for method in methods)]
    if heat is not None:
        heads.append("Grad-CAM")
    grid = Grid("What matters for the class", rows, ColourScale(0, 1), heads)
    return View("saliency", "Saliency", text, [grid])


def gradient(net: LayeredNet, images: Tensor, classes: Tensor) -> Tensor:
    """The derivative of the score of a class by each pixel, N x C x H x W."""
    leaves = images.clone().requires_grad_()
    scores = net(leaves).gather(1, classes[:, None])
    (found,) = torch.autograd.grad(scores.sum(), leaves)
    return found


def strength(values: Tensor) -> np.ndarray:
    """The largest amount among the channels, N x H x W."""
    found: np.ndarray = values.detach().abs().amax(1).numpy()
    return found


def has_relu(net: LayeredNet) -> bool:
    """Whether a layer is a ReLU."""
    return any(isinstance(module, nn.ReLU) for module in net.modules())


def cam_layer(net: LayeredNet, choice: UnitChoice) -> Node | None:
    """The chosen layer, or the last one that gives maps and that the scores depend on."""
    if choice.layer is not None and is_map(choice.layer):
        return choice.layer
    below = net.below([net.scores])
    found = [node for node in below if is_map(node) and node.output is not net.scores]
    return found[-1] if found else None


def _divided(values: np.ndarray) -> np.ndarray:
    return values / (values.max() or 1.0)


def _over(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A map of heat from 0 on, enlarged and laid over a picture."""
    small = Image.fromarray(_divided(heat).astype(np.float32))
    size = (picture.shape[1], picture.shape[0])
    large = np.asarray(small.resize(size, Image.Resampling.BILINEAR))
    tint = mpl.colormaps["inferno"](large)[..., :3]
    found: np.ndarray = SHARE * picture.mean(2, keepdims=True) + (1 - SHARE) * tint
    return found.clip(0, 1)
