"""The few modules and functions that `torch.nn` has not. Emitted source carries a copy of those it uses."""

from __future__ import annotations

from math import prod

import torch
from torch import nn
from torch.nn import functional as F


class Subsample(nn.Module):
    """LeNet-5's pooling: weight x sum of the window + bias, one pair for each map."""

    def __init__(self, channels: int, window: tuple[int, ...]) -> None:
        super().__init__()
        self.window = window
        self.weight = nn.Parameter(torch.full((channels,), 1 / prod(window)))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(self.window) - 1]
        shape = (-1,) + (1,) * len(self.window)
        return pool(x, self.window) * prod(self.window) * self.weight.view(shape) + self.bias.view(shape)


class DropPath(nn.Module):
    """Stochastic depth: in training, zero whole samples with probability p and scale the rest by 1 / (1 - p)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        keep = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), device=x.device) >= self.p
        return x * keep / max(1 - self.p, 1e-12)


class RBF(nn.Module):
    """Squared distances to learned codes: y_i = sum over j of (x_j - w_ij)^2."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(units, features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.unsqueeze(1) - self.weight).square().sum(2)


class Learned(nn.Module):
    """A learned tensor, repeated for each sample of the input."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight.expand(x.shape[0], *self.weight.shape)


def crop_to(x: torch.Tensor, sizes: tuple[int, ...], offset: tuple[int, ...] | None = None) -> torch.Tensor:
    """Cut the spatial axes of `x` to `sizes`: from the middle, or from `offset` on."""
    for axis, size in enumerate(sizes, start=2):
        start = (x.shape[axis] - size) // 2 if offset is None else offset[axis - 2]
        x = x.narrow(axis, start, size)
    return x


def bilinear_(weight: torch.Tensor) -> None:
    """Fill a transposed convolution's weight so that it interpolates, each channel apart."""
    kernel = torch.ones(())
    for k in weight.shape[2:]:
        factor = (k + 1) // 2
        centre = factor - 1 if k % 2 else factor - 0.5
        kernel = kernel.unsqueeze(-1) * (1 - (torch.arange(k) - centre).abs() / factor)
    weight.zero_()
    for i in range(weight.shape[0]):
        weight[i, i % weight.shape[1]] = kernel
