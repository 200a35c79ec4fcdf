"""What `run` and `bench` share: a model from a file, or from a net and its weights, opened on the
device that was asked for.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.backends.onnx.export import export_onnx, metadata_of
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.manifest import verify_if_any
from netdsl.commands.common import UsageError, load_one, suffix_of
from netdsl.commands.output import note
from netdsl.files import scratch_folder
from netdsl.runtime.session import Session, Settings, open_session
from netdsl.weights.checkpoints import fit, read_weights, tensors_of

if TYPE_CHECKING:
    from contextlib import ExitStack

    from netdsl.driver import Compiled


def open_model(
    arguments: Namespace, stack: ExitStack, *, need_weights: bool = True
) -> tuple[Session, Compiled | None, dict[str, Any] | None]:
    """The session, and where the model is a net also that and its weights.

    What was chosen is said on standard error.
    """
    path, compiled, weights = _model(arguments, stack, need_weights=need_weights)
    if compiled is None:
        verify_if_any(path)
    session = open_session(
        path,
        arguments.device,
        arguments.model,
        Settings(
            arguments.allow_cpu_nodes, arguments.threads, graph=arguments.device in ("cuda", "auto")
        ),
    )
    stack.callback(_say_graph, session)
    if arguments.device == "auto":
        note(f"device: {session.device} ({session.chosen})")
    return session, compiled, weights


def _say_graph(session: Session) -> None:
    """At the end: whether a model can be captured shows when it runs."""
    if session.no_graph:
        note(f"without a CUDA graph: {session.no_graph}")


def _model(
    arguments: Namespace, stack: ExitStack, *, need_weights: bool
) -> tuple[Path, Compiled | None, dict[str, Any] | None]:
    path = Path(arguments.model)
    if suffix_of(arguments.model) == ".onnx":
        if arguments.weights or arguments.define:
            raise UsageError("--weights and -D go with a .net file: an .onnx file has its weights")
        return path, None, None
    if not arguments.weights and need_weights:
        raise UsageError(
            f"`{arguments.model}` is a net without weights: name them with --weights, or run a"
            " .onnx file"
        )
    compiled = load_one(Namespace(file=arguments.model, define=arguments.define))
    folder = Path(stack.enter_context(scratch_folder()))
    found = read_weights(arguments.weights) if arguments.weights else None
    weights = fit(tensors_of(compiled.graph), found, lazy=True) if found else None
    metadata = metadata_of(compiled, found.metadata if found else None)
    export_onnx(
        compiled.graph,
        folder / "model.onnx",
        weights,
        Form(fold=True),
        metadata=metadata,
        allow_nonfinite=arguments.allow_nonfinite,
    )
    return folder / "model.onnx", compiled, weights
