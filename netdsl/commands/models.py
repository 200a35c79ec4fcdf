"""Opens the model of `run` and `bench`: a `.onnx` file, or a net that is exported first."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.expect_values import random_weight
from netdsl.backends.onnx.export import export_onnx, metadata_of
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.manifest import verify_if_any
from netdsl.commands.common import UsageError, load_one, suffix_of, warn_of_other_net
from netdsl.commands.output import note
from netdsl.files import scratch_folder
from netdsl.runtime.session import Session, Settings, open_session
from netdsl.weights.checkpoints import fit, read_weights, tensors_of
from netdsl.weights.record import record_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from netdsl.driver import Compiled


class _Model(NamedTuple):
    """A `.onnx` file; for one made from a net, also that net and the weights that it got."""

    path: Path
    compiled: Compiled | None = None
    weights: Mapping[str, object] | None = None


def open_model(
    arguments: Namespace, stack: ExitStack, *, need_weights: bool = True
) -> tuple[Session, Compiled | None, Mapping[str, object] | None]:
    """Open the model on the device; returns the session, and a net's `Compiled` and weights.

    The last two are None for a `.onnx` file. The choice of `--device auto` is printed to standard
    error. The stack closes what was opened. Raises `UsageError` and `NetdslError`.
    """
    model = _model(arguments, stack, need_weights=need_weights)
    if model.compiled is None:
        verify_if_any(model.path)
    settings = Settings(
        arguments.allow_cpu_nodes, arguments.threads, graph=arguments.device in ("cuda", "auto")
    )
    session = open_session(model.path, arguments.device, arguments.model, settings)
    stack.callback(_note_missing_graph, session)
    if arguments.device == "auto":
        note(f"device: {session.device} ({session.chosen})")
    return session, model.compiled, model.weights


def _note_missing_graph(session: Session) -> None:
    """Print why there is no CUDA graph. This is known only after the model has run."""
    if session.no_graph:
        note(f"without a CUDA graph: {session.no_graph}")


def _model(arguments: Namespace, stack: ExitStack, *, need_weights: bool) -> _Model:
    if suffix_of(arguments.model) == ".onnx":
        if arguments.weights or arguments.define:
            raise UsageError(
                "--weights and -D apply only to nets: a .onnx file contains its weights"
            )
        return _Model(Path(arguments.model))
    compiled = load_one(Namespace(file=arguments.model, define=arguments.define), arguments.weights)
    if need_weights and not arguments.weights:
        _refuse_random(compiled, arguments.model)
    return _exported(arguments, compiled, stack)


def _refuse_random(compiled: Compiled, name: str) -> None:
    """Raise `UsageError` unless the text gives all weights of a net."""
    for node in compiled.graph.nodes:
        if node.aux is None and random_weight(compiled.graph, node) is not None:
            folder = f"runs/{compiled.graph.name}"
            first = f"train it with `netdsl train {name}`, and "
            if os.path.isfile(os.path.join(folder, "weights.safetensors")):
                first = ""
            raise UsageError(
                f"`{name}` is a net without weights: {first}add `--weights {folder}`, or run a"
                " .onnx file"
            )


def _exported(arguments: Namespace, compiled: Compiled, stack: ExitStack) -> _Model:
    """The model of a net, written to a folder that the stack removes."""
    path = Path(stack.enter_context(scratch_folder())) / "model.onnx"
    weights = None
    beside: Mapping[str, str] | None = None
    if arguments.weights:
        read = read_weights(arguments.weights)
        weights, beside = fit(tensors_of(compiled.graph), read, lazy=True), read.metadata
        warn_of_other_net(record_of(read), compiled.graph)
    export_onnx(
        compiled.graph,
        path,
        weights,
        Form(fold=True),
        metadata=metadata_of(compiled, beside),
        allow_nonfinite=arguments.allow_nonfinite,
    )
    return _Model(path, compiled, weights)
