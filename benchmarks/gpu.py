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
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import onnxruntime
import torch
from engines import AGREE, NETS, TENSORRT, Case, Engine, difference, free, is_full

from netdsl.files import check_replaceable, replacing
from netdsl.runtime.gpu import obstacle
from netdsl.runtime.measure import Peak, in_turns, macs_of, peak, ratio
from netdsl.runtime.session import Settings, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from netdsl.runtime.measure import Times

KINDS = ("ours", "torch.onnx", "tensorrt", "eager", "compiled")
FAILED = "failed"
CHECKED = 2  # samples in the comparison with float64


def main(argv: list[str] | None = None) -> int:
    """Print the table and the bounds; returns 1 if a bound is missed or an engine fails."""
    arguments = _arguments(argv)
    found = obstacle(arguments.device)
    if found is not None:
        print(f"{found.fact}: {found.advice}", file=sys.stderr)
        return 1
    print(
        f"{time.strftime('%Y-%m-%d')}, {_name(arguments.device)}, onnxruntime"
        f" {onnxruntime.__version__}, torch {torch.__version__}"
    )
    kinds = [
        k
        for k in arguments.engines
        if k != "tensorrt" or (arguments.device == "cuda" and obstacle("tensorrt") is None)
    ]
    rows: list[dict[str, Any]] = []
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
                    _write(
                        Path(arguments.json),
                        {
                            "device": _name(arguments.device),
                            "peaks": {k: v._asdict() for k, v in peaks.items()},
                            "rows": rows,
                        },
                    )
            free()
    lacking = sorted(
        {
            f"{kind} of {r['net']} in {r['precision']}"
            for r in rows
            for kind in (*r["wrong"], *r["failed"])
        }
    )
    if lacking:
        print(f"failed or wrong: {', '.join(lacking)}")
    met = arguments.device != "cuda" or _bounds(rows)
    return int(bool(lacking) or not met)


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
    arguments.precisions = arguments.precisions or (
        ["fp32"] if arguments.device == "cpu" else list(AGREE)
    )
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
    def read(text: str) -> list[str]:
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"there is no `{name}`; there are {', '.join(known)}"
                )
        return text.split(",")

    return read


def _write(path: Path, made: dict[str, Any]) -> None:
    """Write the rows so far: after each row, so that a later failure does not lose them."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(made, indent=1))


def _name(device: str) -> str:
    return (
        torch.cuda.get_device_name()
        if device == "cuda" and torch.cuda.is_available()
        else f"{device}, {torch.get_num_threads()} threads"
    )


def _peaks(folder: Path, arguments: argparse.Namespace) -> dict[str, Peak]:
    found = {}
    for precision in arguments.precisions:
        dtype = "float16" if precision == "fp16" else "float32"
        found[precision] = peak(folder, arguments.device, Settings(tf32=precision != "fp32"), dtype)
        print(
            f"measured peak, {precision}: {found[precision].flops / 1e12:,.2f} TFLOP/s (matrix"
            f" product), {found[precision].bytes / 1e9:,.0f} GB/s (copy)"
        )
    return found


def _rows(
    case: Case, kinds: list[str], arguments: argparse.Namespace, peaks: dict[str, Peak]
) -> Iterator[dict[str, Any]]:
    exact = case.exact(case.inputs(CHECKED))
    for precision in arguments.precisions:
        notes, wrong = _checked(case, kinds, precision, exact)
        for batch in arguments.batches:
            engines, others = _engines(case, [k for k in kinds if k not in notes], batch, precision)
            times = (
                in_turns({kind: engine.once for kind, engine in engines.items()}, arguments.rounds)
                if engines
                else {}
            )
            said = notes | others
            failed = sorted(k for k, note in said.items() if note.startswith(FAILED))
            yield _row(case, precision, batch, times, said, peaks[precision]) | {
                "wrong": wrong,
                "failed": failed,
            }
            engines.clear()
            free()


def _checked(
    case: Case, kinds: list[str], precision: str, exact: list[Any]
) -> tuple[dict[str, str], list[str]]:
    """The engines that cannot be timed, with the reasons, and those with wrong outputs."""
    notes = {"tensorrt": "tf32 only"} if precision not in TENSORRT else {}
    wrong = []
    for kind in kinds:
        if kind in notes:
            continue
        try:
            engine = case.engine(kind, case.inputs(CHECKED), precision)
            engine.once()
            off = difference(engine.read(), exact)
        except Exception as error:  # whatever the engine raises is shown in its cell
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
    made, notes, x = {}, {}, case.inputs(batch)
    for kind in kinds:
        try:
            engine = case.engine(kind, x, precision)
            engine.once()
            made[kind] = engine
        except Exception as error:  # whatever the engine raises is shown in its cell
            notes[kind] = _why(error)
        free()
    return made, notes


def _why(error: Exception) -> str:
    return (
        "no memory"
        if is_full(error)
        else f"{FAILED}: {type(error).__name__}: {' '.join(str(error).split())}"
    )


def _row(
    case: Case,
    precision: str,
    batch: int,
    times: dict[str, Times],
    notes: dict[str, str],
    top: Peak,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "net": case.name,
        "precision": precision,
        "batch": batch,
        "notes": notes,
        "seconds": {k: t.middle for k, t in times.items()},
    }
    row["ratios"] = {
        k: ratio(t, times["ours"]) for k, t in times.items() if "ours" in times and k != "ours"
    }
    if "ours" in times:
        path = case.folder / f"{case.name}-{'float16' if precision == 'fp16' else 'float32'}.onnx"
        session = open_session(path)
        macs = macs_of(session, {session.inputs[0].name: case.inputs(1)})
        row["share_of_peak"] = (
            None if macs is None else 2 * macs * batch / times["ours"].middle / top.flops
        )
    return row


def _print(row: dict[str, Any], kinds: list[str]) -> None:
    cells = [
        (
            f"{1e3 * row['seconds'][k]:,.3f} ms"
            if k in row["seconds"]
            else row["notes"].get(k, "-").split(":")[0]
        )
        for k in kinds
    ]
    share = f"{100 * row['share_of_peak']:.0f} %" if row.get("share_of_peak") is not None else "-"
    ratios = [
        f"{row['ratios'][k]:.2f}" if k in row["ratios"] else "-"
        for k in ("eager", "torch.onnx", "compiled")
    ]
    print(
        f"{row['net']:<13}{row['precision']:5}{row['batch']:>6}  "
        + "".join(f"{c:>13}" for c in cells)
        + f"{share:>17}{ratios[0]:>13}{ratios[1]:>17}{ratios[2]:>15}",
        flush=True,
    )
    for kind in row["failed"]:
        print(f"    {kind} {row['notes'][kind][:300]}", flush=True)


def _bounds(rows: list[dict[str, Any]]) -> bool:
    """Whether the engines that were timed meet all bounds on a GPU."""
    good = True
    for row in rows:
        where = f"{row['net']}, {row['precision']}, batch {row['batch']}"
        bounds = [("torch.onnx", 1.0, True)]
        bounds += [
            ("eager", 2.0, row["batch"] == 1),
            ("compiled", 0.6, row["batch"] == 256 and row["precision"] == "fp16"),
        ]
        for kind, bound, due in bounds:
            if due and kind in row["ratios"] and row["ratios"][kind] < bound:
                print(
                    f"MISSED  {kind} / ours, {where}: {row['ratios'][kind]:.2f} (at least {bound})"
                )
                good = False
    timed = sum(len(row["ratios"]) for row in rows)
    print(f"{timed} ratios were measured; {'all' if good else 'not all'} bounds are met")
    return good


if __name__ == "__main__":
    sys.exit(main())
