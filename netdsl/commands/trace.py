"""`netdsl trace`: works one output of a layer by hand."""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.expect_values import nodes_before, random_weight
from netdsl.commands.common import UsageError, load_one, suffix_of, warn_of_other_net
from netdsl.commands.destinations import STANDARD_OUTPUT, destination
from netdsl.commands.output import note, say, say_json
from netdsl.driver import compile_net
from netdsl.files import check_replaceable, replacing
from netdsl.render import output_width
from netdsl.trace.choice import chosen_layer, chosen_place
from netdsl.trace.inputs import examples_of, read_inputs
from netdsl.trace.jsonable import as_json
from netdsl.trace.text import WIDTH, lines_of
from netdsl.weights.checkpoints import fit, read_weights, tensors_of
from netdsl.weights.fresh import fresh_state
from netdsl.weights.record import record_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph, Node
    from netdsl.trace.values import CheckedWork, TraceRun
    from netdsl.weights.checkpoints import Weights

HTML = ".html"


def run(arguments: Namespace) -> int:
    """Print one output worked by hand, or write a page that animates it; returns the exit code."""
    if arguments.output:
        _check_output(arguments.output)
    files = _files(arguments.input)
    compiled = load_one(Namespace(file=arguments.file, define=arguments.define), arguments.weights)
    _refuse_layer_in_place(arguments, compiled.graph)
    chosen = chosen_layer(compiled.graph, arguments.layer, training=arguments.train).name
    given = _Given(arguments.weights and read_weights(arguments.weights), compiled)
    inputs = _inputs(files, compiled, given, resize=arguments.resize, batched=arguments.train)
    compiled = _sized(compiled, inputs, batched=arguments.train)
    node = chosen_layer(compiled.graph, chosen)
    weights = given.tensors(compiled, node, allow_nonfinite=arguments.allow_nonfinite)
    from netdsl.trace.values import check_gradients, run_to, work  # errors need no PyTorch

    traced = run_to(compiled.graph, node, inputs, weights, training=arguments.train)
    checked = work(traced, chosen_place(node, traced.shape, arguments.at))
    if arguments.backward:
        check_gradients(traced, checked.at, checked.worked)
    if arguments.format == "json":
        say_json(as_json(compiled.graph.name, checked, backward=arguments.backward), indent=2)
    elif not arguments.output:
        width = output_width() or WIDTH
        say(*lines_of(checked, backward=arguments.backward, width=width))
    if arguments.output:
        _write(arguments, compiled, traced, checked)
    return 0


def _refuse_layer_in_place(arguments: Namespace, graph: Graph) -> None:
    """Raise `UsageError` for `--at C3,0,0` without a layer: it is an argument of its own."""
    given = re.fullmatch(r"@?([A-Za-z_][^,:\s]*)[,:\s]*([\d,\s]*)", arguments.at or "")
    if given is None or arguments.layer is not None or not graph.part(given[1]):
        return
    layer, place = given[1], re.sub(r"\s+", "", given[2])
    words = ["netdsl", "trace", arguments.file, layer, *(["--at", place] if place else [])]
    raise UsageError(
        f"--at takes a place such as 0,5,5, found `{arguments.at}`; the layer follows the net:"
        f" write `{shlex.join(words)}`"
    )


def _check_output(output: str) -> None:
    """Raise `UsageError` or `CannotWriteError` now rather than after the work."""
    if output != STANDARD_OUTPUT:
        if suffix_of(output) != HTML:
            raise UsageError(f"-o takes a name that ends in {HTML}, found `{output}`")
        check_replaceable(Path(output))


def _write(
    arguments: Namespace, compiled: Compiled, traced: TraceRun, checked: CheckedWork
) -> None:
    from netdsl.trace.page import page_of  # only pages need it

    with destination(arguments.output, HTML) as path:
        page = page_of(compiled.graph, traced, checked, backward=arguments.backward)
        with replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
    if arguments.format != "json":
        say(f"{arguments.output}: {checked.node.name} ({checked.node.op.kind})")


def _files(items: list[str] | None) -> dict[str, str]:
    """The files of `--input FILE` and `--input NAME=FILE`, by name; raises `UsageError`."""
    files: dict[str, str] = {}
    for item in items or []:
        name, sign, file = item.partition("=")
        if not sign or not name.isidentifier():
            name, file = "", item
        if name in files:
            which = f"`{name}`" * bool(name) or "the only input"
            raise UsageError(f"--input is given twice for {which}")
        files[name] = file
    return files


class _Given(NamedTuple):
    """The weights that the user names, if any, and the net before its open sizes have numbers."""

    read: Weights | None
    compiled: Compiled

    @property
    def constants(self) -> dict[str, tuple[object, object]]:
        """The normalisation of pictures in the training, by the names of the inputs."""
        record = self.read and record_of(self.read)
        if not record:
            return {}
        found: dict[str, tuple[object, object]] = dict(record.constants)
        inputs = self.compiled.graph.inputs
        if len(found) == len(inputs) == 1:  # the data can have another name than the input
            return {inputs[0].name: next(iter(found.values()))}
        return found

    def tensors(
        self, compiled: Compiled, node: Node, *, allow_nonfinite: bool
    ) -> Mapping[str, object]:
        """The weights of a net: those that are given, or those of the text and of the seed 0.

        A note tells whether the result at the node depends on random ones.
        """
        wanted = tensors_of(compiled.graph)
        if self.read is not None:
            fitting = fit(wanted, self.read, allow_nonfinite=allow_nonfinite)
            warn_of_other_net(record_of(self.read), self.compiled.graph)
            return fitting
        before = nodes_before(node.output)
        if any(random_weight(compiled.graph, other) for other in before):
            note("note: the weights are random, with the seed 0; --weights reads trained ones")
        return fresh_state(wanted)


def _inputs(
    files: dict[str, str], compiled: Compiled, given: _Given, *, resize: bool, batched: bool
) -> dict[str, np.ndarray]:
    """One sample for each input, by name, or a batch of samples."""
    if files:
        constants = given.constants
        return read_inputs(compiled.graph, files, constants, resize=resize, batched=batched)
    examples = examples_of(compiled.graph)
    return {name: array[None] if batched else array for name, array in examples.items()}


def _sized(compiled: Compiled, inputs: Mapping[str, np.ndarray], *, batched: bool) -> Compiled:
    """The net with the sizes of the inputs in place of its open ones; raises `NetdslError`."""
    if not compiled.graph.symbols:
        return compiled
    sizes = {name: array.shape[batched:] for name, array in inputs.items()}
    return compile_net(compiled.program, compiled.graph.name, sizes)
