"""Whether images can be given to a net, and whether those of a dataset fit it; imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.data.dataset import check_shape
from netdsl.driver import compile_net
from netdsl.errors import NetdslError
from netdsl.library import is_shipped
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.data.dataset import Dataset
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph, Value


def check_ends(graph: Graph, command: str) -> None:
    """Raise `NetdslError` unless the net takes one float32 tensor and gives one.

    `command` is the work that needs this, for the message.
    """
    image = graph.inputs[0]
    if len(graph.inputs) > 1:
        has = counted(len(graph.inputs), "input")
        raise _cannot(graph, f"has {has}, and {command} takes only nets with one", graph.inputs[1])
    if image.type.dtype != "float32":
        takes = f"takes {image.type.dtype}, and {command} gives it images of float32"
        raise _cannot(graph, takes, image)
    if len(graph.outputs) > 1:
        has = counted(len(graph.outputs), "output")
        place = graph.outputs[1].value
        raise _cannot(graph, f"has {has}, and {command} takes only nets with one", place)


def check_images(compiled: Compiled, dataset: Dataset) -> None:
    """Raise `NetdslError` unless the net takes images of the dataset's shape.

    Where sizes are open, the net is compiled for those of the images.
    """
    graph = compiled.graph
    can_edit = not is_shipped(compiled.program.source)
    check_shape(dataset, graph.inputs[0].type.shape, can_edit=can_edit)
    if graph.symbols:
        shapes = {graph.inputs[0].name: dataset.shape}
        compile_net(compiled.program, graph.name, shapes)


def _cannot(graph: Graph, fact: str, place: Value) -> NetdslError:
    advice = "use it from Python: `netdsl.load(...).torch()`"
    return NetdslError("cannot-train", f"`{graph.name}` {fact}", place.site.span, help=advice)
