"""`netdsl export --train-step`: a training step as one ONNX model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.backends.onnx.export import metadata_of
from netdsl.backends.onnx.form import OPSET, Form
from netdsl.backends.onnx.manifest import check_place, write_manifest
from netdsl.commands.common import UsageError, load_one
from netdsl.commands.destinations import STANDARD_OUTPUT
from netdsl.commands.export_metadata import as_texts, check_classes, given_by, numbers_for
from netdsl.commands.output import note, say
from netdsl.errors import SettingError
from netdsl.files import check_replaceable
from netdsl.train.recipe.losses import name_of
from netdsl.train.recipe.optimizers import OPTIMIZERS
from netdsl.train.section import placed, read_config
from netdsl.train.step.export import StepStart, export_step, start_path
from netdsl.train.step.from_config import constants_of, left_out, recipe_of, with_sizes
from netdsl.weights.checkpoints import read_weights
from netdsl.words import listed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from netdsl.commands.export_metadata import Given
    from netdsl.driver import Compiled
    from netdsl.train.step.recipe import Recipe

# Options of a model for inference, with what a training step has in place of them.
REFUSED = {
    "fp16": "it computes in float32",
    "bf16": "it computes in float32",
    "int8": "it computes in float32",
    "keep_io": "it computes in float32",
    "with_preprocess": "it takes batches that are prepared already",
    "functions": "it has no functions",
    "verify": "its tests compare it with PyTorch",
    "fold": "it trains batch norms",
}


def run(arguments: argparse.Namespace) -> int:
    """Write the training step that `-o` names, and the weights that training begins with."""
    for name, reason in REFUSED.items():
        value = getattr(arguments, name, None)
        if value is None or (value is False and name != "fold"):
            continue
        option = "--no-fold" if value is False else f"--{name.replace('_', '-')}"
        raise UsageError(f"{option} does not apply to --train-step: {reason}")
    if arguments.output == STANDARD_OUTPUT:
        raise UsageError("--train-step writes two files, so -o takes the name of a file")
    given = given_by(arguments)
    compiled = load_one(arguments, arguments.weights)
    try:
        _write(arguments, compiled, given)
    except SettingError as error:
        raise placed(error, compiled) from None
    return 0


def _write(arguments: argparse.Namespace, compiled: Compiled, given: Given) -> None:
    config = read_config(compiled)
    compiled = with_sizes(compiled, config)
    graph = compiled.graph
    recipe = recipe_of(graph, config, arguments.batch)
    read = None if arguments.weights is None else read_weights(arguments.weights)
    beside = dict(as_texts(constants_of(config), None))
    beside |= read.metadata if read else {}
    numbers = numbers_for(graph, beside, given)
    check_classes(graph, given.classes)
    metadata = metadata_of(compiled, beside | as_texts(numbers, given.classes))
    try:
        form = Form(arguments.opset or OPSET)
    except ValueError as error:
        raise UsageError(str(error)) from None
    path = Path(arguments.output)
    check_place(path)
    check_replaceable(start_path(path))
    start = StepStart(read, arguments.seed or 0)
    sums = export_step(graph, recipe, path, start, metadata, form.opset)
    _finish(arguments, compiled, recipe, path, sums)
    outside = left_out(config)
    if outside:
        entries = listed([f"`{name}`" for name in outside])
        note(f"a step does not have {entries} of the train section: the program that calls it does")


def _finish(
    arguments: argparse.Namespace,
    compiled: Compiled,
    recipe: Recipe,
    path: Path,
    sums: Mapping[Path, str],
) -> None:
    """Write the manifest of the files, and print what was written."""
    program, net = compiled.program, compiled.graph.name
    weights = arguments.weights or f"fresh weights of seed {arguments.seed or 0}"
    imports = [f for f in program.loader.sources() if f is not program.source]
    entries = {"net": net, "weights": weights, "batch": recipe.batch, "train_step": True}
    manifest = write_manifest(path, sums, program.source, imports, entries)
    optimizer = next(n for n, kind in OPTIMIZERS.items() if kind is type(recipe.optimizer))
    losses = " and ".join(name_of(part.loss) for part in recipe.losses)
    size = sum(f.stat().st_size for f in sums)
    names = ", ".join(f.name for f in (*sums, manifest))
    say(
        f"{path}: a training step of {net} with {weights}, {losses}, {optimizer}, a batch of"
        f" {recipe.batch}, {size:,} bytes in {names}"
    )
