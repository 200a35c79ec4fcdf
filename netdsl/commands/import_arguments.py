"""Declares `netdsl import`, the command for models of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.commands.options import add_input

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.commands.options import Add


def _import(add: Add) -> None:
    command = add(
        "import",
        "turn a model of another tool into a .net text, and prove that they are equal",
        "[options] MODEL -o FILE",
        "Write the text of a net of another tool: an ONNX model, a Darknet .cfg or a Caffe"
        " .prototxt. Repeated parts become blocks and loops, and layers get the names that their"
        " tensors have in the model.\n\n"
        "Before anything is written, the model runs in onnxruntime on random inputs, and every"
        " layer of the text must give the same values. A node that the language cannot express is"
        " an error.",
        """
        netdsl import resnet50.onnx -o resnet50.net --weights resnet50.safetensors
        netdsl import model.onnx -o -
        netdsl import yolov3.cfg -o yolov3.net
        netdsl import fcn.onnx -o fcn.net --input image=3x256x256
        """,
    )
    command.add_argument("model", metavar="MODEL", help="a .onnx model, a .cfg or a .prototxt")
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the .net file to write; - writes to standard output",
    )
    command.add_argument(
        "--weights",
        metavar="FILE",
        help="write the weights to this .safetensors file, under the names of the text",
    )
    command.add_argument(
        "--from-weights",
        metavar="FILE",
        help="the .weights of a .cfg; without it, the net has random weights",
    )
    command.add_argument(
        "--partial",
        action="store_true",
        help="write a text even if some nodes cannot be imported, with a comment about each",
    )
    add_input(command)


IMPORT_COMMANDS: dict[str, Callable[[Add], None]] = {"import": _import}
