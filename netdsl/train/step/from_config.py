"""Takes what a training step needs from the recipe of a net, and refuses what it cannot have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from netdsl.backends.onnx.training import learned_of
from netdsl.data.catalog import Published, describe_dataset, source_of
from netdsl.data.own import Archive, ArrayFolder, PictureTable
from netdsl.driver import compile_net
from netdsl.errors import EntryPart, NetdslError, SettingError
from netdsl.train.config import TrainConfig
from netdsl.train.fit import check_recipe
from netdsl.train.freezing import frozen_until
from netdsl.train.recipe.losses import (
    BALANCED,
    BinaryCrossEntropy,
    CrossEntropy,
    Dice,
    name_of,
    parts_of,
)
from netdsl.train.recipe.optimizers import weight_values
from netdsl.train.section import entry_of
from netdsl.train.selection import Selection, kinds_of
from netdsl.train.settings import Normalize
from netdsl.train.step.recipe import Recipe, StepTarget
from netdsl.train.step.updates import hyper_of
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Collection

    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph, Value
    from netdsl.train.recipe.losses import OutputLoss

# Settings that concern more than one step, and are left to the program that calls it.
OUTSIDE = ("accumulate", "ema", "unfreeze", "precision", "weights")
LABELS = "labels"


def with_sizes(compiled: Compiled, config: TrainConfig) -> Compiled:
    """The net with all sizes known: open ones are those of the pictures of the section's data.

    Raises `NetdslError` `open-size` if these are not known either.
    """
    graph = compiled.graph
    if not graph.symbols:
        return compiled
    data = describe_dataset(config.data) if entry_of(compiled, "data") else None
    if data is not None and len(graph.inputs) == 1:
        return compile_net(compiled.program, graph.name, {graph.inputs[0].name: data.shape})
    value = next(v for v in graph.inputs if not isinstance(v.type.size, int))
    own = [d.symbols() for d in value.type.shape if not isinstance(d, int)]
    names = [name for name in graph.symbols if any(name in symbols for symbols in own)]
    sizes, are = listed([f"`{name}`" for name in names]), "is" if len(names) == 1 else "are"
    raise NetdslError(
        "open-size",
        f"a training step has fixed sizes, but {sizes} of `{value.name}` {are} open",
        value.site.span,
        help=f"give sizes, such as `--input {_example(graph)}`",
    )


def _example(graph: Graph) -> str:
    """An option `--input` that gives sizes to the first input that needs them."""
    value = next(v for v in graph.inputs if not isinstance(v.type.size, int))
    sizes = "x".join(str(d) if isinstance(d, int) else "64" for d in value.type.shape)
    return sizes if value is graph.inputs[0] else f"{value.name}={sizes}"


def recipe_of(graph: Graph, config: TrainConfig, batch: int | None) -> Recipe:
    """The recipe of a step with that batch, or that of the section.

    Raises `NetdslError` at a place in the net, and `SettingError` about an entry, as `netdsl train`
    does.
    """
    config = replace(config, batch=batch or config.batch)
    check_recipe(graph, config, None)
    parts = parts_of(config.loss, tuple(output.name for output in graph.outputs))
    values = {output.name: output.value for output in graph.outputs}
    targets = []
    for part in parts:
        has_classes = _has_classes(part, config)
        value = values[part.output]
        is_float = value.type.dtype == "float32"
        if not is_float or (has_classes and not value.type.shape):
            has = f"has elements of {value.type.dtype}"
            if is_float:
                has = "has no axis"
            fact = f"`{part.output}` {has}, but `{name_of(part.loss)}` takes scores of float32"
            help_ = "end with a layer that gives scores, such as `dense`"
            raise NetdslError("cannot-train", fact, value.site.span, help=help_)
        _check_weights(part, value, classes=has_classes)
        name = LABELS if len(parts) == 1 else f"{LABELS}.{part.output}"
        ignored = getattr(source_of(config.data), "ignored", None) if has_classes else None
        targets.append(StepTarget(name, has_classes, ignored))
    selection = Selection(kinds_of(graph))
    # With a decay of 1, those without one are the weights that `no_decay` names.
    own = weight_values(replace(config.optimizer, weight_decay=1.0), selection)
    most = hyper_of(config.optimizer)["rate"]
    frozen = {w for weights in frozen_until(config, selection).values() for w in weights}
    _check_trainable(graph, own.keys() - frozen)
    return Recipe(
        config.batch,
        parts,
        tuple(targets),
        config.optimizer,
        {name: rate / most for name, (rate, _) in own.items()},
        frozenset(name for name, (_, decay) in own.items() if decay),
        frozenset(frozen),
        config.clip_value,
        config.clip_norm,
    )


def _check_trainable(graph: Graph, trained: Collection[str]) -> None:
    """Raise SettingError `nothing-to-train`, as `netdsl train` does."""
    learned = learned_of(graph)
    if not learned.keys() & trained:
        message, help_ = "the net has no weights to train", "add a layer with weights"
        if any(node.params() for node in graph.nodes):
            message = "all weights of the net are frozen"
            help_ = "remove `frozen` from layers of the net, or names from the entry `freeze`"
        raise SettingError("nothing-to-train", message, "optimizer", help_)


def _has_classes(part: OutputLoss, config: TrainConfig) -> bool:
    """Whether the labels of an output are classes, and not numbers with its shape.

    Numbers come from arrays and from columns of a table; other data have classes.
    """
    if isinstance(part.loss, CrossEntropy | Dice):
        return True
    source = source_of(config.data)
    if isinstance(source, PictureTable):
        return not source.numbers
    return not isinstance(source, Archive | ArrayFolder)


def _check_weights(part: OutputLoss, scores: Value, *, classes: bool) -> None:
    """Raise SettingError unless the class weights of a loss are numbers, one for each score."""
    weights, name = getattr(part.loss, "weights", ()), name_of(part.loss)
    where = EntryPart(name, "weights")
    if weights == BALANCED:
        message = f"`weights` of `{name}` is `balanced`, but a training step reads no data"
        raise SettingError("bad-argument", message, "loss", "write a list of numbers", part=where)
    wanted = int(str((*scores.type.shape, 1)[0]))
    if isinstance(part.loss, BinaryCrossEntropy) and classes and wanted == 1:
        wanted = 2
    if weights and len(weights) != wanted:
        has, needs = counted(len(weights), "number"), counted(wanted, "class")
        message = f"`weights` of `{name}` has {has}, but `{part.output}` has {needs}"
        raise SettingError("bad-argument", message, "loss", "write one for each", part=where)


def constants_of(config: TrainConfig) -> dict[str, list[float]]:
    """The mean and the standard deviation by which training normalises, if they are known."""
    for chosen in config.augment:
        if isinstance(chosen, Normalize):
            return {"mean": [*chosen.mean], "std": [*chosen.std]}
    source = source_of(config.data)
    if not isinstance(source, Published):
        return {}
    mean, std = source.normalisation
    return {"mean": [*mean], "std": [*std]}


def left_out(config: TrainConfig) -> list[str]:
    """The entries of a recipe that a step does not have, because they concern several steps."""
    usual = TrainConfig()
    return [name for name in OUTSIDE if getattr(config, name) != getattr(usual, name)]
