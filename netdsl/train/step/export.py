"""Writes a training step and the state that training begins with."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netdsl.files import replacing
from netdsl.train.step.assemble import build_step
from netdsl.weights.arrays import write_arrays
from netdsl.weights.checkpoints import fit, tensors_of
from netdsl.weights.fresh import fresh

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.ir.graph import Graph
    from netdsl.ir.op import Param
    from netdsl.train.step.recipe import Recipe
    from netdsl.weights.checkpoints import Weights

SUFFIX = ".safetensors"


class StepStart(NamedTuple):
    """The weights that training begins with: those of a file, or fresh ones of a seed."""

    given: Weights | None
    seed: int


def start_path(model: Path) -> Path:
    """The file beside the model with the weights that training begins with."""
    return model.with_suffix(SUFFIX)


def export_step(
    graph: Graph,
    recipe: Recipe,
    path: Path,
    start: StepStart,
    metadata: Mapping[str, str],
    opset: int,
) -> dict[Path, str]:
    """Write the model of a step and its start; returns the new files and their SHA-256 sums.

    Raises as `build_step`, and `NetdslError` for weights that do not fit.
    """
    arrays = start_of(graph, start)
    model = build_step(graph, recipe, metadata, opset=opset)
    data = model.serialized()
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    beside = start_path(path)
    sums = {path: hashlib.sha256(data).hexdigest()}
    sums[beside] = write_arrays(beside, arrays, {"net": json.dumps(graph.name)})
    return sums


def start_of(graph: Graph, start: StepStart) -> dict[str, np.ndarray]:
    """The weights and statistics that training begins with, by their names in checkpoints.

    Auxiliary heads get fresh weights, unless those that are given include them.
    """
    wanted: dict[str, Param] = {}
    for node in graph.nodes:
        wanted |= node.tensors()
    own = {n: p for n, p in wanted.items() if not p.is_constant and not p.tied}
    arrays = {name: fresh(name, param, start.seed) for name, param in own.items()}
    arrays = {name: array.astype(own[name].dtype) for name, array in arrays.items()}
    if start.given is not None:
        fitted = fit(tensors_of(graph), start.given, lazy=True)
        found = {
            name: np.asarray(fitted[name], arrays[name].dtype) for name in fitted if name in arrays
        }
        arrays |= {name: array.reshape(own[name].shape) for name, array in found.items()}
    return arrays
