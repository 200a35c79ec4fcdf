"""Times `netdsl check` and compares it with PyTorch, torchinfo and HNDL.

    python benchmarks/check.py [--phases]

The benchmark times `netdsl check resnet:ResNet50` as a whole process and compares it with
`import torch`, torchinfo and HNDL. It also times the check of the whole library in one process, and
the type check of ResNet-152 in a warm process, compared with building the modules of that net in
PyTorch. With `--phases` it prints only the time that each phase of `check` takes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from measure import header, in_turns, ratio, seconds, verdict, warm_up

ROUNDS = 9
# torchinfo summarises the module that `netdsl export` writes, so that both count the same layers.
TORCHINFO = (
    "import sys; sys.path.insert(0, {folder!r}); import resnet50, torchinfo;"
    " torchinfo.summary(resnet50.ResNet50(), (1, 3, 224, 224))"
)
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
# Compares the type check of ResNet-152 with building its modules on `meta`, without memory for
# weights.
WARM = """
import time
from statistics import median
import torch
import netdsl
from netdsl.driver import compile_net, open_program

Module = type(netdsl.load("resnet:ResNet152").torch())

def ours():
    compile_net(open_program("resnet"), "ResNet152")

def theirs():
    with torch.device("meta"):
        Module()

def seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start

pairs = [(seconds(ours), seconds(theirs)) for _ in range(24)][3:]
print(median(a / b for a, b in pairs))
"""
PHASES = """
import time
times = [("Python itself", time.perf_counter())]

def mark(name):
    times.append((name, time.perf_counter()))

from netdsl import cli
from netdsl.commands.parser import parse
mark("imports")
arguments = parse(["check", "resnet:ResNet50"])
mark("the command line")
from netdsl.analysis.summary import Summary
from netdsl.commands import check, table
mark("imports of the command")
from netdsl.analysis.lint.warnings import warnings_of
from netdsl.driver import check_expects, compile_net, open_program
program = open_program("resnet")
mark("parsing")
compiled = compile_net(program, "ResNet50")
mark("typing and counting")
done = check.Checked("ResNet50", "ResNet50")
done.summary = Summary(compiled.graph, compiled.costs, compiled.valid_for)
mark("totals")
check_expects(compiled)
mark("the expect lines")
warnings_of(program.module, [compiled])
mark("warnings")
table.print_nets([done], arguments)
mark("printing")
import json, sys
json.dump(times, sys.stderr)
"""
SIDECAR = '{"title": "ResNet-18", "input_shape": ["B", 3, 224, 224], "output_shape": ["B", 1000]}'


def main() -> int:
    """Print the medians and the ratios; returns 1 if a bound is missed."""
    header("torch", "torchinfo", "hndl")
    warm_up()
    if "--phases" in sys.argv:
        phases()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        times = in_turns(commands(folder), ROUNDS)
    warm = float(printed([sys.executable, "-c", WARM]).stdout)
    fifty, eighteen, torch, info, library, hndl = times.values()
    results = [
        verdict("check of ResNet-50 / import torch", ratio(fifty, torch), 0.12, at_most=True),
        verdict("torchinfo / check of ResNet-50", ratio(info, fifty), 8, at_most=False),
        verdict("hndl / check of ResNet-18", ratio(hndl, eighteen), 8, at_most=False),
        verdict("check of the library / import torch", ratio(library, torch), 3, at_most=True),
        verdict("typing ResNet-152 / building it on meta, both warm", warm, 1, at_most=True),
    ]
    return 0 if all(results) else 1


def commands(folder: str) -> dict[str, list[str]]:
    """The commands to time, by name."""
    python, netdsl = sys.executable, [sys.executable, "-m", "netdsl"]
    Path(folder, "resnet18.hndl").write_text(HNDL)
    Path(folder, "resnet18.json").write_text(SIDECAR)
    seconds([*netdsl, "export", "resnet:ResNet50", "-o", str(Path(folder, "resnet50.py"))])
    hndl = [python, "-m", "hndl", "inspect", "--profile", str(Path(folder, "resnet18.hndl"))]
    eighteen = [*netdsl, "check", "resnet:ResNet18", "--input", "3x224x224"]
    return {
        "netdsl check resnet:ResNet50": [*netdsl, "check", "resnet:ResNet50"],
        "netdsl check resnet:ResNet18": eighteen,
        'python -c "import torch"': [python, "-c", "import torch"],
        "torchinfo, ResNet-50": [python, "-c", TORCHINFO.format(folder=folder)],
        "netdsl check of the whole library": [python, "-c", LIBRARY],
        "hndl inspect, ResNet-18": hndl,
    }


def printed(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command, which must succeed, and capture what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True)


def phases() -> None:
    """Print the median time of each phase of `check`, and its share of `import torch`."""
    phase_times: dict[str, list[float]] = {}
    torch = []
    for _ in range(ROUNDS):
        last = time.perf_counter()  # all processes share this clock
        done = printed([sys.executable, "-c", PHASES])
        for name, at in json.loads(done.stderr):
            phase_times.setdefault(name, []).append(at - last)
            last = at
        torch.append(seconds([sys.executable, "-c", "import torch"]))
    for name, times in phase_times.items():
        share = 100 * ratio(times, torch)
        print(f"{1000 * median(times):8.1f} ms  {name}, {share:.1f} % of import torch")
    total = [sum(times) for times in zip(*phase_times.values(), strict=True)]
    print(f"{1000 * median(total):8.1f} ms  all of it, {100 * ratio(total, torch):.1f} %")


if __name__ == "__main__":
    sys.exit(main())
