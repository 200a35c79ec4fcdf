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
        if "--large" in sys.argv:
            results = _large(folder)
        else:
            results = [*_resnet(folder), *_copied(folder, "vgg:VGG16", rounds=7, bound=2.5)]
    return 0 if all(results) else 1


def _resnet(folder: str) -> list[bool]:
    """Compare the export of ResNet-50 with `torch.onnx.export` and with `import torch`."""
    seconds([*EXPORT, "resnet:ResNet50", "-o", f"{folder}/resnet50.py"])
    python = [sys.executable, "-c"]
    commands = {
        "netdsl export, ResNet-50": [*EXPORT, "resnet:ResNet50", "-o", f"{folder}/ours.onnx"],
        "torch.onnx.export, ResNet-50": [*python, TORCH_EXPORT.format(folder=folder)],
        "import torch": [*python, "import torch"],
    }
    ours, theirs, torch = in_turns(commands, ROUNDS).values()
    peer = "torch.onnx.export / netdsl export, ResNet-50"
    return [
        verdict(peer, ratio(theirs, ours), 5, at_most=False),
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
    model = Path(folder, "made.onnx")
    command = [*EXPORT, net, "-o", str(model), *options]
    memory = peak_memory(command)
    exports, copies, size = [], [], 0
    for _ in range(rounds):
        for path in _files(model):
            path.unlink()
        Path(folder, "copy").unlink(missing_ok=True)
        os.sync()  # so that neither waits for the other's data to be written to the disk
        exports.append(seconds(command))
        os.sync()
        largest = max(_files(model), key=lambda path: path.stat().st_size)
        size = largest.stat().st_size
        copies.append(_copy_and_sum(largest, Path(folder, "copy")))
    name, allowed = Path(net).stem.removeprefix("vgg:"), 1.3
    if options:
        name, allowed = f"{name} from safetensors", 0.5
    print(f"{1000 * median(exports):8.0f} ms  netdsl export, {name} ({size / 1e6:,.0f} MB)")
    print(f"{1000 * median(copies):8.0f} ms  copying that file and computing its SHA-256 sum")
    print(
        f"{memory.resident / 1e6:8.0f} MB  peak resident memory; without pages of mapped files"
        f" {memory.own / 1e6:.0f} MB"
    )
    peer = f"netdsl export / copy and sum, {name}, median of pairs"
    share = f"peak resident memory / weights, {name}"
    return [
        verdict(peer, ratio(exports, copies), bound, at_most=True),
        verdict(share, memory.resident / size, allowed, at_most=True),
    ]


def _files(model: Path) -> list[Path]:
    """The files of an exported model: large weights are in a file of their own."""
    return list(model.parent.glob(f"{model.name}*"))


def _copy_and_sum(source: Path, target: Path) -> float:
    """Copy a file and compute its SHA-256 sum; returns the seconds that this takes."""
    start = time.perf_counter()
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        hashlib.file_digest(file, "sha256")  # an export writes this sum into the manifest
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
