"""What the page needs to train a net: the training step, and models that test it and look inside.

The models have no weights inside. The page passes them in, and keeps them between the steps.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx.elements import ELEMENT
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.graph import skeleton
from netdsl.backends.onnx.make import make_value_info
from netdsl.data.catalog import source_of
from netdsl.errors import NetdslError, SettingError
from netdsl.page.gpu import for_gpu
from netdsl.page.model import start_of
from netdsl.train.rates import rate_factor
from netdsl.train.recipe.losses import name_of
from netdsl.train.recipe.optimizers import OPTIMIZERS
from netdsl.train.recipe.schedules import Plateau
from netdsl.train.section import entry_of, placed, read_config
from netdsl.train.step.assemble import METADATA, build_step
from netdsl.train.step.from_config import constants_of, recipe_of, with_sizes

if TYPE_CHECKING:
    from netdsl.backends.onnx.proto import ModelProto
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph
    from netdsl.ir.op import Param
    from netdsl.train.config import TrainConfig
    from netdsl.train.step.recipe import Recipe

    Json = dict[str, Any]

MOST = 10_000_000  # parameters: a browser would need seconds for each step
TESTED = 100  # samples that are tested at once
# Entries of a section that the page does not follow.
UNUSED = (
    *("augment", "metrics", "early_stopping", "accumulate", "ema", "unfreeze", "weights"),
    *("precision", "train_metrics", "stages"),
)
HELP = "`netdsl train` trains such nets"
MOST_STEPS = 300_000  # whose rates the page computes before a training


def trainable(compiled: Compiled, batch: int | None, *, on_gpu: bool = False) -> Json:
    """The models and the recipe of a net; `batch` replaces that of its `train` section.

    With `on_gpu`, the models are those for the graphics processor. Raises `NetdslError` for a net
    that the page cannot train.
    """
    try:
        config = read_config(compiled)
        compiled = _sized(compiled, config)
        graph = compiled.graph
        _check(graph)
        recipe = recipe_of(graph, config, batch)
        step = build_step(graph, recipe, gives_norms=True)
    except SettingError as error:
        raise placed(error, compiled) from None
    target = recipe.targets[0]
    if not target.has_classes:
        fact = f"`{name_of(recipe.losses[0].loss)}` here takes numbers, but the page has classes"
        raise NetdslError("cannot-train", fact, graph.site.span, help=HELP)
    tensors = _tensors(graph)

    def packed(model: ModelProto) -> str:
        return b64encode((for_gpu(model) if on_gpu else model).serialized()).decode()

    return {
        "step": packed(step),
        "names": json.loads({e.key: e.value for e in step.metadata_props}[METADATA]),
        "test": packed(_forward(graph, TESTED)),
        "look": packed(_forward(graph, 1, with_maps=True)),
        "kinds": {node.name: node.op.kind for node in graph.nodes},
        "starts": [start_of(name, param) for name, param in tensors.items()],
        "input": [*graph.inputs[0].type.shape],
        "output": [*graph.outputs[0].value.type.shape],
        "recipe": _recipe_words(compiled, config, recipe),
        "data": _data(config),
    }


def rates_of(compiled: Compiled, steps: int) -> list[float]:
    """The factor of the learning rate in each step of a training, by the `schedule` of the section.

    An epoch has so many steps. The list is empty without a schedule, and if `follows_schedule` is
    false.
    """
    config = read_config(compiled)
    count = steps * config.epochs
    if entry_of(compiled, "schedule") is None or not follows_schedule(compiled, config):
        return []
    if count > MOST_STEPS:
        fact = f"the schedule has {count:,} steps, but the page trains at most {MOST_STEPS:,}"
        raise NetdslError("cannot-train", fact, help="train fewer epochs, or with a larger batch")
    return [rate_factor(config.schedule, i, steps, config.epochs) for i in range(count)]


def follows_schedule(compiled: Compiled, config: TrainConfig) -> bool:
    """Whether the page can follow the schedule: one that needs neither losses nor an end.

    Points of a plane are trained until the visitor stops.
    """
    is_plane = len(compiled.graph.inputs[0].type.shape) == 1
    return not is_plane and not isinstance(config.schedule, Plateau)


def _sized(compiled: Compiled, config: TrainConfig) -> Compiled:
    """The net with all sizes known; raises `NetdslError` as `with_sizes`."""
    try:
        return with_sizes(compiled, config)
    except NetdslError as error:
        [diagnostic] = error.diagnostics
        help_ = "write sizes into the fields beside the name of the net"
        fact, span = diagnostic.message, diagnostic.span
        raise NetdslError(diagnostic.code, fact, span, help=help_) from None


def _check(graph: Graph) -> None:
    """Raise `NetdslError` unless the net makes scores from pictures or points."""
    span = graph.site.span
    [value, *others], outputs = graph.inputs, graph.outputs
    size = sum(param.size for param in _tensors(graph).values())
    fact = ""
    if others or len(outputs) > 1:
        ends = f"{1 + len(others)} inputs and {len(outputs)} outputs"
        fact = f"`{graph.name}` has {ends}, but the page trains nets with one of each"
    elif value.type.dtype != "float32" or len(value.type.shape) not in (1, 3):
        fact = f"`{value.name}` is neither a picture nor a point"
    elif len(outputs[0].value.type.shape) != 1:
        fact = f"`{outputs[0].name}` has {len(outputs[0].value.type.shape)} axes, not one of scores"
    elif size > MOST:
        fact = f"`{graph.name}` has {size:,} parameters, but the page trains at most {MOST:,}"
    if fact:
        raise NetdslError("cannot-train", fact, span, help=HELP)


def _tensors(graph: Graph) -> dict[str, Param]:
    """The weights and statistics by their names in checkpoints."""
    found: dict[str, Param] = {}
    for node in graph.nodes:
        found |= node.tensors()
    return {name: p for name, p in found.items() if not p.is_constant and not p.tied}


def _forward(graph: Graph, batch: int, *, with_maps: bool = False) -> ModelProto:
    """A model for inference that takes its weights; with maps, it gives those of all layers."""
    built = skeleton(graph, Form(fold=False, batch=batch))
    inside = built.model.graph
    for name, stored in built.stored.items():
        param = stored.param
        inside.input.append(make_value_info(name, ELEMENT[param.dtype], param.shape))
    if with_maps:
        inside.output.extend(inside.value_info)
    return built.model


def _recipe_words(compiled: Compiled, config: TrainConfig, recipe: Recipe) -> Json:
    unused = list(UNUSED if follows_schedule(compiled, config) else ("schedule", *UNUSED))
    optimizer = next(n for n, kind in OPTIMIZERS.items() if kind is type(recipe.optimizer))
    return {
        "loss": name_of(recipe.losses[0].loss),
        "optimizer": optimizer,
        "batch": recipe.batch,
        "epochs": config.epochs,
        "unused": [name for name in unused if entry_of(compiled, name) is not None],
    }


def _data(config: TrainConfig) -> Json:
    """The name of the data of the section, and the constants that normalise it."""
    source = source_of(config.data)
    return {
        "name": config.data.name,
        "pad": getattr(source, "pad", 0),
        **constants_of(config),
    }
