"""Counts the MACs and parameters of eight nets with netdsl and with other programs.

    python benchmarks/counts.py

The benchmark divides each count by the true one. It exits with 1 unless netdsl is exact for every
net. The column of a program that is not installed is empty. The extra `bench` installs all but
ultralytics-thop, the maintained fork of thop, whose licence is the AGPL.

A MAC is a product of two numbers that is added to a sum: in a convolution, a matrix product, a
recurrent layer or attention, for one sample. Products with the zeros of padding count, and so do
those that a transposed convolution cuts off. Biases, normalisations, activations and pooling do not
count.

The true number is derived by hand in `counted_nets.py`, and confirmed by computing: PyTorch runs
the net in float64, without fused kernels, and repeats each convolution and matrix product with ones
in place of all numbers, so that each product adds one to the sum of the results.

The other programs count a PyTorch module in evaluation mode, on the CPU, with gradients enabled:
without gradients, PyTorch fuses more layers, and fvcore and `FlopCounterMode` miss more. HNDL
counts the same net, written for HNDL. FLOPs are divided by 2 if a program counts two for each MAC.

Some programs also count biases and elementwise operations. This is not a mistake, and the nets are
chosen so that it adds less than 5 % to a count. The last row is the number of nets for which a
program is right within 5 %. fvcore warns about the operators that it leaves out.
"""

from __future__ import annotations

import contextlib
import io
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from counted_nets import NETS, Example
from measure import header
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import pad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import netdsl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

TOLERANCE = 0.05


class Count(NamedTuple):
    """The MACs and the parameters of a net; None for a figure that a program does not count."""

    macs: float | None
    params: float | None


# ---- the truth


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the products of every convolution and matrix product, by repeating it with ones."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.number = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in {"mm", "bmm"}:
            self.number += _sum(torch.ones_like(args[0]) @ torch.ones_like(args[1]))
        elif name in {"addmm", "baddbmm"}:
            self.number += _sum(torch.ones_like(args[1]) @ torch.ones_like(args[2]))
        elif name == "convolution":
            self.number += _sum(_convolution_of_ones(args))
        return func(*args, **(kwargs or {}))


def _sum(results: Tensor) -> int:
    return int(results.sum())


def _convolution_of_ones(args: Sequence[Any]) -> Tensor:
    """The convolution with ones, also as padding; a transposed one cuts nothing off."""
    x, weight, _, stride, padding, dilation, transposed, _, groups = args
    if not transposed:
        x = pad(x, [size for size in reversed(padding) for _ in range(2)])
    ones, none = (torch.ones_like(x), torch.ones_like(weight)), [0] * len(padding)
    return torch.convolution(*ones, None, stride, none, dilation, transposed, none, groups)


def computed(net: Example) -> Count:
    """The products that PyTorch computes for one sample, and the parameters of the module."""
    module, products = _module(net).double(), Products()
    with sdpa_kernel(SDPBackend.MATH), products:
        module(torch.zeros(1, *net.input, dtype=torch.float64))
    return Count(products.number, sum(p.numel() for p in module.parameters()))


# ---- the programs


def _netdsl(net: Example) -> Count:
    compiled = netdsl.loads(net.source)
    assert isinstance(compiled.macs, int)
    return Count(compiled.macs, compiled.params)


def _hndl(net: Example) -> Count:
    if net.hndl is None:
        return Count(None, None)
    shapes = {"input_shape": ("B", *net.input), "output_shape": ("B", *net.output)}
    profile = import_module("hndl").resolve(net.hndl, **shapes).profile()
    return Count(profile.forward_flops / 2, profile.total_parameters)


def _torchinfo(net: Example) -> Count:
    summary = import_module("torchinfo").summary(_module(net), (1, *net.input), verbose=0)
    return Count(summary.total_mult_adds, summary.total_params)


def _fvcore(net: Example) -> Count:
    fvcore, module = import_module("fvcore.nn"), _module(net)
    counter = fvcore.FlopCountAnalysis(module, torch.zeros(1, *net.input))
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return Count(counter.total(), fvcore.parameter_count(module)[""])


def _torch(net: Example, device: str = "cpu") -> Count:
    with FlopCounterMode(display=False) as counter:
        _module(net).to(device)(torch.zeros(1, *net.input, device=device))
    return Count(counter.get_total_flops() / 2, None)


def _torch_on_meta(net: Example) -> Count:
    return _torch(net, "meta")


def _ptflops(net: Example) -> Count:
    count = import_module("ptflops").get_model_complexity_info
    return Count(*count(_module(net), net.input, as_strings=False, print_per_layer_stat=False))


def _thop(net: Example) -> Count:
    profile = import_module("thop").profile
    return Count(*profile(_module(net), (torch.zeros(1, *net.input),), verbose=False))


def _module(net: Example) -> nn.Module:
    """A new module, because some programs change the module that they count."""
    return net.module().eval()


class Program(NamedTuple):
    """A program, its package, what it counts, and the function that returns a count."""

    name: str
    package: str
    counts: str
    counted: Callable[[Example], Count]

    @property
    def version(self) -> str | None:
        """The version of the package; None if it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def results(self) -> list[Count]:
        """The counts of every net. What the program prints is dropped."""
        if self.version is None:
            return [Count(None, None)] * len(NETS)
        with contextlib.redirect_stdout(io.StringIO()):
            return [self.counted(net) for net in NETS]


PROGRAMS = (
    Program("netdsl", "netdsl", "MACs", _netdsl),
    Program("ptflops", "ptflops", "MACs, biases and elementwise operations", _ptflops),
    Program("torch", "torch", "FLOPs in `FlopCounterMode`, two per MAC", _torch),
    Program("on meta", "torch", "the same for tensors on the device `meta`", _torch_on_meta),
    Program("fvcore", "fvcore", "FLOPs, one per MAC, and normalisations", _fvcore),
    Program("thop", "ultralytics-thop", "MACs, and some elementwise operations", _thop),
    Program("torchinfo", "torchinfo", "multiply-adds, and biases", _torchinfo),
    Program("HNDL", "hndl", "FLOPs, two per MAC, and elementwise operations", _hndl),
)


# ---- the tables


def cell(count: float | None, truth: int) -> str:
    """A count divided by the true one."""
    if count is None:
        return "-"
    if count == truth:
        return "exact"
    return f"{count / truth:.3f}"


def within(counts: Sequence[float | None], truths: Sequence[int]) -> str:
    """The number of counts that are right within the tolerance."""
    ratios = [
        count / truth for count, truth in zip(counts, truths, strict=True) if count is not None
    ]
    if not ratios:
        return "-"
    right = sum(abs(ratio - 1) <= TOLERANCE for ratio in ratios)
    return f"{right} of {len(ratios)}"


def table(what: str, truths: Sequence[int], columns: dict[str, list[float | None]]) -> str:
    """A table in Markdown with a row for each net and a column for each program."""
    rows = [["net", what, *columns]]
    for net, truth, *counts in zip(NETS, truths, *columns.values(), strict=True):
        rows.append([net.name, f"{truth:,}", *(cell(count, truth) for count in counts)])
    last = [within(counts, truths) for counts in columns.values()]
    rows.append([f"right within {100 * TOLERANCE:g} %", "", *last])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: list[str], widths: list[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Print both tables; returns 1 if netdsl miscounts, or if a true count is not confirmed."""
    header("torch")
    for program in PROGRAMS:
        print(f"  {program.name}: {program.version or 'not installed'}, counts {program.counts}")
    results = {program.name: program.results() for program in PROGRAMS}
    truths = {"MACs": [net.macs for net in NETS], "parameters": [net.params for net in NETS]}
    for index, (what, true) in enumerate(truths.items()):
        columns = {name: [count[index] for count in counts] for name, counts in results.items()}
        print(f"\n{table(what, true, columns)}")
    pairs = list(zip(*truths.values(), strict=True))
    confirmed = sum(computed(net) == pair for net, pair in zip(NETS, pairs, strict=True))
    print(f"\nPyTorch computes the true number of products for {confirmed} of {len(NETS)} nets.")
    return 0 if results["netdsl"] == pairs and confirmed == len(NETS) else 1


if __name__ == "__main__":
    sys.exit(main())
