"""The few modules and functions that `torch.nn` lacks.

Emitted source contains a copy of those that it uses.
"""

from __future__ import annotations

from math import prod

import torch
from torch import nn
from torch.nn import functional as F


class Subsample(nn.Module):
    """LeNet-5's pooling: weight x sum of the window + bias, one pair for each map."""

    def __init__(self, channels: int, window: tuple[int, ...], bias: bool = True) -> None:
        super().__init__()
        self.window = window
        self.weight = nn.Parameter(torch.full((channels,), 1 / prod(window)))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(self.window) - 1]
        shape = (-1,) + (1,) * len(self.window)
        y = pool(x, self.window) * prod(self.window) * self.weight.view(shape)
        return y if self.bias is None else y + self.bias.view(shape)


class DropPath(nn.Module):
    """Stochastic depth: in training, drops whole samples at random.

    A sample becomes zeros with probability p; the others are multiplied by 1 / (1 - p).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        keep = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), device=x.device) >= self.p
        return x * keep / max(1 - self.p, 1e-12)


class ToFloat(nn.Module):
    """Numbers in the type of the net's weights, which `half()` and `double()` change."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert isinstance(self.like, torch.Tensor)
        return x.to(self.like.dtype)


class RBF(nn.Module):
    """Squared distances to learned codes: y_i = sum over j of (x_j - w_ij)^2."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(units, features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.unsqueeze(1) - self.weight).square().sum(2)


class PartialConv(nn.Module):
    """A convolution in which each output map sees only some of the input maps.

    `connections` lists the input maps of each output map. Each connection has a window of weights.
    """

    def __init__(
        self,
        connections: tuple[tuple[int, ...], ...],
        channels: int,
        window: tuple[int, ...],
        stride: tuple[int, ...],
        pad: int | tuple[int, ...],
        dilation: tuple[int, ...],
        bias: bool,
    ) -> None:
        super().__init__()
        self.channels, self.stride, self.pad, self.dilation = channels, stride, pad, dilation
        self.outputs = [i for i, maps in enumerate(connections) for _ in maps]
        self.inputs = [m for maps in connections for m in maps]
        self.weight = nn.Parameter(torch.empty(len(self.inputs), *window))
        self.bias = nn.Parameter(torch.empty(len(connections))) if bias else None
        bound = (max(map(len, connections)) * prod(window)) ** -0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def kernel(self) -> torch.Tensor:
        """The whole kernel, zero where maps are not connected."""
        whole = self.weight.new_zeros(max(self.outputs) + 1, self.channels, *self.weight.shape[1:])
        return whole.index_put((torch.tensor(self.outputs), torch.tensor(self.inputs)), self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        conv = (F.conv1d, F.conv2d, F.conv3d)[len(self.stride) - 1]
        return conv(x, self.kernel(), self.bias, self.stride, self.pad, self.dilation)


class GCNConv(nn.Module):
    """A (X W) + b, where A can be normalised first: D^(-1/2) (A + I) D^(-1/2)."""

    def __init__(self, features: int, units: int, bias: bool, normalize: bool) -> None:
        super().__init__()
        self.normalize = normalize
        self.bias = nn.Parameter(torch.zeros(units)) if bias else None
        self.lin = nn.Linear(features, units, bias=False)
        nn.init.xavier_uniform_(self.lin.weight)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        if self.normalize:
            edges = edges + torch.eye(x.shape[1], dtype=edges.dtype, device=edges.device)
            scale = edges.sum(2).clamp(min=1).rsqrt()
            edges = scale[:, :, None] * edges * scale[:, None, :]
        y: torch.Tensor = edges @ self.lin(x)
        return y if self.bias is None else y + self.bias


class ChebConv(nn.Module):
    """The sum over k of T_k(L) X W_k, plus b.

    T_k are the Chebyshev polynomials, and L is the scaled Laplacian.
    """

    def __init__(self, features: int, units: int, k: int, bias: bool) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(units)) if bias else None
        lins = [nn.Linear(features, units, bias=False) for _ in range(k)]
        for lin in lins:
            nn.init.xavier_uniform_(lin.weight)
        self.lins = nn.ModuleList(lins)

    def forward(self, x: torch.Tensor, laplacian: torch.Tensor) -> torch.Tensor:
        before, term = x, x
        y: torch.Tensor = self.lins[0](x)
        for k, lin in enumerate(self.lins[1:], start=1):
            before, term = term, laplacian @ x if k == 1 else 2 * (laplacian @ term) - before
            y = y + lin(term)
        return y if self.bias is None else y + self.bias


class SAGEConv(nn.Module):
    """W_r x + W_l m + b, with m the mean over the neighbours of each vertex."""

    def __init__(self, features: int, units: int, bias: bool) -> None:
        super().__init__()
        self.lin_l = nn.Linear(features, units, bias=bias)
        self.lin_r = nn.Linear(features, units, bias=False)

    def forward(self, x: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        mean = edges @ x / edges.sum(2, keepdim=True).clamp(min=1)
        y: torch.Tensor = self.lin_l(mean) + self.lin_r(x)
        return y


def attention_mask(
    x: torch.Tensor,
    keys: int,
    heads: int,
    mask: torch.Tensor | None = None,
    padding: torch.Tensor | None = None,
    causal: bool = False,
) -> torch.Tensor:
    """What is added to the scores of nn.MultiheadAttention: (N windows heads) x queries x keys.

    `x` are the queries, N x windows x queries x D; there may be any number of axes of windows, and
    `mask` and `padding` may lack them. True in a mask hides a key.
    """
    scores = x.new_zeros(*x.shape[:-2], heads, x.shape[-2], keys)
    if mask is not None:
        mask = mask.reshape(len(mask), *(1,) * (scores.dim() - mask.dim()), *mask.shape[1:])
        hidden = mask.dtype == torch.bool
        scores = scores.masked_fill(mask, -torch.inf) if hidden else scores + mask
    if padding is not None:
        windows = (*(1,) * (scores.dim() - 2 - padding.dim()), *padding.shape[1:-1])
        padding = padding.reshape(len(padding), *windows, 1, 1, padding.shape[-1])
        scores = scores.masked_fill(padding, -torch.inf)
    if causal:
        scores = scores.masked_fill(scores.new_ones(scores.shape[-2:]).triu(1) > 0, -torch.inf)
    return scores.flatten(0, -3)


def with_states(
    made: tuple[torch.Tensor, torch.Tensor | tuple[torch.Tensor, ...]], *places: int, last: int = 0
) -> tuple[torch.Tensor, ...]:
    """The sequence that a recurrent module returns, and its final states, with the batch first.

    The states are those at `places`: h is at 0, c at 1. With `last`, the final h of that many
    directions replaces the sequence.
    """
    sequence, states = made
    states = states if isinstance(states, tuple) else (states,)
    y = states[0][-last:].transpose(0, 1).flatten(1) if last else sequence
    return y, *(states[place].transpose(0, 1).squeeze(1) for place in places)


def crop_to(
    x: torch.Tensor, sizes: tuple[int, ...], offset: tuple[int, ...] | None = None
) -> torch.Tensor:
    """Cut the spatial axes of `x` to `sizes`: from the middle, or from `offset` on."""
    for axis, size in enumerate(sizes, start=2):
        start = (x.shape[axis] - size) // 2 if offset is None else offset[axis - 2]
        x = x.narrow(axis, start, size)
    return x


def pad_same(
    x: torch.Tensor,
    window: tuple[int, ...],
    stride: tuple[int, ...],
    mode: str = "constant",
    value: float | None = None,
) -> torch.Tensor:
    """Pad the spatial axes so that a window has ceil(size / stride) positions on each.

    An odd pixel is added at the end.
    """
    widths: list[int] = []
    for size, k, s in zip(x.shape[2:], window, stride, strict=True):
        total = max((size - 1) // s * s + k - size, 0)
        widths = [total // 2, total - total // 2, *widths]
    return F.pad(x, widths, mode, value)


def resize_nearest_exact(x: torch.Tensor, sizes: tuple[int, ...]) -> torch.Tensor:
    """`F.interpolate` with the mode `nearest-exact`, but the same on every processor."""
    for axis, size in enumerate(sizes, start=2):
        step = torch.tensor(x.shape[axis] / size, dtype=torch.float32, device=x.device)
        places = (torch.arange(size, device=x.device) + 0.5) * step
        x = x.index_select(axis, places.floor().long().clamp(max=x.shape[axis] - 1))
    return x


def bilinear_(weight: torch.Tensor) -> None:
    """Fill a transposed convolution's weight so that it interpolates each channel by itself."""
    kernel = torch.ones(())
    for k in weight.shape[2:]:
        factor = (k + 1) // 2
        centre = factor - 1 if k % 2 else factor - 0.5
        kernel = kernel.unsqueeze(-1) * (1 - (torch.arange(k) - centre).abs() / factor)
    weight.zero_()
    for i in range(weight.shape[0]):
        weight[i, i % weight.shape[1]] = kernel


def roi_max_pool(
    x: torch.Tensor, boxes: torch.Tensor, size: tuple[int, int], scale: float
) -> torch.Tensor:
    """The largest value in each of size bins of each box.

    Takes N x C x H x W and N x R x 4, and gives N x R x C x size.
    """
    corners = boxes * scale
    whole = corners.trunc()
    rest = corners - whole
    corners = whole + (rest.abs() >= 0.5) * rest.sign()  # halves away from 0, as C rounds
    index, empty = [], []
    for axis, n in enumerate(size):
        first, last = corners[..., 1 - axis, None], corners[..., 3 - axis, None]
        bins = torch.arange(n, device=x.device)
        width = (last - first + 1).clamp(min=1) / n
        start = ((bins * width).floor() + first).clamp(0, x.shape[2 + axis]).long()
        end = (((bins + 1) * width).ceil() + first).clamp(0, x.shape[2 + axis]).long()
        steps = torch.arange(max(1, int((end - start).max())), device=x.device)
        index.append(torch.minimum(start[..., None] + steps, end[..., None] - 1).clamp(min=0))
        empty.append(end <= start)
    sample = torch.arange(x.shape[0], device=x.device).view(-1, 1, 1, 1, 1, 1)
    largest = x[sample, :, index[0][:, :, :, :, None, None], index[1][:, :, None, None]].amax(
        (3, 5)
    )
    nothing = empty[0][..., None] | empty[1][:, :, None]
    return largest.masked_fill(nothing[..., None], 0).permute(0, 1, 4, 2, 3)


def roi_align(
    x: torch.Tensor,
    boxes: torch.Tensor,
    size: tuple[int, int],
    scale: float,
    samples: int,
    aligned: bool,
) -> torch.Tensor:
    """The mean of samples x samples interpolated points in each of size bins of each box.

    Takes N x C x H x W and N x R x 4, and gives N x R x C x size.
    """
    corners = boxes * scale - 0.5 * aligned
    low, high, part, inside = [], [], [], []
    for axis, n in enumerate(size):
        first, last, end = (
            corners[..., 1 - axis, None],
            corners[..., 3 - axis, None],
            x.shape[2 + axis],
        )
        width = last - first if aligned else (last - first).clamp(min=1)
        points = torch.arange(n * samples, device=x.device)
        at = (
            first
            + points // samples * (width / n)
            + (points % samples + 0.5) * (width / n) / samples
        )
        inside.append((at >= -1) & (at <= end))
        at = at.clamp(0, end - 1)
        low.append(at.long())
        high.append((at.long() + 1).clamp(max=end - 1))
        part.append(at - at.long())
    sample = torch.arange(x.shape[0], device=x.device).view(-1, 1, 1, 1)
    mean = x.new_zeros(())
    for row, down in ((low[0], (1 - part[0]) * inside[0]), (high[0], part[0] * inside[0])):
        for column, across in ((low[1], (1 - part[1]) * inside[1]), (high[1], part[1] * inside[1])):
            values = x[sample, :, row[..., None], column[:, :, None]]
            mean = mean + values * (down[..., None] * across[:, :, None])[..., None]
    split = torch.unflatten(torch.unflatten(mean, 3, (-1, samples)), 2, (-1, samples))
    return split.mean((3, 5)).permute(0, 1, 4, 2, 3)
