"""Measures the compiler's time and memory per layer, for nets of 1,000 to 100,000 layers.

    python benchmarks/compile.py

For comparison, it also builds the same layers in PyTorch on the device `meta`.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from measure import header, ratio, verdict, warm_up

ROUNDS = 5
SIZES = (1_000, 10_000, 100_000)
OURS = """
import resource, sys, time
from netdsl.driver import compile_net, program_of
from netdsl.source import SourceFile
text = '''
block Basic(width) {{
    residual {{
        conv1: conv(width, 3, pad = 1, bias = false) -> bn1: bn -> relu
        conv2: conv(width, 3, pad = 1, bias = false) -> bn2: bn
    }}
    relu
}}
net Deep {{
    input image: 16x32x32
    layers: {{ repeat {blocks} {{ Basic(16) }} }}
}}'''
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
net = compile_net(program_of(SourceFile("deep.net", text)), "Deep")
seconds = time.perf_counter() - start
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(net.graph.nodes), seconds, (after - before) * 1024)
"""
TORCH = """
import resource, time
import torch
from torch import nn
class Basic(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
with torch.device("meta"):
    net = nn.Sequential(*(Basic(16) for _ in range({blocks})))
seconds = time.perf_counter() - start
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(7 * {blocks}, seconds, (after - before) * 1024)
"""


def measure(code: str, layers: int) -> tuple[float, float]:
    """Run the code in a new process; returns seconds and bytes per layer."""
    command = [sys.executable, "-c", code.format(blocks=layers // 7)]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    count, seconds, size = process.stdout.split()
    return float(seconds) / int(count), int(size) / int(count)


def main() -> int:
    """Print the table; returns 1 if a bound is missed."""
    header("torch")
    warm_up()
    ours: dict[int, list[float]] = {layers: [] for layers in SIZES}
    theirs: dict[int, list[float]] = {layers: [] for layers in SIZES}
    sizes: dict[int, float] = {}
    for _ in range(ROUNDS):
        for layers in SIZES:
            seconds, sizes[layers] = measure(OURS, layers)
            ours[layers].append(seconds)
            theirs[layers].append(measure(TORCH, min(layers, 10_000))[0])
    print(
        f"{'layers':>8} {'netdsl layers/s':>16} {'B/layer':>8} {'torch meta layers/s':>20}"
        f" {'ratio':>6}"
    )
    for layers in SIZES:
        rate, peer = 1 / median(ours[layers]), 1 / median(theirs[layers])
        faster = ratio(theirs[layers], ours[layers])
        print(f"{layers:8,} {rate:16,.0f} {sizes[layers]:8,.0f} {peer:20,.0f} {faster:6.1f}")
    slowest = min(ratio(theirs[layers], ours[layers]) for layers in SIZES)
    growth = ratio(ours[SIZES[2]], ours[SIZES[1]])
    results = [
        verdict("torch on meta / netdsl, time per layer, minimum", slowest, 3, at_most=False),
        verdict("bytes per layer, maximum", max(sizes.values()), 3_000, at_most=True),
        verdict("time per layer, 100,000 layers / 10,000 layers", growth, 1.5, at_most=True),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
