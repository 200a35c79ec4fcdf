"""The Python API: `load` and `loads` make a `Net`.

Every function raises

- `TypeError` for an argument of a wrong type, and `ValueError` for any other wrong argument;
- `CompileError` for an error in a text, its parameters, weights or environment variables, and for a
  missing program or device;
- `OSError` for a file that cannot be read or written.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netdsl.api_advice import advising
from netdsl.api_arguments import checked, sizes_of, texts_of
from netdsl.api_net import Net
from netdsl.driver import compile_picked, open_program, program_of
from netdsl.errors import CompileError, NetdslError
from netdsl.ir.types import Sym
from netdsl.library import library_names
from netdsl.limits import check_environment
from netdsl.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    Sizes = Mapping[str, tuple[int, ...] | list[int] | int]


@checked
def load(
    name: str | os.PathLike[str],
    /,
    net: str | None = None,
    *,
    inputs: Sizes | None = None,
    **parameters: object,
) -> Net:
    """Load the net of a file, or of the library.

    `name` is the path of a `.net` file or the name of a file of the library. `net` picks one of
    several nets; `file:Net` does the same. Without it, the only net is loaded, or the one with the
    name of the file, without regard to capitals: `lenet5` is `lenet5:LeNet5`.

    `inputs` are sizes without the batch, by the names of the inputs, for sizes that the text leaves
    open. `parameters` are those of the net: numbers, bools, texts, or lists of these. Where the net
    calls a parameter as a block or a layer, a text is its name.

    Raises `CompileError`, whose text has the place of every error, as the commands print it.

    >>> import netdsl
    >>> netdsl.load("resnet:ResNet50", classes=10)
    <Net ResNet50: 23,528,522 params>
    >>> netdsl.load("resnet", "ResNet18", inputs={"image": (3, 224, 224)}).macs
    1814073344
    >>> netdsl.load("resnet", "ResNet", Block="bottleneck", layers=[3, 4, 6, 3])
    <Net ResNet: 25,557,032 params>
    """
    check_environment()
    file = os.fspath(name)
    if "{" in file and not os.path.exists(file):
        message = "`load` takes the name of a file or net, and this is a text"
        raise NetdslError("file-not-found", message, help="write `netdsl.loads(text)`")
    if net is None and not os.path.exists(file):
        before, colon, after = file.rpartition(":")
        if colon and after.isidentifier():
            file, net = before, after
    sizes = sizes_of(inputs)
    texts = texts_of(parameters)
    with advising(parameters):
        return Net(compile_picked(open_program(file, texts), net, sizes))


@checked
def loads(
    text: str, /, net: str | None = None, *, inputs: Sizes | None = None, **parameters: object
) -> Net:
    """Load a net from its text. The other arguments and the errors are those of `load`.

    >>> import netdsl
    >>> netdsl.loads("net Line(n = 2) { input x: 4 \\n dense(n) }", n=3)
    <Net Line: 15 params>
    >>> netdsl.loads("net A { input x: 4 \\n conv(3, 3) }")
    Traceback (most recent call last):
    netdsl.errors.CompileError: error[wrong-rank]: ...
    """
    check_environment()
    sizes = sizes_of(inputs)
    texts = texts_of(parameters)
    with advising(parameters, text):
        program = program_of(SourceFile("<text>", text), texts)
        return Net(compile_picked(program, net, sizes))


def nets() -> list[str]:
    """The names of the library's nets, as `load` takes them.

    >>> import netdsl
    >>> netdsl.nets()[:3]
    ['alexnet:AlexNet', 'alexnet:AlexNetOneTower', 'bert:BERT']
    """
    return [f"{file}:{net}" for file in library_names() for net in open_program(file).nets()]


__all__ = ["CompileError", "Net", "Sym", "load", "loads", "nets"]
