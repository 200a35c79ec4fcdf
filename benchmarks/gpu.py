"""Times nets in several engines on a GPU, for each batch size and precision, and prints one table.

The engines are onnxruntime with netdsl's export, onnxruntime with the model of `torch.onnx.export`,
TensorRT if it is installed, and PyTorch, eager and compiled. Before an engine is timed, its outputs
are compared with float64 on the CPU.

    python benchmarks/gpu.py [--nets ResNet-50,VGG-16] [--batches 1,8,64,256] [--precisions
        fp32,tf32,fp16] [--json FILE]
    python benchmarks/gpu.py --device cpu --nets LeNet-5 --batches 1,8

It runs from a checkout, whether netdsl is installed or not, and needs no network.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import onnxruntime
import torch
from engines import AGREE, DTYPES, NETS, TENSORRT, Case, Engine, difference, free, is_full

from netdsl.files import check_replaceable, replacing
from netdsl.runtime.gpu import obstacle
from netdsl.runtime.measure import Peak, in_turns, macs_of, peak, ratio
from netdsl.runtime.session import Settings, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np

    from netdsl.runtime.measure import Times

KINDS = ("ours", "torch.onnx", "tensorrt", "eager", "compiled")
FAILED = "failed"
CHECKED = 2  # samples in the comparison with float64


class EngineRow(TypedDict):
    """One row of the table, by names of engines.

    `notes` are the reasons for missing times, `seconds` the medians, and `ratios` compare an engine
    with netdsl's export. `wrong` engines have other outputs, and `failed` ones raise an exception.
    """

    net: str
    precision: str
    batch: int
    notes: dict[str, str]
    seconds: dict[str, float]
    ratios: dict[str, float]
    share_of_peak: NotRequired[float | None]
    wrong: list[str]
    failed: list[str]


def main(argv: list[str] | None = None) -> int:
    """Print the table and the bounds; returns 1 if a bound is missed or an engine fails."""
    arguments = _arguments(argv)
    reason = obstacle(arguments.device)
    if reason is not None:
        print(f"{reason.fact}: {reason.advice}", file=sys.stderr)
        return 1
    print(
        f"{time.strftime('%Y-%m-%d')}, {_name(arguments.device)}, onnxruntime"
        f" {onnxruntime.__version__}, torch {torch.__version__}"
    )
    rows = _table(arguments)
    defects = sorted(
        {
            f"{kind} of {row['net']} in {row['precision']}"
            for row in rows
            for kind in (*row["wrong"], *row["failed"])
        }
    )
    if defects:
        print(f"failed or wrong: {', '.join(defects)}")
    met = arguments.device != "cuda" or _bounds(rows)
    return int(bool(defects) or not met)


def _table(arguments: argparse.Namespace) -> list[EngineRow]:
    """Print the table row by row, and write the JSON file if one is asked for."""
    kinds = list(arguments.engines)
    if arguments.device != "cuda" or obstacle("tensorrt") is not None:
        kinds = [kind for kind in kinds if kind != "tensorrt"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        peaks = _peaks(Path(folder), arguments)
        print(
            f"{'net':<13}{'':5}{'batch':>6}  "
            + "".join(f"{k:>13}" for k in kinds)
            + "   ours: of peak   eager/ours  torch.onnx/ours  compiled/ours"
        )
        for name in arguments.nets:
            case = Case(name, Path(folder), arguments.device)
            for row in _rows(case, kinds, arguments, peaks):
                rows.append(row)
                _print(row, kinds)
                if arguments.json:
                    _write(Path(arguments.json), arguments.device, peaks, rows)
            free()
    return rows


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--nets", type=_names(NETS), default=list(NETS))
    parser.add_argument(
        "--batches",
        type=lambda text: [_positive(t) for t in text.split(",")],
        default=[1, 8, 64, 256],
    )
    parser.add_argument("--precisions", type=_names(AGREE))
    parser.add_argument("--engines", type=_names(KINDS), default=list(KINDS))
    parser.add_argument("--rounds", type=_positive, default=20)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args(argv)
    if not arguments.precisions:
        arguments.precisions = ["fp32"] if arguments.device == "cpu" else list(AGREE)
    if arguments.json:
        try:
            check_replaceable(Path(arguments.json))
        except OSError as error:
            parser.error(f"{arguments.json} cannot be written: {error.strerror}")
    return arguments


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 20):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above 0")
    return int(text)


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """A reader of lists of these names, such as `fp32,fp16`."""

    def read(text: str) -> list[str]:
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"there is no `{name}`; there are {', '.join(known)}"
                )
        return text.split(",")

    return read


def _write(path: Path, device: str, peaks: dict[str, Peak], rows: list[EngineRow]) -> None:
    """Write the rows so far: after each row, so that a later failure does not lose them."""
    measured = {precision: peak._asdict() for precision, peak in peaks.items()}
    contents = {"device": _name(device), "peaks": measured, "rows": rows}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(contents, indent=1))


def _name(device: str) -> str:
    """The name of the device in the heading."""
    if device == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{device}, {torch.get_num_threads()} threads"


def _peaks(folder: Path, arguments: argparse.Namespace) -> dict[str, Peak]:
    """The peak performance of the device in each precision."""
    peaks = {}
    for precision in arguments.precisions:
        settings = Settings(tf32=precision != "fp32")
        top = peak(folder, arguments.device, settings, DTYPES[precision])
        print(
            f"measured peak, {precision}: {top.flops / 1e12:,.2f} TFLOP/s (matrix product),"
            f" {top.bytes / 1e9:,.0f} GB/s (copy)"
        )
        peaks[precision] = top
    return peaks


def _rows(
    case: Case, kinds: list[str], arguments: argparse.Namespace, peaks: dict[str, Peak]
) -> Iterator[EngineRow]:
    """The rows of one net, each as soon as it is measured."""
    exact = case.exact(case.inputs(CHECKED))
    for precision in arguments.precisions:
        notes, wrong = _checked(case, kinds, precision, exact)
        for batch in arguments.batches:
            engines, missing = _engines(
                case, [k for k in kinds if k not in notes], batch, precision
            )
            times = {}
            if engines:
                runs = {kind: engine.once for kind, engine in engines.items()}
                times = in_turns(runs, arguments.rounds)
            row = _row(case, precision, batch, times, peaks[precision])
            row["notes"] = notes | missing
            row["wrong"] = wrong
            row["failed"] = sorted(k for k, n in row["notes"].items() if n.startswith(FAILED))
            yield row
            engines.clear()
            free()


def _checked(
    case: Case, kinds: list[str], precision: str, exact: list[np.ndarray]
) -> tuple[dict[str, str], list[str]]:
    """The engines that cannot be timed, with the reasons, and those with wrong outputs."""
    notes, wrong = {}, []
    if precision not in TENSORRT:
        notes["tensorrt"] = "tf32 only"
    for kind in kinds:
        if kind in notes:
            continue
        try:
            engine = case.engine(kind, case.inputs(CHECKED), precision)
            engine.once()
            off = difference(engine.read(), exact)
        except Exception as error:  # the cell shows what the engine raises
            notes[kind] = _why(error)
        else:
            if not off <= AGREE[precision]:
                notes[kind] = f"off {off:.0e}"
                wrong.append(kind)
        free()
    return notes, sorted(wrong)


def _engines(
    case: Case, kinds: list[str], batch: int, precision: str
) -> tuple[dict[str, Engine], dict[str, str]]:
    """The engines for one row, and the reasons for those that are missing."""
    engines, notes, x = {}, {}, case.inputs(batch)
    for kind in kinds:
        try:
            engine = case.engine(kind, x, precision)
            engine.once()
            engines[kind] = engine
        except Exception as error:  # the cell shows what the engine raises
            notes[kind] = _why(error)
        free()
    return engines, notes


def _why(error: Exception) -> str:
    """The note about an engine that raised this exception."""
    if is_full(error):
        return "no memory"
    return f"{FAILED}: {type(error).__name__}: {' '.join(str(error).split())}"


def _row(case: Case, precision: str, batch: int, times: dict[str, Times], top: Peak) -> EngineRow:
    """The row with these times, without notes."""
    row: EngineRow = {
        "net": case.name,
        "precision": precision,
        "batch": batch,
        "notes": {},
        "seconds": {k: t.middle for k, t in times.items()},
        "ratios": {},
        "wrong": [],
        "failed": [],
    }
    if "ours" in times:
        ours = times["ours"]
        row["ratios"] = {k: ratio(t, ours) for k, t in times.items() if k != "ours"}
        session = open_session(case.folder / f"{case.name}-{DTYPES[precision]}.onnx")
        macs = macs_of(session, {session.inputs[0].name: case.inputs(1)})
        row["share_of_peak"] = None
        if macs is not None:
            row["share_of_peak"] = 2 * macs * batch / ours.middle / top.flops
    return row


def _print(row: EngineRow, kinds: list[str]) -> None:
    cells = {kind: row["notes"].get(kind, "-").split(":")[0] for kind in kinds}
    cells |= {kind: f"{1e3 * seconds:,.3f} ms" for kind, seconds in row["seconds"].items()}
    share_of_peak = row.get("share_of_peak")
    share = "-" if share_of_peak is None else f"{100 * share_of_peak:.0f} %"
    given = {kind: f"{ratio:.2f}" for kind, ratio in row["ratios"].items()}
    ratios = [given.get(kind, "-") for kind in ("eager", "torch.onnx", "compiled")]
    print(
        f"{row['net']:<13}{row['precision']:5}{row['batch']:>6}  "
        + "".join(f"{cells[kind]:>13}" for kind in kinds)
        + f"{share:>17}{ratios[0]:>13}{ratios[1]:>17}{ratios[2]:>15}",
        flush=True,
    )
    for kind in row["failed"]:
        print(f"    {kind} {row['notes'][kind][:300]}", flush=True)


def _bounds(rows: list[EngineRow]) -> bool:
    """Whether the engines that were timed meet all bounds for a GPU."""
    good = True
    for row in rows:
        where = f"{row['net']}, {row['precision']}, batch {row['batch']}"
        bounds = {"torch.onnx": 1.0}
        if row["batch"] == 1:
            bounds["eager"] = 2.0
        if row["batch"] == 256 and row["precision"] == "fp16":
            bounds["compiled"] = 0.6
        for kind, bound in bounds.items():
            value = row["ratios"].get(kind, bound)
            if value < bound:
                print(f"MISSED  {kind} / ours, {where}: {value:.2f} (at least {bound})")
                good = False
    timed = sum(len(row["ratios"]) for row in rows)
    print(f"{timed} ratios were measured; {'all' if good else 'not all'} bounds are met")
    return good


if __name__ == "__main__":
    sys.exit(main())
