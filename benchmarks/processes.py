"""Times training in several processes, with PyTorch's CPU backend.

    python benchmarks/processes.py DIR [--rounds 5]

`DIR` is the folder with CIFAR-10. The images per second of real runs of `netdsl train` are
those in their logs, of all epochs but the first, so without the start and the test.

- One process under `torchrun`, against the same without it (LeNet-5). Both run at the same time,
  with one thread each, because the speed of a machine that others use changes all the time.
- Two processes that train ResNet-18 together, against two that each train one on half the batch, at
  the same time and without knowing of each other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from measure import header, verdict

import netdsl

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1")
EPOCHS = {"lenet5": 13, "resnet:ResNet18": 4}  # an epoch of LeNet-5 takes only a second
# For ResNets, of the whole batch: the paper takes 128 on CIFAR-10 and 256 on ImageNet. The bound is
# judged with the first. Each step sends as many bytes, so a larger batch hides more of them.
BATCHES = (128, 256)


class Training:
    """A run in a folder of its own, with one thread for each process if there are two."""

    def __init__(self, folder: Path, net: str, data: str, *words: str, launcher: tuple[str, ...]):
        self.log = folder / "log.jsonl"
        command = [sys.executable, *launcher, "-m", "netdsl", "train", net, "--data", data]
        command += ["--out", str(folder), "--set", f"train.epochs={EPOCHS[net]}", *words]
        source = str(Path(netdsl.__file__).parents[1])
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": source},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def images_per_second(self) -> float:
        """The median over the epochs, once the run has ended."""
        _, messages = self.process.communicate()
        if self.process.returncode:
            sys.exit(messages)
        records = [json.loads(line) for line in self.log.read_text().splitlines()]
        return float(median(record["images_per_second"] for record in records[1:]))


def under_torchrun(folder: Path, rounds: int) -> bool:
    """Compare one process under `torchrun` with one without it."""
    ratios = []
    words = ("--set", "train.threads=1")
    for number in range(rounds):
        runs = {}
        for name, launcher in (("alone", ()), ("torchrun", TORCHRUN)):
            out = folder / f"{name}-{number}"
            runs[name] = Training(out, "lenet5", "fashion_mnist_sample", *words, launcher=launcher)
        speeds = {name: run.images_per_second() for name, run in runs.items()}
        print(f"LeNet-5: {speeds['alone']:8,.0f} images/s alone, {speeds['torchrun']:8,.0f} under")
        ratios.append(speeds["torchrun"] / speeds["alone"])
    return verdict("one process under torchrun: ratio", median(ratios), 0.98, at_most=False)


def together(folder: Path, data: str, rounds: int, batch: int) -> float:
    """The throughput of two processes that train one net, by that of two that train one each."""
    ratios = []
    words = ("-D", "classes=10", "--set", "train.augment=[]", "--set")
    for number in range(rounds):
        both = Training(
            folder / f"both-{batch}-{number}",
            "resnet:ResNet18",
            data,
            *words,
            f"train.batch={batch}",
            "--nproc",
            "2",
            launcher=(),
        ).images_per_second()
        own = [
            Training(
                folder / f"own-{batch}-{number}-{half}",
                "resnet:ResNet18",
                data,
                *words,
                f"train.batch={batch // 2}",
                "--set",
                "train.threads=1",
                launcher=(),
            )
            for half in range(2)
        ]
        apart = sum(run.images_per_second() for run in own)
        print(f"ResNet-18, {batch}: {both:8,.1f} images/s together, {apart:8,.1f} apart")
        ratios.append(both / apart)
    return median(ratios)


def main() -> int:
    """Print the ratios; returns 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folder", help="the folder with CIFAR-10")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=1024, help="training images (default: 1024)")
    arguments = parser.parse_args()
    header("torch")
    data = f'cifar10(root = "{arguments.folder}", limit = {arguments.limit})'
    with tempfile.TemporaryDirectory() as folder:
        one = under_torchrun(Path(folder), arguments.rounds)
        found = [together(Path(folder), data, arguments.rounds, batch) for batch in BATCHES]
    print(f"two processes together, batches of {BATCHES[1]}: ratio {found[1]:.3f}")
    name = f"two processes together, batches of {BATCHES[0]}: ratio"
    two = verdict(name, found[0], 0.8, at_most=False)
    return 0 if one and two else 1


if __name__ == "__main__":
    sys.exit(main())
