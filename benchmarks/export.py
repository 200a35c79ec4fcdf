"""Measures time and peak memory of `netdsl export` as a whole process.

    python benchmarks/export.py [--large]

For ResNet-50, the time is compared with `import torch` and with a script that calls
`torch.onnx.export`. For VGG-16, the time is compared with copying the exported file and computing
its SHA-256 sum, and the peak memory is compared with the size of that file. With `--large`, only a
VGG of 3 GB is exported, first with fresh weights and then with weights from a safetensors file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from measure import header, in_turns, peak_memory, ratio, seconds, verdict, warm_up

TORCH_EXPORT = (
    "import sys; sys.path.insert(0, {folder!r}); import torch,"
    " resnet50;torch.onnx.export(resnet50.ResNet50().eval(), (torch.zeros(1, 3, 224, 224),),"
    " {folder!r} + '/torch.onnx', dynamo=True)"
)
ROUNDS = 5
WIDE = """net WideVGG {
    input image: 3x224x224
    for width, count in [(128, 2), (256, 2), (512, 3), (1024, 3), (1024, 3)] {
        repeat count { conv(width, 3, pad = 1) -> bn -> relu }
        maxpool(2)
    }
    flatten
    dense(11_000) -> relu -> dropout
    dense(11_000) -> relu -> dropout
    output scores: dense(1000)
}
"""
SAVE = """
import netdsl, sys
from safetensors.numpy import save_file
from netdsl.backends.onnx.graph import skeleton
from netdsl.weights.fresh import fresh
net = netdsl.load(sys.argv[1])
save_file({n: fresh(n, p) for n, p in skeleton(net.graph).params.items()}, sys.argv[2])
"""
EXPORT = [sys.executable, "-m", "netdsl", "export"]


def main() -> int:
    """Print the medians and the ratios; returns 1 if a bound is missed."""
    header("torch", "onnx", "onnxscript")
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        results = (
            _large(folder)
            if "--large" in sys.argv
            else [*_resnet(folder), *_copied(folder, "vgg:VGG16", rounds=7, bound=2.5)]
        )
    return 0 if all(results) else 1


def _resnet(folder: str) -> list[bool]:
    seconds([*EXPORT, "resnet:ResNet50", "-o", f"{folder}/resnet50.py"])
    times = in_turns(
        {
            "netdsl export, ResNet-50": [*EXPORT, "resnet:ResNet50", "-o", f"{folder}/ours.onnx"],
            "torch.onnx.export, ResNet-50": [
                sys.executable,
                "-c",
                TORCH_EXPORT.format(folder=folder),
            ],
            "import torch": [sys.executable, "-c", "import torch"],
        },
        ROUNDS,
    )
    ours, theirs, torch = times.values()
    return [
        verdict(
            "torch.onnx.export / netdsl export, ResNet-50", ratio(theirs, ours), 5, at_most=False
        ),
        verdict("netdsl export of ResNet-50 / import torch", ratio(ours, torch), 1.0, at_most=True),
    ]


def _large(folder: str) -> list[bool]:
    """A VGG of 3 GB, with fresh weights and with weights from a safetensors file."""
    wide, weights = f"{folder}/wide.net", f"{folder}/wide.safetensors"
    Path(wide).write_text(WIDE)
    results = _copied(folder, wide, rounds=3, bound=1.25)
    seconds([sys.executable, "-c", SAVE, wide, weights])
    return results + _copied(folder, wide, "--weights", weights, rounds=3, bound=1.25)


def _copied(folder: str, net: str, *options: str, rounds: int, bound: float) -> list[bool]:
    """Compare an export with copying the file, and its peak memory with the size of the file.

    For a small file, a large part of the time is the start of Python.
    """
    made, copy = Path(folder, "made.onnx"), Path(folder, "copy")
    command = [*EXPORT, net, "-o", str(made), *options]
    memory = peak_memory(command)
    wrote, copied, size = [], [], 0
    for _ in range(rounds):
        for path in Path(folder).glob("made.onnx*"):
            path.unlink()
        copy.unlink(missing_ok=True)
        os.sync()  # so that neither waits for the other's data to be written to the disk
        wrote.append(seconds(command))
        os.sync()
        large = max(Path(folder).glob("made.onnx*"), key=lambda p: p.stat().st_size)
        size = large.stat().st_size
        start = time.perf_counter()
        shutil.copyfile(large, copy)
        with copy.open("rb") as file:
            hashlib.file_digest(file, "sha256")  # an export writes this sum into the manifest
        copied.append(time.perf_counter() - start)
    what = f"{Path(net).stem.removeprefix('vgg:')}{' from safetensors' if options else ''}"
    print(f"{1000 * median(wrote):8.0f} ms  netdsl export, {what} ({size / 1e6:,.0f} MB)")
    print(f"{1000 * median(copied):8.0f} ms  copying that file and computing its SHA-256 sum")
    print(
        f"{memory.resident / 1e6:8.0f} MB  peak resident memory; without pages of mapped files"
        f" {memory.own / 1e6:.0f} MB"
    )
    return [
        verdict(
            f"netdsl export / copy and sum, {what}, median of pairs",
            ratio(wrote, copied),
            bound,
            at_most=True,
        ),
        verdict(
            f"peak resident memory / weights, {what}",
            memory.resident / size,
            0.5 if options else 1.3,
            at_most=True,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
