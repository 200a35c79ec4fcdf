"""The names of layers in other tools: each leads to our layer, and calls are translated."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.diagnostics import Diagnostic
from netdsl.habits.calls import chain_of
from netdsl.habits.layers import ADVICE, LAYERS, Counterpart
from netdsl.ops import LAYERS as KINDS
from tests.support.edits import applied

TEXT = "net N {{\n    input image: 3x32x32\n    {}\n}}\n"


def first_error(body: str) -> Diagnostic:
    """The first error of a net with this body."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(TEXT.format(body))
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.ours)
def test_names(row: Counterpart) -> None:
    """Every other name of a layer leads to it, in any case, and with underscores or dimensions."""
    ours = row.ours.split(" ")[0]
    for name in row.names.split():
        for written in (name, name.upper(), name.capitalize(), f"{name}_2d", f"{name}2D"):
            if written in KINDS or "output" in written.lower():
                continue
            diagnostic = first_error(f"{written}(7, 7, 7, 7, 7, 7)")
            assert diagnostic.code == "unknown-layer", written
            assert f"`{ours}" in (diagnostic.help or ""), (written, diagnostic.help)


@pytest.mark.parametrize("name", ADVICE)
def test_names_with_advice(name: str) -> None:
    """A name without one layer as its counterpart has its own advice."""
    if name in ("output", "outputs", "input", "inputlayer", "inputs", "assert", "for", "in"):
        return
    diagnostic = first_error(f"{name}_2d(7)")
    assert ADVICE[name] == diagnostic.help or "`" in (diagnostic.help or "")


# What people write in PyTorch, Keras and elsewhere, and what it is here.
TRANSLATED = {
    "nn.Conv2d(1, 32, 3)": "conv(32, 3)",
    "nn.Conv2d(3, 16, kernel_size=3, padding=1)": "conv(16, 3, pad = 1)",
    "Conv1d(3, 8, 3, stride=2)": "conv(8, 3, stride = 2)",
    "Conv2D(32, (3, 3), activation='relu')": "conv(32, 3) -> relu",
    "Conv2D(8, (1, 7), padding='same')": "conv(8, 1x7, pad = same)",
    "Conv2D(8, 3, strides=2, padding='valid')": "conv(8, 3, stride = 2)",
    "Conv2D(8, 3, strides=2, padding='same')": "conv(8, 3, stride = 2, pad = same)",
    "AveragePooling2D(3, 2, padding='same')": (
        "avgpool(3, stride = 2, pad = same, count_pad = false)"
    ),
    "nn.Conv2d(3, 8, 3, padding=1, padding_mode='replicate')": (
        "conv(8, 3, pad = 1, pad_mode = edge)"
    ),
    "nn.MaxPool2d(3, 1, 1, dilation=2)": "maxpool(3, stride = 1, pad = 1, dilation = 2)",
    "nn.Upsample(scale_factor=2, mode='bicubic', align_corners=True)": (
        "upsample(scale = 2, mode = bicubic, align_corners = true)"
    ),
    "F.interpolate(x, size=(7, 5), mode='nearest-exact')": (
        "upsample(size = 7x5, mode = nearest_exact)"
    ),
    "nn.InstanceNorm2d(8, affine=True, track_running_stats=True)": (
        "instancenorm(affine = true, track_running_stats = true)"
    ),
    "Conv2D(8, 3, use_bias=False)": "conv(8, 3, bias = false)",
    "tf.keras.layers.Conv3D(8, 3)": "conv(8, 3)",
    "nn.ConvTranspose2d(3, 8, 2, stride=2)": "deconv(8, 2, stride = 2)",
    "Conv2DTranspose(8, 2, strides=2)": "deconv(8, 2, stride = 2)",
    "DepthwiseConv2D(3)": "depthwise(3)",
    "SeparableConv2D(8, 3)": "depthwise(3) -> conv(8, 1)",
    "nn.Linear(128, 10)": "dense(10)",
    "Dense(10, activation='softmax')": "dense(10) -> softmax",
    "nn.MaxPool2d(2, 2)": "maxpool(2, stride = 2)",
    "MaxPooling2D(pool_size=(2, 2))": "maxpool(2)",
    "MaxPooling2D()": "maxpool(2)",
    "AveragePooling1D(3)": "avgpool(3)",
    "GlobalAveragePooling2D()": "gap -> flatten",
    "nn.AdaptiveAvgPool2d((1, 1))": "gap",
    "nn.AdaptiveAvgPool2d(7)": "adaptive_avgpool(7)",
    "nn.BatchNorm2d(16)": "bn",
    "BatchNormalization()": "bn",
    "nn.GroupNorm(4, 16)": "groupnorm(4)",
    "nn.LayerNorm(64)": "layernorm",
    "nn.ReLU(inplace=True)": "relu",
    "LeakyReLU(0.1)": "leaky_relu(0.1)",
    "nn.Softmax(dim=1)": "softmax(1)",
    "Activation('relu')": "relu",
    "nn.Dropout(0.5)": "dropout(0.5)",
    "Dropout(rate=0.5)": "dropout(0.5)",
    "SpatialDropout2D(0.2)": "dropout2d(0.2)",
    "nn.Embedding(1000, 32)": "embedding(1000, 32)",
    "LSTM(32)": "lstm(32, last = true)",
    "LSTM(32, return_sequences=True)": "lstm(32)",
    "nn.LSTM(10, 20, 2)": "lstm(20, layers = 2)",
    "nn.GRU(10, 20)": "gru(20)",
    "GRU(10, 20)": "gru(20)",
    "nn.RNN(10, 20)": "rnn(20)",
    "SimpleRNN(20)": "rnn(20, last = true)",
    "nn.Softmax2d()": "softmax(axis = 1)",
    "UpSampling2D(2)": "upsample(scale = 2)",
    "ZeroPadding2D(1)": "pad(1)",
    "nn.PixelShuffle(2)": "pixel_shuffle(2)",
    "Reshape((3, 32))": "reshape(3x32)",
    "Flatten()": "flatten",
    "nn.Flatten(1, -1)": "flatten",
    "torch.flatten(x, 1)": "flatten",
    "x.view(-1, 400)": "flatten",
    "x.view(x.size(0), -1)": "flatten",
    "F.relu(x)": "relu",
    "F.max_pool2d(F.relu(x), 2)": "relu -> maxpool(2)",
    "F.log_softmax(x, dim=1)": "log_softmax(1)",
    "torch.cat([x, y], dim=1)": "concat(@y)",
    "Add()([x, y])": "add(@y)",
    "x + y": "add(@y)",
    "conv(8, 3).bn().relu()": "conv(8, 3) -> bn -> relu",
    "relu(conv(8, 3))": "conv(8, 3) -> relu",
    "nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())": "conv(8, 3) -> relu",
    "Sequential([Conv2D(8, 3), Flatten()])": "conv(8, 3) -> flatten",
}


@pytest.mark.parametrize("call", TRANSLATED)
def test_calls(call: str) -> None:
    """A call of another tool becomes the layers that compute the same."""
    assert TRANSLATED[call] == str(chain_of(call))


@pytest.mark.parametrize(
    "call",
    [
        "Conv2D(8)",
        "Conv2D(8, 3, foo=2)",
        "conv2d(8, 3, 3)",
        "self.conv1(x)",
        "nn.MaxPool2d(2, return_indices=True)",
        "nn.Flatten(2)",
        "nn.Flatten(start_dim=2)",
        "torch.flatten(x, 2)",
        "f(x)",
        "conv(8, 3",
        "'\\x'",
        "(" * 300,
        "1 +",
        "x" * 1000,
    ],
)
def test_calls_in_doubt(call: str) -> None:
    """A call that is not certain, or is no call, has no translation."""
    assert chain_of(call) is None


@pytest.mark.parametrize(
    "body",
    [
        'Conv2D(8, 3, activation="relu")',
        "GlobalAveragePooling2D",
        'activation("relu")',
        "conv(8, 3, relu)",
        "conv(8, 3, bias = False)",
        "conv(8, 3, bias = None)",
        "conv(8, 3, pad = SAME)",
        'conv(8, 3, "same")',
        "relu(conv(8, 3))",
        "concat(conv(8, 1), relu)",
        "a: relu\n    concat(a, image)",
        "conv(10 // channels, 3)\n    )",
        "dropout(50)",
        "upsample(x2)",
        "for i in 3 { relu }",
    ],
)
def test_fixes(body: str) -> None:
    """The fix of a name or an argument removes its error."""
    diagnostic = first_error(body)
    if not diagnostic.fix:
        assert diagnostic.code == "syntax-error"
        return
    text = applied(TEXT.format(body), diagnostic.fix)
    try:
        netdsl.loads(text)
    except netdsl.CompileError as error:
        assert diagnostic.message not in [d.message for d in error.diagnostics]
