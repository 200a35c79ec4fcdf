"""`netdsl check resnet:ResNet50` as a whole process, beside importing torch, torchinfo and HNDL; the whole library in one process;
ResNet-152 typed in a process that is warm.

    python benchmarks/check.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import cpu_seconds, header, in_turns, seconds, verdict, warm_up

ROUNDS = 9
# The same net in torchinfo's way: the module by hand is what netdsl writes of it, so that both count the same layers.
TORCHINFO = "import sys; sys.path.insert(0, {folder!r}); import resnet50, torchinfo; torchinfo.summary(resnet50.ResNet50(), (1, 3, 224, 224))"
HNDL = """conv(64, kernel_size=7, stride=2, padding=3, bias=False)
batch_norm()
relu()
max_pool(3, stride=2, padding=1)
resblock(64)
resblock(64)
resblock(128, stride=2)
resblock(128)
resblock(256, stride=2)
resblock(256)
resblock(512, stride=2)
resblock(512)
global_avg_pool()
linear()
"""
LIBRARY = """
import sys
from netdsl.cli import run
from netdsl.library import library_names
sys.exit(max(run(["check", name]) for name in library_names()))
"""
WARM = """
import time
from statistics import median
from netdsl.driver import compile_net, open_program

def once():
    start = time.process_time()
    compile_net(open_program("resnet"), "ResNet152")
    return time.process_time() - start

print([once() for _ in range(3)] and median(once() for _ in range(21)))
"""
SIDECAR = '{"title": "ResNet-18", "input_shape": ["B", 3, 224, 224], "output_shape": ["B", 1000]}'


def main() -> int:
    """Print the medians and the ratios; returns 1 where a bound is missed."""
    header("torch", "torchinfo", "hndl")
    warm_up()
    python, netdsl = sys.executable, [sys.executable, "-m", "netdsl"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "resnet18.hndl").write_text(HNDL)
        Path(folder, "resnet18.json").write_text(SIDECAR)
        commands = {
            "netdsl check resnet:ResNet50": [*netdsl, "check", "resnet:ResNet50"],
            "netdsl check resnet:ResNet18": [*netdsl, "check", "resnet:ResNet18", "--input", "3x224x224"],
            'python -c "import torch"': [python, "-c", "import torch"],
            "torchinfo, ResNet-50": [python, "-c", TORCHINFO.format(folder=folder)],
            "netdsl check of the whole library": [python, "-c", LIBRARY],
            "hndl inspect, ResNet-18": [python, "-m", "hndl", "inspect", str(Path(folder, "resnet18.hndl"))],
        }
        seconds([*netdsl, "export", "resnet:ResNet50", "-o", str(Path(folder, "resnet50.py"))])
        times = in_turns(commands, ROUNDS)
    for name, value in times.items():
        print(f"{1000 * value:8.0f} ms  {name}")
    library_cpu = cpu_seconds(commands["netdsl check of the whole library"], ROUNDS)
    warm = float(subprocess.run([python, "-c", WARM], check=True, capture_output=True, text=True).stdout)
    print(f"{1000 * library_cpu:8.0f} ms  netdsl check of the whole library, processor time")
    print(f"{1000 * warm:8.0f} ms  reading and typing ResNet-152 in a warm process, processor time")
    fifty, eighteen, torch, info, library, hndl = times.values()
    results = [
        verdict("check of ResNet-50 / import torch", fifty / torch, 0.15, at_most=True),
        verdict("torchinfo / check of ResNet-50", info / fifty, 8, at_most=False),
        verdict("hndl / check of ResNet-18", hndl / eighteen, 8, at_most=False),
        verdict("check of the library, seconds of processor time", library_cpu, 2, at_most=True),
        verdict("check of the library / import torch", library / torch, 4, at_most=True),
        verdict("ResNet-152 typed in a warm process, milliseconds of processor time", 1000 * warm, 50, at_most=True),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
