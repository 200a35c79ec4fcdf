"""The tables of `netdsl check --show parallel` as text: what training on several devices takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.figures import memory
from netdsl.analysis.scaling import (
    OPERATIONS,
    Exchange,
    Machine,
    StepTime,
    bubbles,
    data_parallel,
    sharded,
    steps_of_epoch,
    work_of,
)
from netdsl.draw.columns import RowName, Table, TableLine, laid_out
from netdsl.ir.types import Sym
from netdsl.render import width_of
from netdsl.words import counted

if TYPE_CHECKING:
    from netdsl.analysis.traffic import Traffic

PIECES = (4, 8, 32)  # the numbers of micro-batches for which bubbles are printed
LEGEND = (
    "sent: the bytes that each device sends in a step",
    "after, during: the efficiency if they are sent after the computation, or during it",
)
CUT_LEGEND = "sample, batch: the bytes that cross a cut forward; back: those of the gradients"
HEADS = ("devices", "batch", "steps")
STRATEGIES = ("data parallel", "sharded")
COLUMNS = ("sent", "after", "during")  # of each strategy
GAP = "  "


class Plan(NamedTuple):
    """How a net is to be trained on several devices.

    `batch` is the number of samples of each device in a step, which accumulates the gradients of
    that many `pieces`; `origin` tells where the number comes from. `samples` are those of the
    training set, and None if they are not known; `data` then is the reason, and otherwise the name
    of the set.
    """

    devices: tuple[int, ...]
    batch: int
    origin: str
    machine: Machine
    samples: int | None
    data: str
    pieces: int = 1


class Scaled(NamedTuple):
    """The figures for one number of devices; the steps are those of an epoch."""

    devices: int
    batch: int
    steps: int | None
    data_parallel: Exchange
    sharded: Exchange


def rows_of(traffic: Traffic, plan: Plan) -> list[Scaled]:
    """The figures for each number of devices, each of which has its own batch."""
    work = work_of(traffic, plan.batch, plan.machine)
    rows = []
    for devices in plan.devices:
        batch = plan.batch * devices
        steps = None if plan.samples is None else steps_of_epoch(plan.samples, batch)
        ways = [
            way(traffic, work, devices, plan.machine, plan.pieces)
            for way in (data_parallel, sharded)
        ]
        rows.append(Scaled(devices, batch, steps, *ways))
    return rows


def facts(traffic: Traffic, plan: Plan, advice: str) -> list[tuple[str, str]]:
    """The lines above the tables, each as a label and a text.

    `advice` are the options that give numbers to open sizes.
    """
    lines = [
        ("parallel", f"training with {counted(plan.batch, 'sample')} on each device, {plan.origin}")
    ]
    if traffic.learned:
        learned = counted(traffic.learned, "learned parameter")
        lines.append(("gradients", f"{memory(traffic.gradients)} a step, of {learned}"))
    else:
        lines.append(("gradients", "none, because nothing in the net is trained"))
    if traffic.buffers:
        sent = f"{memory(traffic.buffers)} a step, from the first device to the others"
        lines.append(("buffers", sent))
    lines.append(("computation", _computation(traffic, plan, advice)))
    lines.append(("network", f"{rate(plan.machine.bandwidth, 'B/s')} from each device"))
    epoch = f"not known: {plan.data}"
    if plan.samples is not None:
        steps = counted(steps_of_epoch(plan.samples, plan.batch), "step")
        has = counted(plan.samples, "training sample")
        epoch = f"{steps} on one device: {plan.data} has {has}"
    lines.append(("epoch", epoch))
    return lines


def _computation(traffic: Traffic, plan: Plan, advice: str) -> str:
    work = work_of(traffic, plan.batch, plan.machine)
    if work is not None:
        of_sample = rate(work.seconds * plan.machine.compute / plan.batch, "FLOP")
        speed = rate(plan.machine.compute, "FLOP/s")
        return f"{of_sample} a sample, so {duration(work)} a step at {speed}"
    if isinstance(traffic.forward, Sym):
        return f"depends on the size of the input: {advice} gives the efficiency"
    return "not known, because no layer multiplies; so the efficiency is not known"


def rate(value: float, unit: str) -> str:
    """A number with the prefix that suits it: `25 GB/s`, `24.3 GFLOP`."""
    for prefix in ("", "K", "M", "G", "T"):
        if value < 1000:
            return f"{_digits(value)} {prefix}{unit}"
        value /= 1000
    return f"{_digits(value)} P{unit}"


def duration(work: StepTime) -> str:
    """The time of a step in the unit that suits it."""
    value = work.seconds
    for unit in ("s", "ms", "us"):
        if value >= 1:
            return f"{_digits(value)} {unit}"
        value *= 1000
    return f"{_digits(value)} ns"


def _digits(value: float) -> str:
    """Four digits of a number up to 1,000, all digits before the point of a larger one."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def share(value: float | None) -> str:
    """A share of 1 in percent, or a dash if it is not known."""
    return "-" if value is None else f"{100 * value:.1f} %"


# ---- tables


def scaling_lines(traffic: Traffic, plan: Plan, width: int | None) -> list[TableLine]:
    """The table of the efficiency; in a narrow terminal, there is one table for each strategy."""
    shown = rows_of(traffic, plan)
    both = _scaling_table(shown, STRATEGIES)
    if width is None or width_of(both[1].text) <= width:
        return both
    first, second = (_scaling_table(shown, (name,)) for name in STRATEGIES)
    return [*first, TableLine(""), *second]


def _scaling_table(shown: list[Scaled], strategies: tuple[str, ...]) -> list[TableLine]:
    grid = [[*HEADS, *COLUMNS * len(strategies)]]
    for row in shown:
        steps = "-" if row.steps is None else f"{row.steps:,}"
        cells = [f"{row.devices:,}", f"{row.batch:,}", steps]
        for strategy in strategies:
            exchange = row[3 + STRATEGIES.index(strategy)]
            assert isinstance(exchange, Exchange)
            sent = memory(round(exchange.bytes))
            cells += [sent, share(exchange.after), share(exchange.during)]
        grid.append(cells)
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    lines = [GAP.join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)) for cells in grid]
    above = " " * len(GAP.join(" " * w for w in widths[: len(HEADS)]))
    for number, strategy in enumerate(strategies):
        start = len(HEADS) + number * len(COLUMNS)
        group = len(GAP.join(" " * w for w in widths[start : start + len(COLUMNS)]))
        above += f"{GAP}{strategy:^{group}}"
    rule = "─" * len(lines[0])
    heads = [TableLine(above.rstrip(), "bold"), TableLine(lines[0], "bold"), TableLine(rule, "dim")]
    return [*heads, *(TableLine(line) for line in lines[1:])]


def cut_lines(traffic: Traffic, plan: Plan, width: int | None) -> list[TableLine]:
    """The table of the places where a pipeline can divide the net."""

    def cells(most: int | None) -> list[list[str]]:
        return [
            [
                _part(cut.macs, traffic.forward),
                memory(cut.forward, most),
                memory(cut.backward, most),
                memory(cut.forward * plan.batch, most),
                memory(cut.backward * plan.batch, most),
            ]
            for cut in traffic.cuts
        ]

    heads = ["cut", "MACs before", "sample", "back", "batch", "back"]
    names = [RowName(cut.name) for cut in traffic.cuts]
    return laid_out(Table(heads, 1, names, cells, [], [""] * len(names)), width)


def _part(macs: int | Sym, all_macs: int | Sym) -> str:
    """The share of the multiply-accumulates; a dash for open sizes."""
    if isinstance(macs, Sym) or isinstance(all_macs, Sym) or not all_macs:
        return "-"
    return share(macs / all_macs)


def bubble_text(traffic: Traffic) -> str:
    """How much of the time the devices of a pipeline with all cuts wait."""
    stages = len(traffic.cuts) + 1
    waits = [f"{share(bubbles(stages, n))} with {n} micro-batches" for n in PIECES]
    return f"{stages} equal stages wait {', '.join(waits)}"


# ---- JSON


def as_json(traffic: Traffic, plan: Plan) -> dict[str, object]:
    """The figures for programs: bytes, seconds, and shares of 1. Formulas are texts."""
    work = work_of(traffic, plan.batch, plan.machine)
    return {
        "batch": plan.batch,
        "pieces": plan.pieces,
        "learned": traffic.learned,
        "gradient_bytes": traffic.gradients,
        "parameter_bytes": traffic.params,
        "buffer_bytes": traffic.buffers,
        "forward_macs": _plain(traffic.forward),
        "backward_macs": _plain(traffic.backward),
        "operations_per_mac": OPERATIONS,
        "bandwidth": plan.machine.bandwidth,
        "compute": plan.machine.compute,
        "compute_seconds": None if work is None else work.seconds,
        "training_samples": plan.samples,
        "devices": [_row_as_json(row) for row in rows_of(traffic, plan)],
        "cuts": [
            {
                "before": cut.before,
                "after": cut.after,
                "macs_before": _plain(cut.macs),
                "forward_bytes": _plain(cut.forward),
                "backward_bytes": _plain(cut.backward),
                "batch_forward_bytes": _plain(cut.forward * plan.batch),
                "batch_backward_bytes": _plain(cut.backward * plan.batch),
            }
            for cut in traffic.cuts
        ],
    }


def _row_as_json(row: Scaled) -> dict[str, object]:
    ways = {"data_parallel": row.data_parallel, "sharded": row.sharded}
    return {
        "devices": row.devices,
        "batch": row.batch,
        "steps_per_epoch": row.steps,
        **{
            name: {
                "bytes": way.bytes,
                "seconds": way.seconds,
                "efficiency_after": way.after,
                "efficiency_during": way.during,
            }
            for name, way in ways.items()
        },
    }


def _plain(value: int | Sym) -> int | str:
    return value if isinstance(value, int) else str(value)
