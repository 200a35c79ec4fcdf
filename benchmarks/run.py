"""Times netdsl's ONNX export in onnxruntime, and compares it with PyTorch and `torch.onnx.export`.

    python benchmarks/run.py [--rounds 30] [--threads 2] [--nets ResNet-50,VGG-16]

The other two engines are PyTorch in eager mode, and onnxruntime with the model that
`torch.onnx.export` writes for the same module. All three run a batch of 1 on the CPU, in turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from engines import AGREE, NETS, Case, difference, free
from measure import header, verdict

from netdsl.runtime.measure import in_turns, ratio
from netdsl.runtime.session import cores

CHOSEN = "ResNet-50,VGG-16,GoogLeNet,SE-ResNet-50"
KINDS = ("ours", "torch.onnx", "eager")
LEAST = {"VGG-16": 1.1}  # large products, which PyTorch also computes near the peak of the machine


def main(argv: list[str] | None = None) -> int:
    """Print the medians and the ratios; returns 1 if a bound is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--nets", default=CHOSEN)
    arguments = parser.parse_args(argv)
    header("torch", "onnxruntime-gpu", "onnxscript")
    print(f"batch 1, {arguments.threads} threads each")
    good = True
    for name in arguments.nets.split(","):
        assert name in NETS, f"there is no net {name}; there are {', '.join(NETS)}"
        with tempfile.TemporaryDirectory() as folder:
            good &= _one(Case(name, Path(folder), "cpu", arguments.threads), arguments.rounds)
        free()
    return 0 if good else 1


def _one(case: Case, rounds: int) -> bool:
    """Time one net in all engines; returns whether its bounds are met."""
    x = case.inputs(1)
    engines = {kind: case.engine(kind, x, "fp32") for kind in KINDS}
    exact = case.exact(x)
    for kind, engine in engines.items():
        engine.once()
        off = difference(engine.read(), exact)
        assert off < AGREE["fp32"], f"{kind} is off by {off:.1e} on {case.name}"
    times = in_turns({kind: engine.once for kind, engine in engines.items()}, rounds)
    each = [
        f"{kind} {1000 * t.middle:.1f} ms (p95 {1000 * t.late:.1f})" for kind, t in times.items()
    ]
    print(f"{case.name}: {', '.join(each)}, {len(times['ours'].seconds)} rounds")
    eager = ratio(times["eager"], times["ours"])
    exported = ratio(times["ours"], times["torch.onnx"])
    least = LEAST.get(case.name, 1.5)
    results = [
        verdict("eager / ours, median of pairs", eager, least, at_most=False),
        verdict("ours / torch.onnx.export, median of pairs", exported, 1.02, at_most=True),
    ]
    return all(results)


if __name__ == "__main__":
    sys.exit(main())
