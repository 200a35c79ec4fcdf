"""Images that maximise the value of a unit, by gradient ascent from noise.

The image is moved by a few pixels at each step (jitter) and blurred now and then, so that it gets
shapes rather than single pixels (Yosinski et al., Understanding Neural Networks Through Deep
Visualization, 2015). Its pixels stay between black and white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn.functional import interpolate

from netdsl.analysis.cost import Costs
from netdsl.data.source import tracked
from netdsl.look.excite import layers_to_excite
from netdsl.look.labels import value_text
from netdsl.look.layers import title_of, units_to_show
from netdsl.look.net import by_unit
from netdsl.look.parts import Grid, Tile, View, rows_of
from netdsl.look.pictures import as_colours
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from netdsl.data.dataset import InputData
    from netdsl.ir.graph import Node
    from netdsl.look.layers import UnitChoice
    from netdsl.look.net import LayeredNet

COLUMNS = 8
SMALL = 10  # pixels of the side of what a unit sees
LEAST_UNITS, MOST_UNITS = 2, 16
PRODUCTS = 8e11  # multiply-accumulates that the images of all layers may take, about
STARTS = 6  # images of which the best replaces one that is stuck
PASSES = 3  # a step forward and back takes about as many as this times those of the net


class Ascent(NamedTuple):
    """How an image is maximised: steps, their length, jitter in pixels, and when it is blurred."""

    steps: int = 96
    length: float = 0.05  # of the largest change of a pixel, which is from 0 to 1
    jitter: int = 2
    blur: float = 0.6  # the deviation in pixels
    every: int = 8  # steps between two blurs
    last: float = 0.25  # the share of steps at the end that have neither

    def for_products(self, products: float, most: float) -> Ascent:
        """Half as many steps, of twice the length, if a step takes so many products."""
        if products * self.steps <= most:
            return self
        return self._replace(steps=self.steps // 2, length=2 * self.length)

    def for_side(self, side: int) -> Ascent:
        """The ascent for a unit that sees so many pixels: small shapes are not blurred."""
        if side < SMALL:
            return self._replace(jitter=0, blur=0.0)
        return self


USUAL = Ascent()


def maximise(
    net: LayeredNet,
    given: InputData,
    choice: UnitChoice,
    classes: Sequence[str] = (),
    ascent: Ascent = USUAL,
) -> View:
    """Images that maximise units of the chosen layer, or of several layers and of the output.

    `classes` are the names of the units of the output.
    """
    nodes = [choice.layer] if choice.layer is not None else _layers(net, choice)
    each = PRODUCTS / len(nodes)
    step = PASSES * float(str(net.graph.derived(Costs).totals().macs))
    ascent = ascent.for_products(LEAST_UNITS * step, each)
    affordable = int(min(MOST_UNITS, max(LEAST_UNITS, each // max(step * ascent.steps, 1.0))))
    parts = []
    for node in nodes:
        units = units_to_show(node, choice, affordable)
        images, values = maximised(net, given, node, units, choice.seed, ascent)
        names = classes if node.output is net.scores else ()
        tiles = [
            Tile(as_colours(_cut(net, node, image)), _caption(unit, value, names))
            for unit, image, value in zip(units, images, values, strict=True)
        ]
        title = f"{title_of(net.graph, node)}: {counted(len(units), 'unit')}"
        parts.append(Grid(title, rows_of(tiles, COLUMNS)))
    text = (
        f"Each image maximises one unit: {ascent.steps} steps of gradient ascent from noise of the"
        f" seed {choice.seed}. Where a unit sees {SMALL} pixels or more, there are a jitter of"
        f" {ascent.jitter} pixels and a blur of {ascent.blur:g} pixels every {ascent.every} steps,"
        " but not in the last steps. The image is cut to what the unit sees; the number is the"
        " unit's value."
    )
    return View("maximise", "Images that maximise a unit", [text], parts)


def _caption(unit: int, value: float, names: Sequence[str]) -> str:
    if unit < len(names):
        return f"{names[unit]}\n{value_text(value)}"
    return f"{unit}: {value_text(value)}"


def _layers(net: LayeredNet, choice: UnitChoice) -> list[Node]:
    last = net.scores.producer
    return [*layers_to_excite(net, choice), *([last] if last is not None else [])]


def maximised(
    net: LayeredNet,
    given: InputData,
    node: Node,
    units: Sequence[int],
    seed: int,
    ascent: Ascent = USUAL,
) -> tuple[np.ndarray, list[float]]:
    """An image for each unit, from 0 to 1, and the values that the units have for them.

    Of a map, the unit in the middle is maximised.
    """
    random = torch.Generator().manual_seed(seed)
    shape = (net.channels, *net.sizes)
    noise = torch.randn(shape, generator=random)  # the same for all units
    images = (0.5 + 0.05 * noise).clamp(0, 1).repeat(len(units), 1, 1, 1)
    mean, std = (torch.tensor(v)[:, None, None] for v in (given.mean, given.std))
    top, bottom, left, right = net.box(node, _middle(node))
    ascent = ascent.for_side(min(bottom - top, right - left))
    for step in tracked(range(ascent.steps), f"maximising units of {node.name}"):
        is_last = step >= ascent.steps * (1 - ascent.last)
        shift = torch.randint(-ascent.jitter, ascent.jitter + 1, (2,), generator=random).tolist()
        if is_last:
            shift = [0, 0]
        moved = images.roll(shift, (2, 3)).requires_grad_()
        values = _values(net, (moved - mean) / std, node, units)
        (slope,) = torch.autograd.grad(values.sum(), moved)
        largest = slope.abs().amax((1, 2, 3), keepdim=True)
        changed = moved.detach() + ascent.length * slope / largest.clamp(min=1e-12)
        for i in torch.nonzero(largest[:, 0, 0, 0] == 0).flatten().tolist():
            changed[i] = _other_start(net, given, node, units[i], random)
        images = changed.roll([-s for s in shift], (2, 3)).clamp(0, 1)
        if ascent.blur and step % ascent.every == ascent.every - 1 and not is_last:
            images = gaussian_blur2d(images, (3, 3), (ascent.blur, ascent.blur))
    with torch.no_grad():
        values = _values(net, (images - mean) / std, node, units)
    return images.numpy(), values.tolist()


def _other_start(
    net: LayeredNet, given: InputData, node: Node, unit: int, random: torch.Generator
) -> Tensor:
    """A start for a unit that no pixel changes, such as one after a ReLU that gives 0.

    It is the best of some images of random colours, in squares of different sizes.
    """
    sides = [max(1, min(net.sizes) // 2**k) for k in range(STARTS)]
    colours = [torch.rand((1, net.channels, side, side), generator=random) for side in sides]
    images = torch.cat([interpolate(squares, net.sizes) for squares in colours])
    mean, std = (torch.tensor(v)[:, None, None] for v in (given.mean, given.std))
    with torch.no_grad():
        values = _values(net, (images - mean) / std, node, [unit] * len(images))
    return images[int(values.argmax())]


def _values(net: LayeredNet, images: Tensor, node: Node, units: Sequence[int]) -> Tensor:
    """The value of each unit, in the middle of its map, for the image of the same number."""
    (values,) = net.values(images, [node.output])
    middle = _middle(node)
    if middle:
        row, column = middle
        values = values[:, :, row : row + 1, column : column + 1]
    return by_unit(values).mean(2)[range(len(units)), list(units)]


def _middle(node: Node) -> tuple[int, ...]:
    shape = node.type.shape
    return tuple(int(str(size)) // 2 for size in shape[1:]) if len(shape) == 3 else ()


def _cut(net: LayeredNet, node: Node, image: np.ndarray) -> np.ndarray:
    top, bottom, left, right = net.box(node, _middle(node))
    return image[:, top:bottom, left:right]
