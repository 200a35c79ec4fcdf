"""The options of `netdsl check --show parallel`."""

from __future__ import annotations

import argparse
import re

from netdsl.analysis.figures import PARALLEL
from netdsl.commands.common import UsageError
from netdsl.commands.options import natural, positive

OPTIONS = ("devices", "batch", "bandwidth", "compute")
DEVICES = (8, 16, 32, 64, 128, 256, 512, 1024)
MAX_DEVICES = 10**6
MAX_COUNTS = 100  # numbers of devices in one table
BANDWIDTH = 25e9  # bytes per second: a network of 200 Gbit/s for each device
COMPUTE = 20e12  # FLOP/s
PREFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_RATE = re.compile(r"(\d{1,12}(?:\.\d{1,12})?) ?([KMGTP]?)(B/s|bit/s|FLOPS|FLOP/s)")


def add_parallel_options(command: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = command.add_argument_group(f"options of --show {PARALLEL}")
    group.add_argument(
        "--devices",
        type=_device_counts,
        metavar="N,...",
        help="the numbers of devices (default: 8,16,32,64,128,256,512,1024)",
    )
    group.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="the samples of each device in a step (default: those of the train section)",
    )
    group.add_argument(
        "--bandwidth",
        type=_bandwidth,
        metavar="RATE",
        help="what each device sends, such as 25GB/s or 100Gbit/s (default: 25GB/s)",
    )
    group.add_argument(
        "--compute",
        type=_compute,
        metavar="RATE",
        help="what each device really computes when it trains this net, which is less than its"
        " peak, such as 20TFLOPS (default: 20TFLOPS)",
    )


def check_parallel_options(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` for options without their tables, and for forms without these tables."""
    if PARALLEL not in arguments.show:
        for option in OPTIONS:
            if getattr(arguments, option) is not None:
                message = f"--{option} is for --show {PARALLEL}"
                reason = "which adds tables about training on several devices"
                if option == "batch":
                    reason += "; the figures without it are for one sample, whatever the batch is"
                raise UsageError(f"{message}, {reason}")
        return
    for form in ("csv", "markdown"):
        if getattr(arguments, form):
            other = "--format json has these figures"
            raise UsageError(f"--show {PARALLEL} and --{form} cannot be combined: {other}")


def _device_counts(text: str) -> tuple[int, ...]:
    counts = tuple(natural(part, 1, MAX_DEVICES) for part in text.split(","))
    if len(counts) > MAX_COUNTS:
        raise argparse.ArgumentTypeError(f"there are more than {MAX_COUNTS} numbers")
    return counts


def _bandwidth(text: str) -> float:
    return _rate(text, {"B/s": 1.0, "bit/s": 1 / 8}, "25GB/s or 200Gbit/s")


def _compute(text: str) -> float:
    return _rate(text, {"FLOPS": 1.0, "FLOP/s": 1.0}, "20TFLOPS")


def _rate(text: str, units: dict[str, float], example: str) -> float:
    match = _RATE.fullmatch(text)
    if match is None or match[3] not in units or not float(match[1]):
        message = f"expected a number above 0 with its unit, such as {example}, found {text[:40]}"
        raise argparse.ArgumentTypeError(message)
    return float(match[1]) * PREFIXES[match[2]] * units[match[3]]
