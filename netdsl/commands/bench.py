"""`netdsl bench`: how fast a model is, where its nodes run, and how much of the device that is."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from netdsl.analysis.sizes import USUAL, usual_setting
from netdsl.commands.common import UsageError, load_one, parse_inputs, suffix_of
from netdsl.commands.models import open_model
from netdsl.commands.output import say, say_json
from netdsl.errors import NetdslError
from netdsl.files import scratch_folder
from netdsl.runtime.measure import (
    Peak,
    Times,
    arithmetic_of,
    in_turns,
    macs_of,
    peak,
    random_inputs,
    ratio,
)
from netdsl.runtime.session import Settings, cores
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.driver import Compiled
    from netdsl.runtime.session import Session

AGREE = 2e-2  # of the largest output: TF32 on a GPU has 10 bits


def run(arguments: Namespace) -> int:
    """Print latency and throughput for each batch size, beside PyTorch's on request."""
    batches = _batches(arguments.batch)
    if arguments.vs and suffix_of(arguments.model) == ".onnx":
        raise UsageError(
            f"--vs {arguments.vs} needs the net: name the .net file in place of `{arguments.model}`"
        )
    if arguments.input and suffix_of(arguments.model) != ".onnx":
        # The net is measured with its sizes open; those given are checked as by any command.
        load_one(Namespace(file=arguments.model, define=arguments.define, input=arguments.input))
    with ExitStack() as stack:
        session, compiled, weights = open_model(arguments, stack, need_weights=False)
        folder = Path(stack.enter_context(scratch_folder()))
        top = peak(
            folder,
            session.device,
            Settings(arguments.allow_cpu_nodes, arguments.threads),
            arithmetic_of(session),
        )
        theirs = (
            _torch(arguments, compiled, weights, session.device)
            if arguments.vs and compiled
            else None
        )
        sizes = _sizes(compiled, parse_inputs(arguments.input))
        made: list[dict[str, Any]] = []
        for batch in batches:
            made += _measure(
                session, random_inputs(session, batch, sizes), batch, theirs, arguments, top
            )
            if not arguments.json:
                _print(
                    session,
                    made[-2 if theirs else -1 :],
                    top,
                    first=batch == batches[0],
                    arguments=arguments,
                )
    if arguments.json:
        say_json(_document(session, arguments, top, made), indent=1)
    return 0


def _batches(text: str) -> list[int]:
    parts = text.split(",")
    if not all(p.strip().isdecimal() and 0 < int(p) < 1 << 20 for p in parts):
        raise UsageError(f"--batch takes numbers such as 1,8,64, found `{text}`")
    return [int(p) for p in parts]


def _sizes(
    compiled: Compiled | None, given: dict[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """The sizes of the inputs: those given, and where a net leaves them open such that it is valid
    for.
    """
    if compiled is None or given:
        return given
    at = usual_setting(compiled.graph)
    return {
        v.name: tuple(d if isinstance(d, int) else d.at(at) for d in v.type.shape)
        for v in compiled.graph.inputs
    }


def _measure(
    session: Session,
    inputs: dict[str, Any],
    batch: int,
    theirs: Callable[..., Any] | None,
    arguments: Namespace,
    top: Peak,
) -> list[dict[str, Any]]:
    # Says what is wrong with the sizes, or that the memory is too small.
    first = session.run(inputs)
    bound = session.bind(inputs)
    engines: dict[str, Callable[[], object]] = {"onnxruntime": bound.run}
    if theirs is not None:
        prepared, read = theirs(inputs)
        _agree(first, read(prepared()), arguments)
        engines[arguments.vs] = prepared
    times = in_turns(engines, arguments.rounds)
    macs = macs_of(session, inputs)
    rows = [_row(name, batch, found, macs, top) for name, found in times.items()]
    if theirs is not None:
        rows[0][f"ratio_{arguments.vs}"] = ratio(times[arguments.vs], times["onnxruntime"])
    return rows


def _row(engine: str, batch: int, found: Times, macs: int | None, top: Peak) -> dict[str, Any]:
    flops = None if macs is None else 2 * macs * batch / found.middle
    return {
        "engine": engine,
        "batch": batch,
        "rounds": len(found.seconds),
        "median_s": found.middle,
        "p95_s": found.late,
        "samples_per_s": batch / found.middle,
        "flops": flops,
        "share_of_peak": None if flops is None else flops / top.flops,
    }


# ---- PyTorch beside it


def _torch(
    arguments: Namespace, compiled: Compiled, weights: dict[str, Any] | None, device: str
) -> Callable[..., Any]:
    """What takes the inputs, and gives a function that runs once and one that reads its outputs."""
    import torch

    from netdsl.backends.torch.module import lower
    from netdsl.weights.checkpoints import tensors_of
    from netdsl.weights.fresh import fresh
    from netdsl.weights.tensors import as_float32

    where = "cpu" if device == "cpu" else "cuda"
    if where == "cuda" and not torch.cuda.is_available():
        raise NetdslError(
            "no-cuda", "PyTorch sees no GPU", help="install its wheel for CUDA, or leave out --vs"
        )
    torch.set_num_threads(arguments.threads or cores())
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = (
        True  # as onnxruntime does
    )
    state = (
        weights
        if weights is not None
        else {n: fresh(n, p) for n, p in tensors_of(compiled.graph).items()}
    )
    module = lower(compiled.graph).eval()
    numbers = {n: as_float32(n, np.asarray(a), allow_nonfinite=True) for n, a in state.items()}
    module.load_state_dict(
        {n: torch.from_numpy(np.array(a)) for n, a in numbers.items()}, strict=False
    )
    module.to(where)

    def prepare(inputs: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[Any], list[Any]]]:
        forward: Callable[..., Any] = module
        if arguments.vs == "torch-compile":
            # each batch for itself: the third size would be compiled for any size, which is slower
            torch.compiler.reset()
            forward = torch.compile(module, dynamic=False)
        tensors = [torch.from_numpy(a).to(where) for a in inputs.values()]

        def once() -> Any:
            with torch.inference_mode():
                made = forward(*tensors)
            if where == "cuda":
                torch.cuda.synchronize()
            return made

        return once, lambda made: [
            t.float().cpu().numpy() for t in (made if isinstance(made, tuple) else (made,))
        ]

    return prepare


def _agree(ours: list[Any], theirs: list[Any], arguments: Namespace) -> None:
    """What computes something else is not worth timing."""
    for a, b in zip(ours, theirs, strict=True):
        difference = float(
            np.abs(a.astype(np.float64) - b).max() / max(1e-12, float(np.abs(b).max()))
        )
        if not difference <= AGREE:
            raise NetdslError(
                "back-ends-differ",
                f"onnxruntime and {arguments.vs} differ by {difference:.1e} of the largest output",
                help="`netdsl verify` finds the first layer that differs",
            )


# ---- what is printed


def _print(
    session: Session, rows: list[dict[str, Any]], top: Peak, *, first: bool, arguments: Namespace
) -> None:
    if first:
        say(
            f"{session.name} on {session.device}{' with CUDA graphs' if session.graph else ''},"
            f" onnxruntime {onnxruntime.__version__},"
            f" {counted(arguments.threads or cores(), 'thread')} on the CPU"
        )
        for provider, (count, operators) in _providers(session).items():
            say(
                f"  {provider}: {counted(count, 'node')}"
                f" ({', '.join(f'{o} {n}' for o, n in operators.most_common())})"
            )
        say(
            f"  measured peak: {top.flops / 1e9:,.0f} GFLOP/s (matrix product),"
            f" {top.bytes / 1e9:,.1f} GB/s (copy, read and written)"
        )
        say(
            f"{'batch':>6}  {'engine':<13} {'median':>10} {'p95':>10} {'samples/s':>11}"
            f" {'GFLOP/s':>9} {'of peak':>8}"
        )
    for row in rows:
        flops = "-" if row["flops"] is None else f"{row['flops'] / 1e9:,.0f}"
        share = "-" if row["share_of_peak"] is None else f"{100 * row['share_of_peak']:.0f} %"
        say(
            f"{row['batch']:>6}  {row['engine']:<13} {_time(row['median_s']):>10}"
            f" {_time(row['p95_s']):>10} {row['samples_per_s']:>11,.1f} {flops:>9} {share:>8}"
        )
        for key, value in row.items():
            if key.startswith("ratio_"):
                say(
                    f"{'':>6}  {value:.2f} times as fast as {key.removeprefix('ratio_')} (median of"
                    f" {row['rounds']} pairs)"
                )
    sys.stdout.flush()


def _time(seconds: float) -> str:
    return f"{1e3 * seconds:,.2f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:,.0f} us"


def _providers(session: Session) -> dict[str, tuple[int, Counter[str]]]:
    """How many nodes each provider runs, and of which operators."""
    placed = session.placement()
    return {
        p: (n, Counter(x.operator for x in placed if x.provider == p))
        for p, n in Counter(x.provider for x in placed).items()
    }


def _document(
    session: Session, arguments: Namespace, top: Peak, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    placed = session.placement()
    return {
        "model": session.name,
        "device": session.device,
        "onnxruntime": onnxruntime.__version__,
        "cuda_graphs": session.graph,
        "threads": arguments.threads or cores(),
        "open_size": USUAL,
        "providers": dict(Counter(x.provider for x in placed)),
        "nodes": [x._asdict() for x in placed],
        "peak": {"flops": top.flops, "bytes_per_s": top.bytes},
        "results": rows,
    }
