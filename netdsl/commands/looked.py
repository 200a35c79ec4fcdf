"""What `netdsl look` looks at: the net with its weights, the data set, and the user's picture."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image

from netdsl.backends.torch.module import lower, set_weights
from netdsl.commands.common import UsageError, load_one, print_diagnostics
from netdsl.commands.export_metadata import check_classes, given_by, numbers_for
from netdsl.commands.output import note, printing
from netdsl.commands.trained import (
    NetWithWeights,
    TestedNet,
    open_samples,
    open_trained,
    placing,
    tested_on,
)
from netdsl.data.catalog import describe_dataset
from netdsl.data.dataset import InputData
from netdsl.diagnostics import Diagnostic
from netdsl.driver import compile_net
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text
from netdsl.look.layers import choose
from netdsl.look.net import LayeredNet
from netdsl.look.pictures import of_dataset, of_picture
from netdsl.look.views import OF_CLASSES, OF_DATA, OF_PICTURE, Looked
from netdsl.pictures import MODES, decode
from netdsl.train.fit import check_ends
from netdsl.train.run import torch_device
from netdsl.train.section import entry_of, read_config
from netdsl.weights.checkpoints import needs_weights

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from torch import nn

    from netdsl.data.dataset import Dataset
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph
    from netdsl.look.pictures import Pictures

COMMAND = "`netdsl look`"  # in messages
ARRAYS = (".npy", ".npz")
RANDOM = "random"  # in place of weights
SIZES = re.compile(r"(\w+=)?\d+(x\d+)*")
PLAIN = InputData(mean=(0.0,), std=(1.0,))
UNKNOWN = (
    "Pixels are scaled to 0..1 and not normalised, because neither the weights nor data tell how"
    " they were in the training: --mean and --std do"
)


class Opened(NamedTuple):
    """What the views are about, and the names of those that the data do not permit, with why."""

    looked: Looked
    left_out: tuple[str, ...]
    reason: str
    notes: tuple[str, ...]  # what is to be known about the picture or its numbers


def open_subject(arguments: argparse.Namespace, views: Sequence[str]) -> Opened:
    """Open what the views need; raises `NetdslError` and `UsageError`."""
    device = torch_device(arguments.device)
    path = _picture_of(arguments)
    net = _net_of(arguments)
    _check_takes_images(net.compiled.graph)
    wanted = (arguments.layer, arguments.unit, arguments.seed)
    choose(net.compiled.graph, *wanted)  # a wrong name is found before the data are read
    told = given_by(arguments)
    check_classes(net.compiled.graph, told.classes)
    constants = numbers_for(net.compiled.graph, {}, told)
    data = _data_of(net, views, path)
    compiled, output, pictures, given = net.compiled, 0, None, _recorded(net)
    classes = () if net.record is None else net.record.classes
    left_out: tuple[str, ...] = OF_DATA
    reason, own_classes = "no data set is named", None
    if data is not None:
        compiled, output = data.tested.compiled, data.tested.output
        pictures = of_dataset(_checked(data.tested.dataset), arguments.images)
        given, left_out = pictures.given, ()
        if data.misfit is None:
            classes = pictures.classes
        else:
            own_classes, left_out, reason = pictures.classes, OF_CLASSES, data.misfit
    given = _with_constants(given, constants, net.compiled.graph)
    classes = tuple(told.classes or classes)
    if pictures is not None:
        pictures = replace(pictures, given=given or PLAIN, classes=classes, own_classes=own_classes)
    own: Pictures | None = None
    notes: list[str] = []
    if path is not None:
        compiled, own, notes = _picture(path, compiled, given or PLAIN, classes)
    if given is None and list(views) != ["filters"]:
        notes.append(UNKNOWN)
        note(f"note: {UNKNOWN}")
    _check_sizes(compiled.graph, views)
    graph = compiled.graph
    layered = LayeredNet(graph, _module_of(graph, net, arguments.seed), output, device)
    looked = Looked(layered, pictures, own, choose(graph, *wanted), given or PLAIN, classes)
    return Opened(looked, tuple(v for v in views if v in left_out), reason, tuple(notes))


def _picture_of(arguments: argparse.Namespace) -> Path | None:
    """The picture among the values of `--input`, of which sizes are left in the arguments."""
    items = arguments.input or []
    pictures = [item for item in items if not SIZES.fullmatch(item) or os.path.exists(item)]
    if len(pictures) > 1:
        raise UsageError(f"--input names {len(pictures)} pictures, but a view is of one")
    arguments.input = [item for item in items if item not in pictures]
    return Path(pictures[0]) if pictures else None


def _net_of(arguments: argparse.Namespace) -> NetWithWeights:
    """The net with its weights, or with random ones if the user asks for these."""
    if arguments.weights is not None and arguments.weights != RANDOM:
        return open_trained(arguments)
    compiled = load_one(arguments)
    if arguments.weights is None and needs_weights(compiled.graph):
        name, file = compiled.graph.name, arguments.file
        raise UsageError(
            f"`{name}` has learned nothing without weights: train it with `netdsl train {file}`,"
            f" and add `--weights runs/{name}`, or look at an untrained net with"
            " `--weights random`"
        )
    config = read_config(compiled, arguments.data)
    return NetWithWeights(compiled, {}, None, config, arguments.data)


def _module_of(graph: Graph, net: NetWithWeights, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    module = lower(graph)
    set_weights(module, net.weights, allow_nonfinite=True)  # they have been checked
    return module


def _check_takes_images(graph: Graph) -> None:
    """Raise `NetdslError` unless the net takes one image."""
    first = graph.inputs[0]
    if len(graph.inputs) > 1:
        others = ", ".join(f"`{value.name}` {value.type}" for value in graph.inputs[1:])
        message = f"`{graph.name}` takes {others} besides `{first.name}`"
        help_ = "`netdsl look` gives a net one image: write a net with only that input"
        raise NetdslError("several-inputs", message, graph.inputs[1].site.span, help=help_)
    shape = first.type.shape
    if len(shape) != 3 or not isinstance(shape[0], int) or first.type.dtype != "float32":
        dtype = "" if first.type.dtype == "float32" else f" {first.type.dtype}"
        message = f"`{graph.name}` takes no images: its input `{first.name}` is"
        message += f" {shape_text(shape)}{dtype}"
        help_ = "`netdsl look` takes nets with an input of channels, rows and columns: 3x32x32"
        raise NetdslError("no-images", message, first.site.span, help=help_)


class _Data(NamedTuple):
    """The net for the pictures of a data set; `misfit` is why it does not give their classes."""

    tested: TestedNet
    misfit: str | None = None


def _data_of(net: NetWithWeights, views: Sequence[str], path: Path | None) -> _Data | None:
    """The data that the views need, or that tell how pictures are normalised."""
    needing = [v for v in views if v in OF_DATA or (v in OF_PICTURE and path is None)]
    is_named = net.data is not None or entry_of(net.compiled, "data") is not None
    helps = list(views) != ["filters"] and (net.record is None or bool(net.compiled.graph.symbols))
    if is_named and (needing or helps):
        with placing(net):
            return _open_pictures(net, views)
    if needing and (path is None or len(views) == 1):
        message = (
            f"`{needing[0]}` needs pictures, and neither the weights nor the net name a data set"
        )
        help_ = "name one: `--data 'folder(\"photos\", size = 224)'`"
        if needing[0] in OF_PICTURE:
            help_ += ", or a picture: `--input photo.jpg`"
        raise NetdslError("data-not-found", message, help=help_)
    return None


def _open_pictures(net: NetWithWeights, views: Sequence[str]) -> _Data:
    """The pictures of a data set, and the net for their size.

    A net with 1,000 classes can look at pictures of ten others, unless a view counts its errors.
    """
    sized, dataset = open_samples(net)
    try:
        check_ends(sized.graph, net.config, COMMAND, describe_dataset(net.config.data))
        return _Data(tested_on(net, sized, dataset))
    except NetdslError as error:
        if len(views) == 1 and views[0] in OF_CLASSES:
            raise
        if net.record is not None:
            dataset = net.record.normalising(dataset)
        return _Data(TestedNet(sized, dataset, 0), error.message)


def _recorded(net: NetWithWeights) -> InputData | None:
    """How the weights record that images are normalised, if they do."""
    if net.record is None or not net.record.constants:
        return None
    mean, std = next(iter(net.record.constants.values()))
    return InputData(mean=mean, std=std)


def _with_constants(
    given: InputData | None, constants: Mapping[str, list[float]], graph: Graph
) -> InputData | None:
    """How images are normalised, with the numbers of the user in place of those that are known."""
    if not constants:
        return given
    channels = int(str(graph.inputs[0].type.shape[0]))
    before = given or PLAIN
    wanted = {"mean": before.mean, "std": before.std, **constants}
    mean, std = (tuple(wanted[key]) for key in ("mean", "std"))
    if len(mean) == 1:
        mean *= channels
    if len(std) == 1:
        std *= channels
    return InputData(mean=mean, std=std)


def _checked(dataset: Dataset) -> Dataset:
    """The data set, whose samples must be pictures."""
    first = next(iter(dataset.inputs.values()))
    if not first.is_image:
        column = next(iter(dataset.test.inputs.values()))
        message = f"the samples of {dataset.name} are {column.dtype}, and no pictures"
        raise NetdslError("data-mismatch", message, help="store pictures as uint8, from 0 to 255")
    return dataset


def _picture(
    path: Path, compiled: Compiled, given: InputData, classes: tuple[str, ...]
) -> tuple[Compiled, Pictures, list[str]]:
    """The net for a picture, the picture in the size of the net, and what is to be known of it."""
    value = compiled.graph.inputs[0]
    channels, *spatial = value.type.shape
    if channels not in MODES:
        message = f"{path} is a picture, but `{value.name}` is {value.type}"
        raise NetdslError("wrong-shape", message, help="pictures have 1 or 3 channels")
    if path.suffix.lower() in ARRAYS:
        message = f"{path} is an array, not a picture"
        help_ = "give a .png or .jpg file, or several images as data: `--data 'npz(\"data.npz\")'`"
        raise NetdslError("bad-picture", message, help=help_)
    picture = decode(path, MODES[int(str(channels))], (None, None))
    own = (picture.height, picture.width)
    sizes = [a if isinstance(a, int) else b for a, b in zip(spatial, own, strict=True)]
    notes = []
    if tuple(sizes) != own:
        text = f"{path.name} has {own[0]}x{own[1]} pixels, and is resized to {sizes[0]}x{sizes[1]}"
        notes.append(text)
        _tell_resized(text, is_cut=own[0] * sizes[1] == own[1] * sizes[0])
        picture = picture.resize((sizes[1], sizes[0]), Image.Resampling.BILINEAR)
    if compiled.graph.symbols:
        shape = (int(str(channels)), *sizes)
        compiled = compile_net(compiled.program, compiled.graph.name, {value.name: shape})
    pixels = np.asarray(picture, np.uint8).reshape(*sizes, -1).transpose(2, 0, 1)
    return compiled, of_picture(path, pixels, classes, given), notes


def _tell_resized(text: str, *, is_cut: bool) -> None:
    """Print that a picture is resized: a warning if that changes its proportions."""
    if is_cut:
        note(f"note: {text}")
    elif not printing().quiet:
        help_ = "cut it to the proportions of the net's image first"
        print_diagnostics([Diagnostic("wrong-shape", text, None, "warning", help=help_)])


def _check_sizes(graph: Graph, views: Sequence[str]) -> None:
    """Raise `NetdslError` for open sizes, unless only the filters are shown."""
    if not graph.symbols or list(views) == ["filters"]:
        return
    value = graph.inputs[0]
    channels = value.type.shape[0]
    raise NetdslError(
        "open-size",
        f"`{value.name}` has the open size {value.type}, and there is no picture to take it from",
        value.site.span,
        help=f"give its size: `--input {channels}x224x224`, a data set or a picture",
    )
