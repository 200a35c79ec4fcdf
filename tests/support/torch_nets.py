"""Networks as users of PyTorch write them, for tests of the import."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

    Tensors = tuple[torch.Tensor, ...]


class Case(NamedTuple):
    """A network and an input for it, both made when they are needed."""

    module: Callable[[], nn.Module]
    inputs: Callable[[], Tensors]


class Bottleneck(nn.Module):
    """The residual block of ResNet-50."""

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.downsample = nn.Sequential()
        if stride != 1 or channels != 4 * width:
            conv = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(4 * width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        out: torch.Tensor = self.relu(self.bn3(self.conv3(y)) + self.downsample(x))
        return out


def residual_net() -> nn.Module:
    """A ResNet with names of its own."""
    stages = []
    channels = 16
    for i, width in enumerate((8, 16, 32)):
        first = Bottleneck(channels, width, 1 + (i > 0))
        channels = 4 * width
        stages.append(nn.Sequential(first, *(Bottleneck(channels, width) for _ in range(2))))
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        *stages,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 10),
    )


class Gated(nn.Module):
    """An inverted residual with squeeze and excitation."""

    def __init__(self, channels: int, act: type[nn.Module], gate: type[nn.Module]) -> None:
        super().__init__()
        wide = 4 * channels
        self.expand = nn.Sequential(nn.Conv2d(channels, wide, 1), act())
        self.depthwise = nn.Sequential(nn.Conv2d(wide, wide, 3, padding=1, groups=wide), act())
        self.reduce = nn.Conv2d(wide, channels, 1)
        self.restore = nn.Conv2d(channels, wide, 1)
        self.gate = gate()
        self.project = nn.Conv2d(wide, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        y = self.depthwise(self.expand(x))
        scale = self.restore(F.relu(self.reduce(F.adaptive_avg_pool2d(y, 1))))
        out: torch.Tensor = x + self.project(y * self.gate(scale))
        return out


def gated_net(act: type[nn.Module], gate: type[nn.Module]) -> nn.Module:
    """A small EfficientNet or MobileNetV3."""
    blocks = [Gated(8, act, gate) for _ in range(3)]
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), *blocks, nn.Flatten(), nn.Linear(8 * 15 * 15, 5))


class Encoder(nn.Module):
    """A block of a vision transformer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        out: torch.Tensor = x + self.mlp(self.ln_2(x))
        return out


class VisionTransformer(nn.Module):
    """Patches, a class token, positions, and blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(3, 32, 8, 8)
        self.class_token = nn.Parameter(torch.randn(1, 1, 32))
        self.pos_embedding = nn.Parameter(torch.randn(1, 17, 32))
        self.layers = nn.Sequential(*(Encoder(32, 4) for _ in range(3)))
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The scores of pictures."""
        patches = self.conv_proj(x).flatten(2).transpose(1, 2)
        token = self.class_token.expand(x.shape[0], -1, -1)
        y = torch.cat([token, patches], 1) + self.pos_embedding
        out: torch.Tensor = self.head(self.layers(y)[:, 0])
        return out


class Decoder(nn.Module):
    """A block of GPT-2, with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        batch, steps, width = x.shape
        parts = self.c_attn(self.ln(x)).split(width, 2)
        shape = (batch, steps, self.heads, width // self.heads)
        q, k, v = (part.view(shape).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: torch.Tensor = x + self.c_proj(y.transpose(1, 2).reshape(batch, steps, width))
        return out


class LanguageModel(nn.Module):
    """Embeddings, blocks, and an output layer with the weights of the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(40, 16)
        self.h = nn.ModuleList(Decoder(16, 2) for _ in range(2))
        self.head = nn.Linear(16, 40, bias=False)
        self.head.weight = self.wte.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """The scores of each next word."""
        x = self.wte(words)
        for block in self.h:
            x = block(x)
        out: torch.Tensor = self.head(x)
        return out


class UNet(nn.Module):
    """Two levels with skip connections."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 16, 3, padding=1)
        self.c = nn.Conv2d(16, 16, 3, padding=1)
        self.up1 = nn.ConvTranspose2d(16, 16, 2, 2)
        self.d = nn.Conv2d(32, 8, 3, padding=1)
        self.e = nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores for each pixel."""
        a = F.relu(self.a(x))
        b = F.relu(self.b(F.max_pool2d(a, 2)))
        c = F.relu(self.c(F.max_pool2d(b, 2)))
        d = F.relu(self.d(torch.cat([b, self.up1(c)], 1)))
        up = F.interpolate(d, scale_factor=2, mode="bilinear", align_corners=False)
        out: torch.Tensor = self.e(torch.cat([a, up], 1))
        return out


class Shuffle(nn.Module):
    """A unit of ShuffleNet V2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The unit."""
        left, right = x.chunk(2, 1)
        y = torch.cat([left, F.relu(self.conv(right))], 1)
        batch, channels, height, width = y.shape
        y = y.view(batch, 2, channels // 2, height, width).transpose(1, 2)
        return y.reshape(batch, channels, height, width)


class Recurrent(nn.Module):
    """An embedding, a recurrent layer, and scores for each step or for the last one."""

    def __init__(self, rnn: nn.RNNBase, *, last: bool = False) -> None:
        super().__init__()
        self.emb = nn.Embedding(30, 8)
        self.rnn = rnn
        self.fc = nn.Linear(rnn.hidden_size * (1 + rnn.bidirectional), 4)
        self.last = last

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """The scores."""
        y = self.rnn(self.emb(words))[0]
        out: torch.Tensor = self.fc(y[:, -1] if self.last else y)
        return out


class Siamese(nn.Module):
    """One tower for two pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(576, 8))
        self.out = nn.Linear(8, 1)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Whether the pictures are alike."""
        return torch.sigmoid(self.out(torch.abs(self.tower(left) - self.tower(right))))


def _norms() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.GroupNorm(2, 8),
        nn.LeakyReLU(0.1),
        nn.Conv2d(8, 8, 3),
        nn.InstanceNorm2d(8, affine=True),
        nn.PReLU(8),
        nn.LocalResponseNorm(3),
        nn.AvgPool2d(2, ceil_mode=True),
        nn.Mish(),
        nn.PixelShuffle(2),
    )


def _picture(channels: int = 3, size: int = 32) -> Callable[[], Tensors]:
    return lambda: (torch.randn(1, channels, size, size),)


def _words() -> Tensors:
    return (torch.randint(0, 30, (1, 7)),)


CASES = {
    "residual": Case(residual_net, _picture()),
    "efficientnet": Case(lambda: gated_net(nn.SiLU, nn.Sigmoid), _picture()),
    "mobilenet": Case(lambda: gated_net(nn.Hardswish, nn.Hardsigmoid), _picture()),
    "transformer": Case(VisionTransformer, _picture()),
    "language": Case(LanguageModel, _words),
    "unet": Case(UNet, _picture()),
    "shuffle": Case(lambda: nn.Sequential(*(Shuffle() for _ in range(3))), _picture(8)),
    "norms": Case(_norms, _picture()),
    "lstm": Case(lambda: Recurrent(nn.LSTM(8, 12, batch_first=True)), _words),
    "bilstm": Case(
        lambda: Recurrent(nn.LSTM(8, 12, 2, batch_first=True, bidirectional=True)), _words
    ),
    "gru": Case(lambda: Recurrent(nn.GRU(8, 12, batch_first=True), last=True), _words),
    "siamese": Case(Siamese, lambda: (torch.randn(1, 1, 16, 16), torch.randn(1, 1, 16, 16))),
}
