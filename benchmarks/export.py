"""`netdsl export` of fresh weights beside a script that builds the same net in torch and calls `torch.onnx.export`,
and beside copying a file of the same size.

    python benchmarks/export.py
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from measure import header, in_turns, peak_bytes, seconds, verdict, warm_up

TORCH_EXPORT = (
    "import sys; sys.path.insert(0, {folder!r}); import torch, resnet50;"
    "torch.onnx.export(resnet50.ResNet50().eval(), (torch.zeros(1, 3, 224, 224),), {folder!r} + '/torch.onnx', dynamo=True)"
)
ROUNDS = 3


def main() -> int:
    """Print the medians and the ratios; returns 1 where a bound is missed."""
    header("torch", "onnx", "onnxscript")
    warm_up()
    export = [sys.executable, "-m", "netdsl", "export"]
    with tempfile.TemporaryDirectory() as folder:
        seconds([*export, "resnet:ResNet50", "-o", f"{folder}/resnet50.py"])
        times = in_turns(
            {
                "netdsl export, ResNet-50": [*export, "resnet:ResNet50", "-o", f"{folder}/ours.onnx"],
                "torch.onnx.export, ResNet-50": [sys.executable, "-c", TORCH_EXPORT.format(folder=folder)],
            },
            ROUNDS,
        )
        ours, theirs = times.values()
        vgg = [*export, "vgg:VGG16", "-o", f"{folder}/vgg.onnx"]
        peak = peak_bytes(vgg)
        wrote, copied = [], []
        for _ in range(7):
            for name in ("vgg.onnx", "copy.onnx"):
                Path(folder, name).unlink(missing_ok=True)
            os.sync()  # neither pays for writing back what the other left
            wrote.append(seconds(vgg))
            os.sync()
            start = time.perf_counter()
            shutil.copyfile(f"{folder}/vgg.onnx", f"{folder}/copy.onnx")
            copied.append(time.perf_counter() - start)
        size = Path(folder, "vgg.onnx").stat().st_size
    times |= {f"netdsl export, VGG-16 ({size / 1e6:.0f} MB)": median(wrote), "copying that file": median(copied)}
    for name, value in times.items():
        print(f"{1000 * value:8.0f} ms  {name}")
    results = [
        verdict("torch.onnx.export / netdsl export, ResNet-50", theirs / ours, 5, at_most=False),
        verdict("netdsl export / copy, VGG-16", median(wrote) / median(copied), 3, at_most=True),
        verdict("peak memory / weights, VGG-16", peak / size, 1.3, at_most=True),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
