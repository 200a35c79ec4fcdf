"""`netdsl bench`: how fast a model is, where its nodes run, and how much of the device it uses."""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdsl.analysis.sizes import usual_setting
from netdsl.commands.bench_results import (
    EngineResult,
    Measured,
    document,
    print_head,
    print_results,
)
from netdsl.commands.common import UsageError, load_one, parse_inputs, suffix_of
from netdsl.commands.models import open_model
from netdsl.commands.output import say_json
from netdsl.errors import NetdslError
from netdsl.files import scratch_folder
from netdsl.runtime.measure import (
    arithmetic_of,
    in_turns,
    is_open,
    macs_of,
    only_batch,
    peak,
    random_inputs,
    ratio,
)
from netdsl.runtime.session import Settings, cores
from netdsl.words import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netdsl.commands.bench_torch import TorchEngine
    from netdsl.driver import Compiled
    from netdsl.runtime.measure import Peak, Times
    from netdsl.runtime.session import Session

BATCHES = (1, 8, 64)
TOLERANCE = 2e-2  # as a share of the largest output: TF32 on a GPU has 10 bits


def run(arguments: Namespace) -> int:
    """Print latency and throughput for each batch size, beside PyTorch's on request."""
    batches = _batches(arguments.batch) if arguments.batch else list(BATCHES)
    _check_arguments(arguments)
    threads = arguments.threads or cores()
    with ExitStack() as stack:
        session, compiled, weights = open_model(arguments, stack, need_weights=False)
        fixed = only_batch(session)
        if fixed is not None and not arguments.batch:
            batches = [fixed]
        top = _peak(arguments, session, stack)
        rival = _rival(arguments, compiled, weights, session.device)
        given = parse_inputs(arguments.input)
        sizes = _sizes(compiled, given)
        chosen: dict[str, tuple[int, ...]] = {}
        results: list[EngineResult] = []
        for batch in batches:
            inputs = random_inputs(session, batch, sizes)
            chosen = _chosen(session, inputs, given)
            try:
                measured = _measure(session, inputs, rival, arguments.rounds)
            except NetdslError as error:
                if error.code == "run-failed" and chosen:
                    error.diagnostic.help = _advice(chosen)
                raise
            macs = macs_of(session, inputs)
            if macs is None and compiled is None:
                macs = _macs_of_model(arguments.model, inputs)
            added = _results(macs, batch, measured, top)
            if arguments.format == "text":
                if not results:
                    print_head(session, threads, top, Measured(fixed, chosen))
                print_results(added)
            results += added
    if arguments.format == "json":
        measured_sizes = Measured(fixed, chosen)
        say_json(document(session, threads, top, measured_sizes, results), indent=1)
    return 0


def _batches(text: str) -> list[int]:
    parts = text.split(",")
    if not all(p.strip().isdecimal() and 0 < int(p) < 1 << 20 for p in parts):
        raise UsageError(f"--batch takes numbers such as 1,8,64, found `{text}`")
    return [int(p) for p in parts]


def _check_arguments(arguments: Namespace) -> None:
    """Check the arguments against each other; raises `UsageError` and `NetdslError`."""
    is_model = suffix_of(arguments.model) == ".onnx"
    if arguments.vs and is_model:
        raise UsageError(
            f"--vs {arguments.vs} needs the net: name the .net file in place of `{arguments.model}`"
        )
    if arguments.input and not is_model:
        # The net is measured with its sizes open. This only checks those that the user gave.
        load_one(Namespace(file=arguments.model, define=arguments.define, input=arguments.input))


def _peak(arguments: Namespace, session: Session, stack: ExitStack) -> Peak:
    folder = Path(stack.enter_context(scratch_folder()))
    settings = Settings(arguments.allow_cpu_nodes, arguments.threads)
    return peak(folder, session.device, settings, arithmetic_of(session))


def _rival(
    arguments: Namespace,
    compiled: Compiled | None,
    weights: Mapping[str, object] | None,
    device: str,
) -> TorchEngine | None:
    """The net in PyTorch, if the user wants to compare with it."""
    if not arguments.vs or compiled is None:
        return None
    from netdsl.commands.bench_torch import TorchEngine

    return TorchEngine(arguments.vs, compiled.graph, weights, device, arguments.threads or cores())


def _sizes(
    compiled: Compiled | None, given: dict[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """The sizes of the inputs: the given ones, or else sizes for which the net is valid."""
    if compiled is None or given:
        return given
    at = usual_setting(compiled.graph)
    return {
        v.name: tuple(d if isinstance(d, int) else d.at(at) for d in v.type.shape)
        for v in compiled.graph.inputs
    }


def _chosen(
    session: Session, inputs: Mapping[str, np.ndarray], given: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """The sizes of the inputs whose open sizes the user did not give."""
    first = session.inputs[0].name
    return {
        target.name: inputs[target.name].shape[1:]
        for target in session.inputs
        if is_open(target)
        and target.name not in given
        and not (target.name == first and "" in given)
    }


def _advice(chosen: Mapping[str, tuple[int, ...]]) -> str:
    """Advice for sizes that a model does not take."""
    sizes = listed([f"`{n}={'x'.join(map(str, sizes))}`" for n, sizes in chosen.items()])
    return f"these sizes were chosen: {sizes}; give those that the model takes with --input"


# ---- measuring


def _measure(
    session: Session, inputs: dict[str, np.ndarray], rival: TorchEngine | None, rounds: int
) -> dict[str, Times]:
    """The times of each engine; raises `NetdslError` if the engines disagree."""
    # The first run reports wrong sizes, and memory that is too small.
    outputs = session.run(inputs)
    engines: dict[str, Callable[[], object]] = {"onnxruntime": session.bind(inputs).run}
    if rival is not None:
        forward = rival.prepare(inputs)
        _check_agreement(outputs, rival.arrays(forward()), rival.name)
        engines[rival.name] = forward
    return in_turns(engines, rounds)


def _check_agreement(ours: list[np.ndarray], theirs: list[np.ndarray], rival: str) -> None:
    """Raise `NetdslError` if the outputs differ: such times could not be compared."""
    for a, b in zip(ours, theirs, strict=True):
        largest = max(1e-12, float(np.abs(b).max()))
        difference = float(np.abs(a.astype(np.float64) - b).max() / largest)
        if not difference <= TOLERANCE:
            raise NetdslError(
                "back-ends-differ",
                f"onnxruntime and {rival} differ by {difference:.1e} of the largest output",
                help="`netdsl verify` finds the first layer that differs",
            )


def _macs_of_model(name: str, inputs: Mapping[str, np.ndarray]) -> int | None:
    """The MACs of one sample of a model of another tool, or None if they are not all known."""
    from netdsl.importers.whole import whole_model  # few models need it

    try:
        compiled = whole_model(name, {k: a.shape[1:] for k, a in inputs.items()}).compiled
    except NetdslError:
        return None  # onnxruntime runs more models than can be described as a net
    macs = compiled.costs.totals().macs
    if not isinstance(macs, int) or not all(n.op.is_counted for n in compiled.graph.nodes):
        return None
    return macs


def _results(
    macs: int | None, batch: int, measured: dict[str, Times], top: Peak
) -> list[EngineResult]:
    """The results of one batch size; that of onnxruntime has its ratio to the other engine."""
    ours, *others = measured
    ratios = {other: ratio(measured[other], measured[ours]) for other in others}
    return [
        EngineResult.of(engine, batch, times, macs, top, ratios if engine == ours else {})
        for engine, times in measured.items()
    ]
