"""How compiling grows: layers a second and memory a layer, from 1,000 to 100,000 layers, beside building them in torch.

    python benchmarks/compile.py
"""

from __future__ import annotations

import subprocess
import sys

from measure import header, verdict, warm_up

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
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
with torch.device("meta"):
    net = nn.Sequential(*(Basic(16) for _ in range({blocks})))
seconds = time.perf_counter() - start
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(7 * {blocks}, seconds, (after - before) * 1024)
"""


def measure(code: str, layers: int) -> tuple[int, float, int]:
    """Layers made, seconds, bytes."""
    made = subprocess.run([sys.executable, "-c", code.format(blocks=layers // 7)], check=True, capture_output=True, text=True)
    count, seconds, size = made.stdout.split()
    return int(count), float(seconds), int(size)


def main() -> int:
    """Print the table; returns 1 where a bound is missed."""
    header("lark", "torch")
    warm_up()
    rates, sizes = [], []
    print(f"{'layers':>8} {'netdsl layers/s':>16} {'B/layer':>8} {'torch meta layers/s':>20} {'ratio':>6}")
    for layers in SIZES:
        count, seconds, size = measure(OURS, layers)
        their_count, their_seconds, _ = measure(TORCH, min(layers, 10_000))
        rate, theirs = count / seconds, their_count / their_seconds
        rates.append(rate)
        sizes.append(size / count)
        print(f"{count:8,} {rate:16,.0f} {size / count:8,.0f} {theirs:20,.0f} {rate / theirs:6.1f}")
    results = [
        verdict("layers a second, the slowest", min(rates), 20_000, at_most=False),
        verdict("bytes a layer, the most", max(sizes), 3_000, at_most=True),
        verdict("rate at 100,000 layers / at 10,000", rates[-1] / rates[-2], 0.7, at_most=False),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
