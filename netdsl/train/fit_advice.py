"""Data that do not fit a net: crops, and whether other sizes in its text would help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.driver import compile_net, program_of
from netdsl.errors import EntryPart, NetdslError, SettingError
from netdsl.ir.types import shape_text
from netdsl.source import SourceFile
from netdsl.train.config import pad_of_crop
from netdsl.train.settings import RandomCrop

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph, Value
    from netdsl.syntax import ast
    from netdsl.train.config import TrainConfig

CLASSES = "classes"  # the usual parameter of a net for the number of its scores
_MADE = re.compile(r"\s*=\s*(?P<name>\w+)(?:\((?P<arguments>[^()\n]*)\))?[ \t]*(?=\n|\{|#|$)")
_LAST = re.compile(r"\bdense\((?:out\s*=\s*)?(?P<name>[A-Za-z_]\w*)\b")
_SIZES = re.compile(r":\s*[^\s:]+")  # of an `input`


def fits_text(compiled: Compiled, image: Value, shape: tuple[int, ...]) -> bool:
    """Whether a net compiles with the sizes `shape` in the text of its input `image`.

    A net whose input is in another file is taken to do so.
    """
    program, place = compiled.program, image.site.span
    source = program.source
    if place is None or place.file.key != source.key:
        return True
    statement = _SIZES.sub(f": {shape_text(shape)}", place.text, count=1)
    text = source.text[: place.start] + statement + source.text[place.end :]
    try:
        edited = program_of(SourceFile(source.name, text, source.path), program.defines)
        compile_net(edited, compiled.graph.name)
    except NetdslError:
        return False
    return True


def advise_parameter(error: SettingError, graph: Graph, classes: int | None) -> None:
    """Add to an error that the net has a parameter for the number of classes, if it has one."""
    shape, output = graph.outputs[0].value.type.shape, graph.outputs[0].value.site.span
    last = None if output is None else _LAST.search(output.text)
    name = CLASSES
    if last is not None and last["name"] in graph.arguments:
        name = last["name"]
    if len(shape) > 1 or classes is None or graph.arguments.get(name, classes) == classes:
        return
    advice = f"give the net this number: `-D {name}={classes}`"
    place = graph.site.span
    made = None if place is None else _MADE.match(place.file.text, place.end)
    if made is None or place is None:
        error.diagnostic.help = f"{advice}; or {error.help}"
        return
    others = re.sub(rf",?\s*\b{name}\s*=[^,]*", "", made["arguments"] or "")
    arguments = ", ".join(filter(None, [others.strip(" ,"), f"{name} = {classes}"]))
    text = f"{made['name']}({arguments})"
    error.diagnostic.help = f"write `net {graph.name} = {text}`"


def check_crop(config: TrainConfig, image: Value) -> None:
    """Raise SettingError for a crop to a size that the net does not take, whatever the data are."""
    _, *sizes = image.type.shape
    for item in config.augment:
        if not isinstance(item, RandomCrop) or not all(isinstance(size, int) for size in sizes):
            continue
        if len(sizes) != 2 or sizes == [item.size] * 2:
            continue
        crop, taken = shape_text((item.size, item.size)), shape_text(tuple(sizes))
        message = f"`random_crop` makes {crop} images, but the net takes {taken}"
        help_ = "the test uses whole images of the size that the net takes: leave the crop out"
        if sizes[0] == sizes[1]:
            side = int(str(sizes[0]))
            help_ = f"write `random_crop({side}, pad = {item.pad or pad_of_crop(side, item.size)})`"
        part = EntryPart("random_crop")
        raise SettingError("bad-argument", message, "augment", help_, part=part)


def with_crop(help: str | None, config: TrainConfig, side: int, taken: tuple[object, ...]) -> str:
    """Advice on the `side` of images, with the padding of a crop that makes the size `taken`."""
    texts = [help or ""]
    for item in config.augment:
        if isinstance(item, RandomCrop) and taken == (item.size, item.size) and item.size < side:
            pad = item.pad or pad_of_crop(side, item.size)
            texts.append(f"pad the crop: `random_crop({item.size}, pad = {pad})`")
    return ", and ".join(texts)


def with_root(help: str | None, data: str, named: ast.Entry) -> str | None:
    """Advice with the folder that the section gives for the same data."""
    root = re.search(r'root\s*=\s*("[^"]*")', named.span.text)
    if help is None or root is None:
        return help
    return help.replace(f"{data}(pad", f"{data}(root = {root[1]}, pad")
