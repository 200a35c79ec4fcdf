"""The results of `netdsl bench`, and how they are printed."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import onnxruntime

from netdsl.commands.output import say
from netdsl.source import printable
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netdsl.runtime.measure import Peak, Times
    from netdsl.runtime.session import Session


class Measured(NamedTuple):
    """At which sizes a model is measured.

    `batch` is the only number of samples that it takes, or None. `chosen` are the sizes of the
    inputs with open sizes that the user did not give, without the batch.
    """

    batch: int | None
    chosen: Mapping[str, tuple[int, ...]]


class EngineResult(NamedTuple):
    """The speed of one engine at one batch size.

    `flops` are the operations per second; they and `share_of_peak` are None if nothing is known
    about the arithmetic of the model. `ratios` has the speed as a multiple of that of each other
    engine.
    """

    engine: str
    batch: int
    times: Times
    flops: float | None
    share_of_peak: float | None
    ratios: Mapping[str, float]

    @classmethod
    def of(
        cls,
        engine: str,
        batch: int,
        times: Times,
        macs: int | None,
        top: Peak,
        ratios: Mapping[str, float],
    ) -> EngineResult:
        """The result for a model that needs `macs` multiply-accumulates for one sample."""
        if macs is None:
            return cls(engine, batch, times, None, None, ratios)
        flops = 2 * macs * batch / times.middle
        return cls(engine, batch, times, flops, flops / top.flops, ratios)

    @property
    def samples_per_s(self) -> float:
        """The throughput."""
        return self.batch / self.times.middle

    def as_json(self) -> dict[str, object]:
        """The result under the keys of the JSON output; times are in seconds."""
        return {
            "engine": self.engine,
            "batch": self.batch,
            "rounds": len(self.times.seconds),
            "median_s": self.times.middle,
            "p95_s": self.times.late,
            "samples_per_s": self.samples_per_s,
            "flops": self.flops,
            "share_of_peak": self.share_of_peak,
            **{f"ratio_{other}": ratio for other, ratio in self.ratios.items()},
        }


def document(
    session: Session, threads: int, top: Peak, at: Measured, results: Iterable[EngineResult]
) -> dict[str, object]:
    """Everything that the command prints as JSON."""
    placed = session.placement()
    return {
        "model": session.name,
        "device": session.device,
        "onnxruntime": onnxruntime.__version__,
        "cuda_graphs": session.graph,
        "threads": threads,
        "only_batch": at.batch,
        "chosen_sizes": {name: list(sizes) for name, sizes in at.chosen.items()},
        "providers": dict(Counter(node.provider for node in placed)),
        "nodes": [node._asdict() for node in placed],
        "peak": {"flops": top.flops, "bytes_per_s": top.bytes},
        "results": [result.as_json() for result in results],
        "diagnostics": [],
    }


def print_head(session: Session, threads: int, top: Peak, at: Measured) -> None:
    """Print what runs where, the peak of the device, and the head of the table."""
    graphs = " with CUDA graphs" if session.graph else ""
    say(
        f"{session.name} on {session.device}{graphs}, onnxruntime {onnxruntime.__version__},"
        f" {counted(threads, 'thread')} on the CPU"
    )
    for provider, operators in _operators(session).items():
        listed = ", ".join(f"{operator} {n}" for operator, n in operators.most_common())
        say(f"  {provider}: {counted(operators.total(), 'node')} ({listed})")
    say(
        f"  measured peak: {top.flops / 1e9:,.0f} GFLOP/s (matrix product),"
        f" {top.bytes / 1e9:,.1f} GB/s (copy, read and written)"
    )
    if at.batch is not None:
        say(f"  the model takes only batches of {at.batch}")
    for name, sizes in at.chosen.items():
        text = "x".join(map(str, sizes))
        say(f"  `{printable(name)}` has open sizes, measured at {text}: --input gives others")
    say(
        f"{'batch':>6}  {'engine':<13} {'median':>10} {'p95':>10} {'samples/s':>11}"
        f" {'GFLOP/s':>9} {'of peak':>8}"
    )


def print_results(results: Iterable[EngineResult]) -> None:
    """Print a row of the table for each result, and how it compares with other engines."""
    for result in results:
        say(_row(result))
        for other, ratio in result.ratios.items():
            rounds = len(result.times.seconds)
            say(f"{'':>6}  {ratio:.2f} times as fast as {other} (median of {rounds} pairs)")
    sys.stdout.flush()


def _row(result: EngineResult) -> str:
    flops = share = "-"
    if result.flops is not None:
        flops = f"{result.flops / 1e9:,.0f}"
    if result.share_of_peak is not None:
        share = f"{100 * result.share_of_peak:.0f} %"
    median, late = _time(result.times.middle), _time(result.times.late)
    return (
        f"{result.batch:>6}  {result.engine:<13} {median:>10} {late:>10}"
        f" {result.samples_per_s:>11,.1f} {flops:>9} {share:>8}"
    )


def _time(seconds: float) -> str:
    return f"{1e3 * seconds:,.2f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:,.0f} us"


def _operators(session: Session) -> dict[str, Counter[str]]:
    """How many nodes of each operator each provider runs."""
    operators: dict[str, Counter[str]] = {}
    for node in session.placement():
        operators.setdefault(node.provider, Counter())[node.operator] += 1
    return operators
