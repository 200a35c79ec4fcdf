"""Advice about data that do not fit a net: whether other sizes in its text would help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.driver import compile_net, program_of
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text
from netdsl.source import SourceFile
from netdsl.train.config import pad_of_crop
from netdsl.train.settings import RandomCrop

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Value
    from netdsl.syntax import ast
    from netdsl.train.config import TrainConfig

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
