"""Whether images can be given to a net, and whether those of a dataset fit it; imports no torch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from netdsl.analysis.expect_causes import unwanted_axis
from netdsl.analysis.integers import accepted_integers
from netdsl.analysis.lint.recipe import batch_warning
from netdsl.analysis.lint.schedules import ARGUMENTS, EPOCH, STEP, late_arguments
from netdsl.data.catalog import describe_dataset
from netdsl.data.images import (
    Editing,
    check_masks,
    check_outputs,
    check_shape,
    for_channels_last,
)
from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.driver import compile_net
from netdsl.errors import EntryPart, NetdslError, SettingError
from netdsl.ir.types import shape_text
from netdsl.library import how_to_copy
from netdsl.train.byte_pictures import as_picture, is_picture
from netdsl.train.fit_advice import advise_parameter, check_crop, fits_text, with_crop, with_root
from netdsl.train.freezing import frozen_until
from netdsl.train.monitor import check_split
from netdsl.train.permitted import check_kind, expected_kind
from netdsl.train.recipe.losses import ONE_SCORE, name_of, parts_of, targets_of
from netdsl.train.recipe.optimizers import weight_values
from netdsl.train.recipe.schedules import SCHEDULES
from netdsl.train.section import entry_of, fix_of, place_in, placed, read_config
from netdsl.train.selection import Selection, kinds_of
from netdsl.train.stages import check_stages
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netdsl.data.dataset import Dataset
    from netdsl.data.images import Described, ImageData, OutputData
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph, Value
    from netdsl.ir.types import Sym
    from netdsl.train.config import TrainConfig
    from netdsl.train.recipe.losses import OutputLoss


def check_input(graph: Graph, command: str, data: Described | None) -> None:
    """Raise `NetdslError` unless the net takes one tensor of float32 for images."""
    image = graph.inputs[0]
    if len(graph.inputs) > 1 and data is not None:
        has = counted(len(graph.inputs), "input")
        fact = f"has {has}, but {data.name} has only one"
        raise _cannot(graph, fact, graph.inputs[1], _arrays_for(graph))
    if image.type.dtype != "float32" and data is not None:
        takes = f"takes {image.type.dtype}, but {command} gives it images of float32"
        raise _cannot(graph, takes, image, _arrays_for(graph))


def check_recipe(graph: Graph, config: TrainConfig, data: Described | None) -> None:
    """Raise an error unless the net can be trained with a recipe, as far as the data are known.

    It is a `NetdslError` at a place in the net, or a SettingError about an entry.
    """
    check_ends(graph, config, "`netdsl train`", data)
    selection = Selection(kinds_of(graph))
    frozen_until(config, selection)
    weight_values(config.optimizer, selection)
    check_split(config)
    if config.batch == 1:
        check_statistics(graph, "`batch` is 1")
    if config.stages:
        check_stages(graph, config)


def check_ends(graph: Graph, config: TrainConfig, command: str, data: Described | None) -> None:
    """Raise `NetdslError` unless the net takes what the data has, and `loss` names its outputs."""
    check_input(graph, command, data)
    outputs = [output.name for output in graph.outputs]
    if len(outputs) > 1 and not isinstance(config.loss, tuple):
        has = counted(len(outputs), "output")
        help_ = f"name those that are trained: `loss = [({outputs[0]}, cross_entropy)]`"
        place = graph.outputs[1].value
        raise _cannot(graph, f"has {has}, but `loss` names none of them", place, help_)
    parts_of(config.loss, tuple(outputs))


def check_statistics(graph: Graph, cause: str) -> None:
    """Raise `NetdslError` `cannot-train` for a batch norm that normalises single values.

    `cause` is why batches have one image.
    """
    for node in graph.nodes:
        sizes = node.types[0].shape[1:] if node.types else ()
        if node.op.kind != "bn" or node.frozen or any(size != 1 for size in sizes):
            continue
        fact = f"{cause}, so `bn` has one value of each channel to normalise"
        help_ = "a batch norm is trained on at least 2 values: use larger batches, or `layernorm`"
        raise NetdslError("cannot-train", fact, node.span, help=help_)


def check_scores(graph: Graph, config: TrainConfig, data: OutputData) -> tuple[int, str]:
    """The number of the first output that is trained, and its target: the metrics are about it.

    Raises SettingError unless each output that is trained, and each head, fits its target, and the
    metrics fit it.
    """
    shapes = {output.name: output.value.type.shape for output in graph.outputs}
    parts = parts_of(config.loss, tuple(shapes))
    targets = targets_of(parts, data.target_classes, data.name)
    for part, target in zip(parts, targets, strict=True):
        one_score = isinstance(part.loss, ONE_SCORE)
        try:
            check_outputs(data, shapes[part.output], target, one_score=one_score)
        except SettingError as error:
            advise_parameter(error, graph, data.target_classes[target])
            raise
        if data.target_classes[target] is None:
            _check_weights(part, shapes[part.output])
    for head in graph.aux:
        check_outputs(data, head.value.type.shape, targets[0], head.name)
    config.check_metrics(data.target_classes[targets[0]], data.name)
    return list(shapes).index(parts[0].output), targets[0]


def _check_weights(part: OutputLoss, shape: tuple[int | Sym, ...]) -> None:
    """Raise SettingError unless there is a weight for each score of a target of numbers."""
    weights = getattr(part.loss, "weights", ())
    if not weights or len(weights) == shape[0]:
        return
    name, has = name_of(part.loss), counted(len(weights), "number")
    message = f"`weights` of `{name}` has {has}, but the size of `{part.output}` is {shape[0]}"
    where = EntryPart(name, "weights")
    raise SettingError("bad-argument", message, "loss", "write one number for each", part=where)


def check_images(compiled: Compiled, dataset: ImageData) -> Compiled:
    """The net for the images of a dataset; raises `NetdslError` unless they have its shape.

    Where sizes are open, the net is compiled for those of the images.
    """
    graph = compiled.graph
    image = graph.inputs[0]
    editing = Editing(how_to_copy(compiled.program.source), partial(fits_text, compiled, image))
    check_shape(dataset, image.type.shape, name=image.name, editing=editing)
    if not graph.symbols:
        return compiled
    return compile_net(compiled.program, graph.name, {image.name: dataset.shape})


def fitted(compiled: Compiled, dataset: Dataset) -> tuple[Compiled, Dataset]:
    """The net for the samples of a dataset, whose inputs get the order of the net's.

    A single input fits that of the net whatever its name; several are matched by their names.
    Raises `NetdslError` unless they have the shapes and types of the net's inputs.
    """
    columns, inputs = dataset.train.inputs, compiled.graph.inputs
    names = {value.name: value.name for value in inputs}
    if len(columns) == len(inputs) == 1:
        names = {inputs[0].name: next(iter(columns))}
    if set(names.values()) != set(columns):
        has = f"{dataset.name} has the inputs {listed([f'`{name}`' for name in columns])}"
        takes = listed([f"`{value.name}`" for value in inputs])
        names_ = ", ".join(f'"{value.name}"' for value in inputs)
        help_ = f"give the data the inputs of the net by their names: `inputs = [{names_}]`"
        raise SettingError("data-mismatch", f"{has}, but the net takes {takes}", "data", help_)
    for value in inputs:
        _check_type(dataset, names[value.name], value)
        _check_integers(dataset, names[value.name], value, compiled.graph)
    ordered = {names[value.name]: dataset.inputs[names[value.name]] for value in inputs}
    dataset = replace(dataset, inputs=ordered)
    if len(inputs) == 1:
        return check_images(compiled, dataset), dataset
    for value in inputs:
        shape = columns[value.name].shape
        _check_sizes(dataset, value, shape)
    if compiled.graph.symbols:
        sizes = {value.name: columns[value.name].shape for value in inputs}
        compiled = compile_net(compiled.program, compiled.graph.name, sizes)
    return compiled, dataset


def _check_sizes(dataset: Dataset, value: Value, shape: tuple[int, ...]) -> None:
    expects = value.type.shape
    pairs = zip(expects, shape, strict=False)
    if len(expects) == len(shape) and all(a == b or not isinstance(a, int) for a, b in pairs):
        return
    are = f"the samples of `{value.name}` of {dataset.name} are {shape_text(shape)}"
    message = f"{are}, but the net takes {shape_text(expects)}"
    help_ = f"write `input {value.name}: {shape_text(shape)}`"
    raise SettingError("data-mismatch", message, "data", help_)


def _check_type(dataset: Dataset, name: str, value: Value) -> None:
    column = dataset.train.inputs[name]
    takes, gives = value.type.dtype, "float32"
    if column.dtype.kind in "iub" and not dataset.inputs[name].is_image:
        gives = "int64"
    if takes == gives:
        return
    own = f"`{name}` of {dataset.name} has {column.dtype}"
    message = f"{own}, but the input `{value.name}` is {takes}"
    help_ = f"write `input {value.name}: {shape_text(value.type.shape)} {gives}`"
    if takes == "float32":
        help_ = f"store the array as float32: `{name}.astype('float32')`"
        moved = for_channels_last(column.shape, value.type.shape)
        if is_picture(value.type.shape) and column.dtype.kind in "iu":
            message, help_ = as_picture(dataset, name, value)
        if column.dtype == "uint8" and moved is not None:
            own = f"the samples of `{name}` of {dataset.name} are {shape_text(column.shape)}"
            message, help_ = f"{own}, but the net takes {value.type}", moved
    raise SettingError("data-mismatch", message, "data", help_)


def _check_integers(dataset: Dataset, name: str, value: Value, graph: Graph) -> None:
    """Raise SettingError for an integer that a layer such as `embedding` has nothing for."""
    accepted = accepted_integers(graph, value)
    if accepted is None:
        return
    kind, count = accepted.node.op.kind, accepted.extent
    least, most = 0, 0
    for split in dataset.splits.values():
        column = split.inputs[name]
        for piece in column.pieces():
            values = column.read(piece)
            least, most = min(least, int(values.min())), max(most, int(values.max()))
    has = f"`{name}` of {dataset.name} contains"
    takes = f"but `{kind}` takes integers from 0 to {count - 1}"
    if least < 0:
        help_ = "store integers that count from 0"
        raise SettingError("data-mismatch", f"{has} {least}, {takes}", "data", help_)
    if most >= count:
        help_ = f"write `{kind}({most + 1}, ...)` or more"
        raise SettingError("data-mismatch", f"{has} {most}, {takes}", "data", help_)


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
        found = list(_of_section(compiled, config, is_open=named is None and not is_given))
        yield from found
        if found:
            return
    if named is None or not is_own or is_given:
        return
    data = describe_dataset(config.data)
    if data is None:
        return
    image = Annotation("the input is here", graph.inputs[0].site.span)
    output = Annotation("the output is here", graph.outputs[0].value.site.span)
    checks: tuple[tuple[Callable[[], object], tuple[Annotation, ...]], ...] = (
        (lambda: check_images(compiled, data), (image,)),
        (lambda: _check_masks(compiled, config, data), (output,)),
        (lambda: data.class_count and check_scores(graph, config, data), (output,)),
        (lambda: config.check_augment(data), ()),
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
            diagnostic.help = with_root(diagnostic.help, data.name, named)
            if notes == (image,) and data.is_resized:
                taken = graph.inputs[0].type.shape[1:]
                diagnostic.help = with_crop(diagnostic.help, config, min(data.shape[1:]), taken)
            yield diagnostic
            if notes == (image,) and data.is_resized:
                return  # the others are about the size of the images
        except NetdslError as error:
            for diagnostic in error.diagnostics:
                sizes = shape_text(data.shape)
                diagnostic.notes += (
                    Annotation(f"the images of this data are {sizes}", named.span),
                )
            yield from error.diagnostics


def _of_section(compiled: Compiled, config: TrainConfig, *, is_open: bool) -> Iterator[Diagnostic]:
    """What in a section does not fit its net, whatever the data are.

    `is_open` is whether the data and the sizes of the net can still be chosen in the command.
    """
    graph = compiled.graph
    try:
        check_recipe(graph, config, describe_dataset(config.data))
        check_kind(config.augment, expected_kind(config.data, graph))
        if is_open:
            check_crop(config, graph.inputs[0])
    except SettingError as error:
        diagnostic = placed(error, compiled).diagnostic
        entry = entry_of(compiled, error.key)
        if entry is not None and error.part is not None:
            diagnostic.span = place_in(entry.values, error.part)
            if error.respelling is not None:
                diagnostic.fix = fix_of(*error.respelling, diagnostic.span)
        yield diagnostic
    except NetdslError as error:
        yield from error.diagnostics


def _check_masks(compiled: Compiled, config: TrainConfig, data: Described) -> None:
    """Raise SettingError unless the outputs that are trained have the size of the masks."""
    if not data.has_masks:
        return
    try:
        graph = check_images(compiled, data).graph
    except (SettingError, NetdslError):
        return  # the images do not fit, which is an error of its own
    shapes = {output.name: output.value.type.shape for output in graph.outputs}
    for part in parts_of(config.loss, tuple(shapes)):
        check_masks(data, part.output, shapes[part.output])


def late_schedule(config: TrainConfig) -> list[SettingError]:
    """The warnings about a schedule that changes the rate only after the last epoch."""
    return _late(config, config.epochs, EPOCH)


def late_steps(config: TrainConfig, steps: int) -> list[SettingError]:
    """The warnings about a schedule that changes the rate only after all `steps` of an epoch."""
    return _late(config, config.epochs * steps, STEP)


def _late(config: TrainConfig, length: int, unit: str) -> list[SettingError]:
    schedule = config.schedule
    name = next(name for name, kind in SCHEDULES.items() if kind is type(schedule))
    values = {argument: getattr(schedule, argument) for argument in ARGUMENTS[name]}
    errors = []
    for late in late_arguments(name, values, length, unit):
        message = f"training has {counted(length, unit)}: {late.effect}"
        error = SettingError("late-schedule", message, "schedule", late.help)
        error.diagnostic.severity = "warning"
        errors.append(error)
    return errors


def batch_misfits(config: TrainConfig, dataset: Dataset) -> list[SettingError]:
    """The warning about a batch that does not fit the training set, if there is one."""
    samples = len(dataset.train)
    warning = batch_warning(config.batch, config.accumulate, samples, dataset.name)
    if warning is None:
        return []
    error = SettingError(warning.code, warning.message, "batch", warning.help)
    error.diagnostic.severity = "warning"
    return [error]


def _arrays_for(graph: Graph) -> str:
    """The advice to give a net data with an array for each of its inputs."""
    names = ", ".join(f'"{value.name}"' for value in graph.inputs)
    return f'give it data with an array for each input: `data = npz("FILE", inputs = [{names}])`'


def _cannot(graph: Graph, fact: str, place: Value, advice: str) -> NetdslError:
    return NetdslError("cannot-train", f"`{graph.name}` {fact}", place.site.span, help=advice)
