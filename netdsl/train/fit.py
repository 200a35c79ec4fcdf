"""Whether images can be given to a net, and whether those of a dataset fit it; imports no torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.analysis.expect_causes import unwanted_axis
from netdsl.data.catalog import describe_dataset
from netdsl.data.images import check_classes, check_shape
from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.driver import compile_net
from netdsl.errors import NetdslError, SettingError
from netdsl.ir.types import shape_text
from netdsl.library import is_shipped
from netdsl.train.section import entry_of, place_in, read_config
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.data.images import ImageData
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph, Value
    from netdsl.syntax import ast
    from netdsl.train.config import TrainConfig


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


def check_images(compiled: Compiled, dataset: ImageData) -> Compiled:
    """The net for the images of a dataset; raises `NetdslError` unless they have its shape.

    Where sizes are open, the net is compiled for those of the images.
    """
    graph = compiled.graph
    image = graph.inputs[0]
    can_edit = not is_shipped(compiled.program.source)
    check_shape(dataset, image.type.shape, name=image.name, can_edit=can_edit)
    if not graph.symbols:
        return compiled
    return compile_net(compiled.program, graph.name, {image.name: dataset.shape})


def errors_of_section(compiled: Compiled) -> list[Diagnostic]:
    """The errors in a net's `train` section, also about data that does not fit; reads no data."""
    try:
        config = read_config(compiled)
    except NetdslError as error:
        return error.diagnostics
    return list(_misfits(compiled, config))


def _misfits(compiled: Compiled, config: TrainConfig) -> Iterator[Diagnostic]:
    """What in a section does not fit the data that it names, or the net.

    A section without `data`, or for another net that this one is made of, may be meant for data
    that the user names in the command. So may a net whose parameters or sizes the user gives.
    """
    graph, section = compiled.graph, compiled.train
    named = entry_of(compiled, "data")
    is_own = section is not None and section.net == graph.name
    is_given = compiled.inputs or compiled.program.defines
    if is_own:
        try:
            check_ends(graph, "`netdsl train`")
        except NetdslError as error:
            yield from error.diagnostics
            return
    if named is None or not is_own or is_given:
        return
    data = describe_dataset(config.data)
    image = Annotation("the input is here", graph.inputs[0].site.span)
    output = Annotation("the output is here", graph.outputs[0].value.site.span)
    checks: tuple[tuple[Callable[[], object], tuple[Annotation, ...]], ...] = (
        (lambda: check_images(compiled, data), (image,)),
        (lambda: check_classes(data, graph.outputs[0].value.type.shape), (output,)),
        (lambda: config.check_augment(data), ()),
        (lambda: config.check_metrics(data.class_count), ()),
    )
    for check, notes in checks:
        try:
            check()
        except SettingError as error:
            diagnostic = error.diagnostic
            entry = entry_of(compiled, error.key) or named
            diagnostic.span = entry.span
            if error.part is not None:
                diagnostic.span = place_in(entry.values, error.part)
            diagnostic.notes = notes
            unwanted = unwanted_axis(graph.outputs[0].value, data.class_count)
            if notes == (output,) and unwanted is not None:
                diagnostic.help, diagnostic.fix = unwanted
            diagnostic.help = _with_root(diagnostic.help, data.name, named)
            yield diagnostic
        except NetdslError as error:
            for diagnostic in error.diagnostics:
                sizes = shape_text(data.shape)
                diagnostic.notes += (
                    Annotation(f"the images of this data are {sizes}", named.span),
                )
            yield from error.diagnostics


def _with_root(help: str | None, data: str, named: ast.Entry) -> str | None:
    """Advice with the folder that the section gives for the same data."""
    root = re.search(r'root\s*=\s*("[^"]*")', named.span.text)
    if help is None or root is None:
        return help
    return help.replace(f'{data}(root = "DIR"', f"{data}(root = {root[1]}")


def _cannot(graph: Graph, fact: str, place: Value) -> NetdslError:
    advice = "use it from Python: `netdsl.load(...).torch()`"
    return NetdslError("cannot-train", f"`{graph.name}` {fact}", place.site.span, help=advice)
