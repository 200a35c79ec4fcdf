"""The eight nets that `counts.py` counts, each written for netdsl, PyTorch and HNDL.

The modules are plain PyTorch, as a user would write them, and share no code with netdsl. `macs` and
`params` are derived by hand, layer by layer. The first factors of `macs` are the positions of the
output, or those of the input for a transposed convolution. The layers are so wide that biases,
normalisations and activations add less than 5 % to the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Example(NamedTuple):
    """One net. Shapes have no batch; `hndl` is None if HNDL has no such layer."""

    name: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    text: str
    module: Callable[[], nn.Module]
    hndl: str | None
    macs: int
    params: int

    @property
    def source(self) -> str:
        """The net in netdsl's language."""
        return f"net Counted {{\n input x: {'x'.join(map(str, self.input))}\n {self.text}\n}}\n"


def lenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
        *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


LENET = Example(
    "LeNet-5",
    (1, 32, 32),
    (10,),
    """
    conv(6, 5) -> tanh -> avgpool(2)
    conv(16, 5) -> tanh -> avgpool(2)
    conv(120, 5) -> tanh -> flatten
    dense(84) -> tanh -> dense(10)
    """,
    lenet,
    """
conv(6, kernel_size=5)
tanh()
avg_pool(2)
conv(16, kernel_size=5)
tanh()
avg_pool(2)
conv(120, kernel_size=5)
tanh()
flatten()
linear(84)
tanh()
linear(10)
""",
    macs=(28 * 28 * 6 * 5 * 5 * 1)
    + (10 * 10 * 16 * 5 * 5 * 6)
    + (1 * 1 * 120 * 5 * 5 * 16)
    + (84 * 120)
    + (10 * 84),
    params=6 * (5 * 5 * 1 + 1)
    + 16 * (5 * 5 * 6 + 1)
    + 120 * (5 * 5 * 16 + 1)
    + 84 * (120 + 1)
    + 10 * (84 + 1),
)


class BasicBlock(nn.Module):
    """Two convolutions around a shortcut, which is a projection where the shape changes."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != width:
            projection = nn.Conv2d(inputs, width, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        result: Tensor = self.relu(y + self.shortcut(x))
        return result


def resnet18() -> nn.Module:
    stages = [
        nn.Sequential(BasicBlock(inputs, width, stride), BasicBlock(width, width, 1))
        for inputs, width, stride in [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    ]
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.MaxPool2d(3, 2, 1), *stages),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)),
    )


RESNET = Example(
    "ResNet-18",
    (3, 224, 224),
    (1000,),
    """
    conv(64, 7, stride = 2, pad = 3, bias = false) -> bn -> relu -> maxpool(3, stride = 2, pad = 1)
    basicblock(64) -> basicblock(64)
    for width in [128, 256, 512] { basicblock(width, stride = 2) -> basicblock(width) }
    gap -> flatten -> dense(1000)
    """,
    resnet18,
    """
conv(64, kernel_size=7, stride=2, padding=3, bias=False)
batch_norm()
relu()
max_pool(3, stride=2, padding=1)
resblock(64)
resblock(64)
for width in (128, 256, 512):
    resblock(width, stride=2)
    resblock(width)
global_avg_pool()
linear(1000)
""",
    macs=(112 * 112 * 64 * 7 * 7 * 3)
    + (56 * 56 * 64 * 3 * 3 * 64) * 4
    + (28 * 28 * 128 * 3 * 3 * 64 + 28 * 28 * 128 * 3 * 3 * 128 * 3 + 28 * 28 * 128 * 64)
    + (14 * 14 * 256 * 3 * 3 * 128 + 14 * 14 * 256 * 3 * 3 * 256 * 3 + 14 * 14 * 256 * 128)
    + (7 * 7 * 512 * 3 * 3 * 256 + 7 * 7 * 512 * 3 * 3 * 512 * 3 + 7 * 7 * 512 * 256)
    + (1000 * 512),
    params=64 * (7 * 7 * 3 + 2)
    + 64 * (3 * 3 * 64 + 2) * 4
    + 128 * (3 * 3 * 64 + 2 + (3 * 3 * 128 + 2) * 3 + 64 + 2)
    + 256 * (3 * 3 * 128 + 2 + (3 * 3 * 256 + 2) * 3 + 128 + 2)
    + 512 * (3 * 3 * 256 + 2 + (3 * 3 * 512 + 2) * 3 + 256 + 2)
    + 1000 * (512 + 1),
)


def grouped() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.ReLU()),
        *(nn.Conv2d(64, 128, 3, 1, 1, groups=4, bias=False), nn.ReLU()),
        *(nn.Conv2d(128, 128, 3, 2, 1, groups=128, bias=False), nn.Conv2d(128, 256, 1, bias=False)),
        *(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)),
    )


GROUPED = Example(
    "grouped, depthwise conv",
    (3, 64, 64),
    (10,),
    """
    conv(64, 3, stride = 2, pad = 1, bias = false) -> relu
    conv(128, 3, pad = 1, groups = 4, bias = false) -> relu
    depthwise(3, stride = 2, pad = 1, bias = false) -> conv(256, 1, bias = false)
    relu -> gap -> flatten -> dense(10)
    """,
    grouped,
    """
conv(64, kernel_size=3, stride=2, padding=1, bias=False)
relu()
conv(128, kernel_size=3, padding=1, groups=4, bias=False)
relu()
conv(128, kernel_size=3, stride=2, padding=1, groups=128, bias=False)
conv(256, kernel_size=1, bias=False)
relu()
global_avg_pool()
linear(10)
""",
    macs=(32 * 32 * 64 * 3 * 3 * 3)
    + (32 * 32 * 128 * 3 * 3 * 64 // 4)
    + (16 * 16 * 128 * 3 * 3 * 1)
    + (16 * 16 * 256 * 128)
    + (10 * 256),
    params=64 * 3 * 3 * 3 + 128 * 3 * 3 * 64 // 4 + 128 * 3 * 3 + 256 * 128 + 10 * (256 + 1),
)


def generator() -> nn.Module:
    return nn.Sequential(
        *(nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.ReLU()),
        *(nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh()),
    )


TRANSPOSED = Example(
    "transposed conv",
    (128, 4, 4),
    (3, 32, 32),
    """
    deconv(64, 4, stride = 2, pad = 1) -> relu
    deconv(32, 4, stride = 2, pad = 1) -> relu
    deconv(3, 4, stride = 2, pad = 1) -> tanh
    """,
    generator,
    """
deconv(64, kernel_size=4, stride=2, padding=1)
relu()
deconv(32, kernel_size=4, stride=2, padding=1)
relu()
deconv(3, kernel_size=4, stride=2, padding=1)
tanh()
""",
    macs=(4 * 4 * 128 * 4 * 4 * 64) + (8 * 8 * 64 * 4 * 4 * 32) + (16 * 16 * 32 * 4 * 4 * 3),
    params=64 * (4 * 4 * 128 + 1) + 32 * (4 * 4 * 64 + 1) + 3 * (4 * 4 * 32 + 1),
)


def shared() -> nn.Module:
    step, relu = nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU()
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3, 1, 1), relu, step, relu, step, relu, step, nn.BatchNorm2d(32), relu),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )


SHARED = Example(
    "conv applied 3 times",
    (3, 32, 32),
    (10,),
    """
    conv(32, 3, pad = 1) -> relu
    step: conv(32, 3, pad = 1) -> relu -> step -> relu -> step -> bn -> relu
    gap -> flatten -> dense(10)
    """,
    shared,
    """
conv(32, kernel_size=3, padding=1)
relu()
conv(32, kernel_size=3, padding=1, name="step")
relu()
conv(32, kernel_size=3, padding=1, tie={"weight": "step.weight", "bias": "step.bias"})
relu()
conv(32, kernel_size=3, padding=1, tie={"weight": "step.weight", "bias": "step.bias"})
batch_norm()
relu()
global_avg_pool()
linear(10)
""",
    macs=(32 * 32 * 32 * 3 * 3 * 3) + (32 * 32 * 32 * 3 * 3 * 32) * 3 + (10 * 32),
    params=32 * (3 * 3 * 3 + 1) + 32 * (3 * 3 * 32 + 1) + 2 * 32 + 10 * (32 + 1),
)


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))


DENSE = Example(
    "dense on a sequence",
    (50, 64),
    (50, 64),
    "dense(256) -> gelu -> dense(64)",
    perceptron,
    """
linear(256)
gelu()
linear(64)
""",
    macs=(50 * 256 * 64) + (50 * 64 * 256),
    params=256 * (64 + 1) + 64 * (256 + 1),
)


class Tagger(nn.Module):
    """An LSTM in both directions, and a dense layer on each step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(64, 128, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(x)
        result: Tensor = self.head(y)
        return result


LSTM = Example(
    "bidirectional LSTM",
    (50, 64),
    (50, 10),
    "lstm(128, layers = 2, bidirectional = true) -> dense(10)",
    Tagger,
    None,
    # Two directions with four gates of 128 numbers; in PyTorch, each gate has two biases.
    macs=(50 * 2 * 4 * 128 * (64 + 128)) + (50 * 2 * 4 * 128 * (256 + 128)) + (50 * 10 * 256),
    params=2 * 4 * 128 * (64 + 128 + 2) + 2 * 4 * 128 * (256 + 128 + 2) + 10 * (256 + 1),
)


def transformer() -> nn.Module:
    return nn.TransformerEncoderLayer(
        64, 4, 256, activation="gelu", batch_first=True, norm_first=True
    )


TRANSFORMER = Example(
    "transformer block",
    (50, 64),
    (50, 64),
    """
    residual { layernorm -> attention(4) }
    residual { layernorm -> dense(256) -> gelu -> dense(64) }
    """,
    transformer,
    "transformer_block(4)",
    # Four projections; Q K^T and its product with V, together for all heads; two dense layers.
    macs=(50 * 64 * 64) * 4 + (50 * 50 * 64) * 2 + (50 * 256 * 64) + (50 * 64 * 256),
    params=64 * (64 + 1) * 4 + 256 * (64 + 1) + 64 * (256 + 1) + (2 * 64) * 2,
)

NETS = (LENET, RESNET, GROUPED, TRANSPOSED, SHARED, DENSE, LSTM, TRANSFORMER)
