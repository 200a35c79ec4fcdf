"""Warnings and hints: each mistake causes its own, and correct programs cause none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netdsl.analysis.lint.codes import HINTS, WARNINGS
from netdsl.analysis.lint.warnings import warnings_of
from netdsl.driver import compile_net, program_of
from netdsl.errors import NetdslError
from netdsl.library import library_names, open_source
from netdsl.source import SourceFile
from tests.fuzz.generate import program
from tests.support.manual import LANGUAGE, blocks_of

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic

JOINED = "net A {{\n input x: 9\n a: dense(9)\n @x -> b: dense(9)\n {}\n}}"
SCHEDULED = (
    "net A {{\n input image: 1x28x28\n flatten -> dense(10)\n}}\ntrain A {{ {}\n schedule = {}\n}}"
)
TRAINED = "net A {{\n input image: 1x28x28\n flatten -> {} {}\n}}\ntrain A {{\n {}\n}}"
ONE_SCORE = "net A {{\n input x: 1x28x28 \n output y: flatten -> dense(1)\n}}\ntrain A {{ {} }}"
SKIP = """net A {{
 input image: 3x8x8
 {}
 maxpool(2) -> conv(8, 3, pad = 1) -> relu
 upsample(2) -> {}
 output y: conv(2, 1)
}}"""
OPTIMIZED = "net A {{\n input x: 1x28x28\n flatten -> dense(10)\n}}\ntrain A {{ optimizer = {} }}"
SET = "net A {{\n input image: 1x28x28\n flatten -> dense(10)\n}}\ntrain A {{ {}\n {}\n}}"
FROZEN = 'net A {{\n input x: 4\n {} -> dense(3)\n}}\ntrain A {{ data = npz("X")\n {}\n}}'
NORMED = (
    "net A {{\n input image: 1x28x28\n conv(8, 3) -> {} -> relu -> gap -> flatten\n dense(10)\n}}\n"
)
NORMED += "train A {{ data = mnist\n {}\n}}"
SIGNAL = "net A {{\n input x: 1x98\n conv(8, 9) -> {}\n {}\n}}"
AGAIN = "net A {{\n input x: 5x8\n {}\n {}\n}}"
MAP = "net A {{\n input x: 3x9x9\n conv(24, 3, pad = 1) -> {}\n {}\n}}"
ROUNDS = """net A {{
 input x: 4
 for i in range(3) with sum = [@x] {{
  next sum = sum + [@]
  {}
 }}
 add(sum)
}}"""
WORDS = "embedding(99, 8) -> dropout"
# Each with the lines at which it is reported.
WRONG = [
    ("channels-last", [2], "net A {\n input image: 32x32x3\n conv(8, 3, pad = 1)\n}"),
    ("channels-last", [2], "net A {\n input image: HxWx1\n maxpool(2, pad = 1)\n}"),
    ("channels-last", [2], "net A {\n input image: 480x640x4\n bn\n}"),
    ("channels-last", [2], "net A {\n input signal: 500x6\n conv(32, 5, pad = 2) -> relu\n}"),
    ("channels-last", [2], "net A {\n input x: 128x9\n maxpool(2) -> conv(4, 3)\n}"),
    ("inner-softmax", [3], "net A {\n input x: 9\n dense(8) -> softmax -> dense(3)\n}"),
    ("inner-softmax", [3], "net A {\n input x: 9\n dense(8) -> log_softmax -> dense(3)\n}"),
    (
        "huge-layer",
        [3],
        "net A {\n input x: 64x224x224\n flatten -> dense(4096) -> relu -> dense(9)\n}",
    ),
    ("batch-in-input", [2], "net A {\n input image: 1x3x224x224\n conv(8, 3) -> gap\n}"),
    ("batch-in-input", [2], "net A {\n input image: 32x1x28x28\n conv(8, 3, pad = 1)\n}"),
    ("batch-in-input", [2], "net A {\n input image: 8x32x32x3\n conv(8, 3, pad = 1)\n}"),
    ("batch-in-input", [2], "net A {\n input image: 32x3x28x28\n flatten -> dense(10)\n}"),
    ("batch-in-input", [2], "net A {\n input x: 1x784\n dense(128) -> relu\n dense(10)\n}"),
    ("argument-order", [3], "net A {\n input image: 3x99x99\n conv(3, 64, 3) -> relu\n}"),
    ("argument-order", [3], "net A {\n input image: 1x28x28\n conv(1, 16)\n}"),
    ("argument-order", [3], "net A {\n input image: 8x8x8\n deconv(8, 32, 2)\n}"),
    (
        "argument-order",
        [1],
        "block B(n, k) { conv(n, k, pad = 64) }\nnet A {\n input x: 64x32x32\n B(3, 128)\n}",
    ),
    ("argument-order", [3], "net A {\n input image: 3x9x9\n maxpool(20, pad = 10)\n}"),
    ("argument-order", [3], "net A {\n input x: 3x9x9\n depthwise(40, pad = same)\n}"),
    (
        "empty-range",
        [3],
        "net A {\n input x: 4\n for i in range(3, 0) { dense(4 + i) }\n dense(2)\n}",
    ),
    (
        "empty-range",
        [3],
        "net A(n = 2) {\n input x: 4\n for i in range(n - 1, -1) { dense(4 + i) }\n dense(2)\n}",
    ),
    (
        "lone-droppath",
        [3],
        "net A {\n input x: 8\n dense(8) -> relu -> droppath\n dense(2)\n}",
    ),
    ("lone-droppath", [3], "net A {\n input x: 8\n droppath -> add { | identity | param(8) }\n}"),
    (
        "lone-droppath",
        [3],
        "net A {\n input x: 8\n droppath -> residual { dense(8) -> relu }\n dense(2)\n}",
    ),
    ("mixed-axes", [4], MAP.format("relu", "reshape([-1, 4])")),
    ("mixed-axes", [4], MAP.format("bn", "reshape([81, 6, 4])")),
    ("mixed-axes", [3, 4], "net A {\n input x: Tx8\n reshape([2, T, 4])\n reshape([T, 8])\n}"),
    ("pinned-size", [4], "net A {\n input q: Tx8\n input k: Sx8\n @q -> matmul(@k)\n dense(2)\n}"),
    (
        "pinned-size",
        [4],
        "net A {\n input q: 5x8\n input k: Sx8\n @q -> attention(2, @k, @q)\n dense(2)\n}",
    ),
    (
        "pinned-size",
        [5],
        "net A {\n input q: Tx8\n input k: Sx8\n input m: TxT bool\n attention(1, @k, mask = @m) }",
    ),
    ("argument-order", [3], "net A {\n input image: 8x8x8\n bn(8)\n}"),
    ("argument-order", [3], "net A {\n input image: 8x8x8\n bn(0.9)\n}"),
    ("argument-order", [3], "net A {\n input image: 64x8x8\n groupnorm(32, 64)\n}"),
    ("argument-order", [3], "net A {\n input x: 10x64\n lstm(64, 128)\n}"),
    ("argument-order", [3], "net A {\n input x: 10x64\n attention(64)\n}"),
    ("double-activation", [4], "net A {\n input x: 4\n dense(4) -> relu\n tanh\n}"),
    (
        "double-activation",
        [4],
        "block B() { conv(8, 3) -> relu }\nnet A {\n input x: 3x9x9\n B -> relu6\n}",
    ),
    (
        "output-from-scores",
        [4],
        "net A {\n input x: 9\n output cls: dense(4)\n output box: dense(2)\n}",
    ),
    (
        "unused-value",
        [3, 5],
        "net A {\n input x: 9\n input z: 9\n t: { @x -> dense(9) }\n @z -> @t -> sub(@x)\n}",
    ),
    ("missing-channels", [2], "net A {\n input image: 32x32\n conv(8, 3)\n}"),
    ("one-score", [3], ONE_SCORE.format('data = folder("f", size = 28)')),
    ("one-score", [3], ONE_SCORE.format('data = npz("f.npz")\nloss = cross_entropy')),
    (
        "vectors-as-channels",
        [4],
        "net A {\n input x: 3x32x32\n conv(8, 4, stride = 4) -> tokens -> dense(9)\n gap\n}",
    ),
    ("large-setting", [5], OPTIMIZED.format("sgd(lr = 5, momentum = 0.9)")),
    ("early-label", [5], SKIP.format("fine: conv(4, 3, pad = 1) -> bn -> relu", "concat(@fine)")),
    (
        "early-label",
        [5],
        SKIP.format("fine: conv(4, 3, pad = 1) -> relu", "conv(4, 1) -> add(@fine)"),
    ),
    ("skipped-input", [3], "net A {\n input image: 3x9x9\n maxpool(2, stride = 3)\n}"),
    ("skipped-input", [3], "net A {\n input image: 3x9x9\n conv(8, [1, 3], stride = [1, 4])\n}"),
    ("skipped-input", [3], "net A {\n input x: 3x9\n avgpool(2, 3)\n}"),
    ("skipped-input", [3], "net A {\n input x: 3x48x48\n conv(8, 1, 16)\n}"),
    ("skipped-input", [3], "net A {\n input x: 64x9x9\n bottleneck(16, 64)\n}"),
    ("activation-on-logits", [3], "net A(classes = 8) {\n input x: 4\n dense(classes) -> relu\n}"),
    ("activation-on-logits", [3], "net A {\n input x: 4\n output scores: dense(8) -> relu\n}"),
    ("activation-on-logits", [3], "net A {\n input x: 4\n output logits: dense(8) -> tanh\n}"),
    ("needless-window", [3], "net A {\n input x: 4x8x8\n maxpool(1)\n}"),
    ("unread-border", [3], "net A {\n input x: 4x8x8\n avgpool(7) -> flatten -> dense(2)\n}"),
    (
        "unread-border",
        [3],
        "net A {\n input x: 4x8\n avgpool(5) -> flatten\n}",
    ),
    ("unread-border", [3], "net A {\n input x: 3x32x32\n conv(9, 7, stride = 7) -> relu\n}"),
    ("growing-map", [3], "net A {\n input x: 3x9x9\n conv(9, 5, pad = 3) -> relu\n}"),
    ("growing-map", [3], "net A {\n input x: 3x9\n depthwise(3, dilation = 2, pad = 3)\n}"),
    (
        "small-table",
        [3],
        "net A {\n input x: T int64\n a: embedding(5, 4)\n @x -> embedding(9, 4) -> add(@a)\n}",
    ),
    (
        "small-table",
        [4],
        "net A {\n input x: T int64\n a: embedding(9, 4)\n @x -> embedding(5, 4) -> add(@a)\n}",
    ),
    ("padding-only", [4], "net A {\n input x: 4x8x8\n gap\n conv(8, 3, pad = 1)\n}"),
    ("padding-only", [4], "net A {\n input x: 4x2\n conv(8, 2)\n depthwise(5, pad = 2)\n}"),
    ("softmax-axis", [4], "net A {\n input x: 4x8x8\n conv(3, 3)\n softmax(axis = -1)\n}"),
    ("softmax-axis", [4], "net A {\n input x: 4x8x8\n conv(3, 3)\n log_softmax(axis = 3)\n}"),
    ("linear-layers", [3], "net A {\n input x: 3x9x9\n conv(16, 3) -> bn -> conv(16, 3)\n}"),
    ("repeated-layer", [4], AGAIN.format("enc: dense(8) -> relu", "enc -> attention(2)")),
    ("repeated-layer", [4], AGAIN.format("dense(8) -> enc: relu6 -> dense(8)", "enc -> dense(2)")),
    ("repeated-layer", [4], AGAIN.format("enc: dense(8)", "residual { enc -> attention(2) }")),
    ("repeated-layer", [4], AGAIN.format("enc: dense(8) -> relu", "output y: enc -> dense(3)")),
    ("repeated-layer", [4], "net A {\n input x: 4\n y: dense(4)\n output y\n}"),
    ("unused-value", [3], "net A {\n input x: 4\n a: dense(8)\n @x -> dense(2)\n}"),
    (
        "unused-value",
        [4],
        "net A {\n input x: 4\n a: dense(8)\n @a -> relu -> dense(6)\n @a -> dense(2)\n}",
    ),
    ("unused-value", [3], "net A {\n input x: 4\n input y: 4\n @x -> dense(8)\n}"),
    ("default-axis", [3], "net A {\n input x: 3x9x9\n conv(8, 3) -> layernorm\n}"),
    ("default-axis", [3], "net A {\n input x: 3x9x9\n maxpool(2) -> bn -> rmsnorm(eps = 1e-6)\n}"),
    ("default-axis", [4], "net A {\n input x: 3x9x9\n conv(8, 2) -> bn\n glu\n}"),
    ("default-axis", [3], "net A {\n input x: 9x8\n dense(4) -> (@ / 2) -> softmax\n}"),
    (
        "default-axis",
        [4],
        "net A {\n input x: 9x8\n k: dense(8)\n @x -> matmul(@k, transpose = true) -> softmax\n}",
    ),
    ("vectors-as-channels", [3], f"net A {{\n input x: 9 int64\n {WORDS} -> gap -> flatten\n}}"),
    ("vectors-as-channels", [3], f"net A {{\n input x: 9 int64\n {WORDS} -> conv(8, 3)\n}}"),
    ("vectors-as-channels", [4], "net A {\n input x: 9x8\n lstm(8) -> dropout\n gmp -> flatten\n}"),
    ("channels-as-steps", [3], "net A {\n input x: 64x99\n conv(8, 3) -> relu -> lstm(8)\n}"),
    ("channels-as-steps", [4], SIGNAL.format("gap", "dense(2)")),
    ("channels-as-steps", [4], SIGNAL.format("gap -> conv(4, 1) -> relu", "dense(2)")),
    ("channels-as-steps", [4], SIGNAL.format("reduce_mean(2, keep = true)", "dense(2)")),
    ("default-axis", [4], SIGNAL.format("conv(8, 1)", "glu")),
    ("default-axis", [4], SIGNAL.format("bn", "layernorm")),
    (
        "unchanged-value",
        [3],
        "net A {\n input x: 4\n for i in [1, 2] with n = 0 {\n dense(i + n)\n }\n dense(2)\n}",
    ),
    (
        "unchanged-value",
        [3],
        "net A {\n input x: 4\n repeat 2 with old = [] { dense(4) -> relu }\n dense(2)\n}",
    ),
    ("channels-as-steps", [4], "net A {\n input x: 8x64\n maxpool(2) -> bn\n attention(4)\n}"),
    ("batch-momentum", [3], "net A {\n input x: 3x9x9\n bn(momentum = 0.99) -> conv(3, 3)\n}"),
    ("batch-momentum", [1], "block B(m) { bn(1e-3, m) }\nnet A {\n input x: 3x9x9\n B(0.9)\n}"),
    (
        "output-from-scores",
        [4],
        "net A {\n input x: 9\n output kind: dense(9)\n output b: dense(4)\n}",
    ),
    ("needless-padding", [3], "net A {\n input x: 9x9x9\n conv(8, 1, pad = 1) -> relu\n}"),
    ("needless-padding", [3], "net A {\n input x: 9x9x9\n conv(8, 1x3, pad = 1) -> relu\n}"),
    ("argument-order", [3], "net A {\n input x: 16x32x32\n depthwise(16, 3, pad = 1)\n}"),
    ("large-slope", [3], "net A {\n input x: 9\n dense(9) -> leaky_relu(5.5) -> dense(3)\n}"),
    ("large-slope", [3], "net A {\n input x: 9\n dense(9) -> prelu(init = 1) -> dense(3)\n}"),
    ("argument-order", [3], "net A {\n input x: 9 int64\n embedding(64, 30522)\n}"),
    ("argument-order", [3], "net A {\n input x: 9 int64\n embedding(dim = 32768, n = 99)\n}"),
    ("linear-layers", [3], "net A {\n input x: 3x9x9\n conv(16, 3) -> conv(16, 3) -> relu\n}"),
    ("linear-layers", [4], "net A {\n input x: 3x9\n conv(16, 3)\n conv(3, 3, pad = same)\n}"),
    (
        "linear-layers",
        [1],
        "block B() { conv(16, 3) -> conv(16, 3) -> relu }\nnet A {\n input x: 3x19x19\n B -> B\n}",
    ),
    ("linear-layers", [3, 4], "net A {\n input x: 20\n dense(64) -> dense(64)\n dense(9)\n}"),
    ("linear-layers", [3], "net A {\n input x: 20\n dense(64) -> dropout -> dense(9)\n}"),
    (
        "linear-layers",
        [1],
        "block B(w) { dense(w) -> dense(w) }\nnet A {\n input x: 20\n B(64) -> relu -> B(3)\n}",
    ),
    ("dropped-output", [3], "net A {\n input x: 9\n output y: dense(9) -> dropout(0.5)\n}"),
    ("dropped-output", [3], "net A {\n input x: 9\n dense(9) -> softmax -> droppath\n}"),
    ("large-setting", [5], OPTIMIZED.format("sgd(lr = 0.1, weight_decay = 5e4)")),
    ("large-setting", [5], OPTIMIZED.format("adam(lr = 100)")),
    ("large-setting", [5], OPTIMIZED.format("adam(lr = 0.1)")),
    ("large-setting", [5], OPTIMIZED.format("adamw(0.4)")),
    ("large-setting", [5], OPTIMIZED.format("sgd(100)")),
    ("large-setting", [6], SET.format("epochs = 20", "checkpoint_epochs = 50")),
    ("large-setting", [5], SET.format("early_stopping = 11", "batch = 50")),
    ("large-setting", [6], SET.format("data = mnist(limit = 99)", "batch = 200")),
    ("large-setting", [6], SET.format("accumulate = 400", "batch = 200")),
    ("dropped-samples", [6], SET.format("data = cifar10(limit = 11)", "batch = 5")),
    ("dropped-samples", [6], SET.format("data = mnist(limit = 20, val = 0.1)", "batch = 17")),
    ("large-setting", [5], OPTIMIZED.format("sgd(lr = 0.1, weight_decay = 0.5)")),
    ("large-setting", [6], SET.format("data = mnist", "schedule = exponential(gamma = 10)")),
    ("large-momentum", [5], OPTIMIZED.format("sgd(0.1, 0.999)")),
    ("large-momentum", [5], OPTIMIZED.format("rmsprop(lr = 0.1, momentum = 0.995)")),
    ("large-momentum", [5], OPTIMIZED.format("adamw(betas = [0.999, 0.9])")),
    ("small-batch", [7], NORMED.format("bn", "batch = 1")),
    ("small-decay", [6], SET.format("data = mnist", "ema = 0.001")),
    ("small-decay", [6], SET.format("data = mnist", "ema = 0.4")),
    (
        "augment-order",
        [6],
        SET.format("data = fashion_mnist", "augment = hflip -> rotation(3) -> hflip"),
    ),
    (
        "augment-order",
        [6],
        SET.format("data = mnist", "augment = normalize([0.1], [0.2]) -> color_jitter(0.1)"),
    ),
    ("augment-order", [6], SET.format("data = mnist", "augment = [cutmix, shift(0.1)]")),
    ("large-setting", [6], SET.format("data = mnist", "augment = normalize([33.3], [0.3])")),
    ("large-setting", [6], SET.format("data = fashion_mnist", "augment = [hflip, rotation(0.2)]")),
    ("mirrored-digits", [6], SET.format("data = mnist", "augment = [shift(0.1), vflip]")),
    ("mirrored-digits", [6], SET.format("data = digits", "augment = rotation(180)")),
    ("frozen-untrained", [6], SET.format("data = mnist", "freeze = [dense]")),
    ("frozen-untrained", [3], FROZEN.format("dense(4) -> frozen", "")),
    ("unused-let", [3], "net A {\n input x: 4\n let w = 3\n dense(2)\n}"),
    ("unused-let", [4], "net A {\n input x: 4\n let w = 3\n let w = w + 1\n dense(2)\n}"),
    ("unused-let", [4], "net A {\n input x: 4\n if true {\n let w = 3\n dense(2)\n }\n}"),
    ("unused-let", [1], "let w = 3\nnet A { input x: 4 \n dense(2) }"),
    ("unused-parameter", [1], "net A(w = 3) { input x: 4 \n dense(2) }"),
    ("unused-parameter", [1], "block B(w) { dense(2) }\nnet A { input x: 4 \n B(3) }"),
    ("unused-block", [1], "block B(w) { dense(w) }\nnet A { input x: 4 \n dense(2) }"),
    ("unused-import", [1], "import resnet\nnet A { input x: 4 \n dense(2) }"),
    ("unused-variable", [2], "net A { input x: 4\n repeat 2 as i { dense(3) } }"),
    ("unused-variable", [2], "net A { input x: 4\n for i in range(2) { dense(3) } }"),
    (
        "shadowed-let",
        [5],
        "net A {\n input x: 4\n let w = 3\n repeat 2 {\n let w = 4\n dense(w)\n }\n dense(w)\n}",
    ),
    (
        "shadowed-let",
        [5],
        "net A {\n input x: 4\n let w = 2\n repeat 2 { dense(w)\n let w = w * 2 }\n}",
    ),
    (
        "shadowed-let",
        [4],
        "net A(w = 2) {\n input x: 4\n repeat 2 {\n let w = w * 2\n dense(w) }\n}",
    ),
    (
        "shadowed-let",
        [4],
        "let w = 2\nnet A {\n input x: 4\n if true { let w = 3 \n dense(w) }\n dense(w)\n}",
    ),
    (
        "shadowed-let",
        [5],
        "net A(w = 2) {\n input x: 4\n for k in [1, 2] {\n dense(w)\n let w = k\n dense(w) }\n}",
    ),
    (
        "batch-in-reshape",
        [3],
        "net A {\n input image: 3x4x4\n reshape([-1, 48]) -> dense(10) -> relu -> dense(2)\n}",
    ),
    ("channels-last", [4], "net A {\n input z: 9\n dense(980)\n reshape(7x7x20) -> conv(3, 3)\n}"),
    ("joined-twice", [5], JOINED.format("add(@a, @b)")),
    ("constant-result", [5], JOINED.format("sub(@b) -> add(@a)")),
    ("constant-result", [3], "net A {\n input x: 9\n dense(1) -> softmax\n}"),
    ("joined-twice", [5], JOINED.format("concat( @b , @a )")),
    (
        "joined-twice",
        [5],
        (
            "block B() {\n a: dense(9)\n @in -> dense(9)\n b: relu\n add(@a, @b)\n}\n"
            "net A {\n input x: 9\n B -> B\n}"
        ),
    ),
    ("unused-value", [3], "net A {\n input x: 9\n dense(9) -> param(3)\n}"),
    ("unused-value", [3], "net A {\n input x: 5x9\n dense(9) -> positions -> embedding(5, 2)\n}"),
    ("all-dropped", [3], "net A {\n input x: 9\n dropout(1) -> dense(3)\n}"),
    ("all-dropped", [3], "net A {\n input x: 9\n droppath(p = 1.0) -> dense(3)\n}"),
    (
        "large-scale",
        [4],
        "net A {\n input m: 3x9x9\n input boxes: 5x4\n @m -> roi_pool(2, 8, @boxes)\n}",
    ),
    (
        "input-channels",
        [4],
        "net A {\n input m: 4x9x9\n conv(8, 3)\n conv(in.channels // 2, 1) -> relu\n}",
    ),
    (
        "hidden-figure",
        [4],
        "net A(params = 9) {\n input x: 9\n dense(params)\n expect params == 9\n}",
    ),
    (
        "hidden-figure",
        [4],
        "let depth = 2\nnet A {\n input x: 9\n expect depth >= 2 and depth < 4\n dense(depth)\n}",
    ),
    ("nothing-frozen", [3], "net A {\n input x: 9\n dense(9) -> tanh -> frozen\n dense(2)\n}"),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "multistep([5, 9, 12])")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "step(every = 30, gamma = 0.5)")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "cosine(warmup = 20)")),
    ("late-schedule", [6], SCHEDULED.format("seed = 9", "multistep(at = [30])")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "multistep(gamma = 0.5, at = [5, 12])")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "step(3, 0.5, 9.5)")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "step(warmup = 20, every = 3)")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "polynomial(0.9, 10)")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "one_cycle(warmup = 9)")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "exponential(0.9, warmup = 9)")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "constant(9)")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "plateau")),
    ("late-schedule", [6], SCHEDULED.format("epochs = 9", "plateau(gamma = 0.5, patience = 7)")),
    ("late-schedule", [6, 6], SCHEDULED.format("epochs = 9", "multistep([9], warmup = 9)")),
    (
        "default-data",
        [5],
        "net A {\n input image: 3x28x28\n flatten -> dense(10)\n}\ntrain A { epochs = 3 }",
    ),
    (
        "default-data",
        [5],
        "net A {\n input image: 1x28x28\n flatten -> dense(9)\n}\ntrain A { epochs = 3 }",
    ),
]
TRAINED_WRONG = [
    ("softmax-before-loss", "dense(10) -> softmax", "data = fashion_mnist"),
    ("softmax-before-loss", "dense(10) -> log_softmax -> dropout(0)", "loss = cross_entropy"),
    (
        "softmax-before-loss",
        "dense(10) -> softmax",
        "loss = cross_entropy(label_smoothing = 0.1)",
    ),
    ("softmax-before-loss", "dense(10) -> softmax", "loss = [(output, cross_entropy, 2)]"),
    ("softmax-before-loss", "dense(10) -> softmax", "loss = dice"),
    ("sigmoid-before-loss", "dense(10) -> sigmoid", "loss = bce"),
    ("sigmoid-before-loss", "dense(10) -> softmax", "loss = bce(weights = balanced)"),
    ("sigmoid-before-loss", "dense(1) -> hard_sigmoid", 'data = npz("X")\n loss = (output, bce)'),
    ("sigmoid-before-loss", "dense(1) -> sigmoid -> dropout(0)", 'data = npz("X")\n loss = dice'),
    ("activation-on-logits", "dense(10) -> relu", "data = fashion_mnist"),
    ("activation-on-logits", "dense(10) -> sigmoid", "data = fashion_mnist"),
]
HEAD = "block head(n) {{ flatten -> dense(n) }}\nnet A {{\n input x: 3x8x8\n {}\n dense(10)\n}}"
REPLACED = "net A {{\n input x: 3x8x8\n conv(16, 2, stride = 2) -> {}tokens\n {}\n relu\n}}"

# Texts with one warning, and words of its help.
ADVISED = [
    (
        SKIP.format(
            "fine: conv(4, 3, pad = 1) -> bn -> relu -> conv(4, 3, pad = 1) -> bn -> relu",
            "concat(@fine)",
        ),
        "`conv(4, 3, pad = 1) -> bn -> relu -> conv(4, 3, pad = 1) -> bn -> fine: relu`",
    ),
    (
        SKIP.format(
            "fine: conv(4, 3, pad = 1) -> bn -> relu -> maxpool(3, 1, pad = 1)", "concat(@fine)"
        ),
        "`conv(4, 3, pad = 1) -> bn -> relu -> fine: maxpool(3, 1, pad = 1)`",
    ),
    (
        SKIP.format(
            "fine: conv(4, 3, pad = 1) -> relu -> conv(8, 2, stride = 2) -> upsample(2)",
            "concat(@fine)",
        ),
        "`conv(4, 3, pad = 1) -> fine: relu`",
    ),
    ("net A {\n input x: 10x28\n lstm(28, 128, last = true)\n}", "`lstm(128, last = true)`"),
    (
        "net A {\n input x: 9\n dense(99) -> dense(10)\n}",
        "write an activation between them: `dense(99) -> relu`",
    ),
    (HEAD.format("head(99)"), "write an activation before this one: `relu -> dense(10)`"),
    (HEAD.format("head(n = 99)"), "or leave this one out, and write `head(n = 10)`"),
    (
        "import resnet\nnet A {\n input x: 3x64x64\n ResNet18\n dense(10)\n}",
        "or leave this one out, and write `ResNet18(classes = 10)`",
    ),
    (
        REPLACED.format("", "param(16x16)"),
        "give it a label, `values: tokens`, and write `param(16x16) -> add(@values)`",
    ),
    (
        "net A {\n input x: 4\n (2 * @) -> param(4)\n}",
        "give it a label, `values: (2 * @)`, and write `param(4) -> add(@values)`",
    ),
    (REPLACED.format("t: ", "param(1x16)"), "write `param(1x16) -> concat(@t)`"),
    (
        REPLACED.format("t: ", "positions -> embedding(16, 4)"),
        "write `@t ->` where the layers after `positions`",
    ),
]

HINTED = [
    (
        "label-before-activation",
        [4],
        MAP.format("relu6 -> gate: conv(24, 1) -> relu", "conv(24, 1) -> sigmoid -> mul(@gate)"),
    ),
    (
        "label-before-activation",
        [4],
        MAP.format("b: conv(4, 1, bias = false) -> bn -> relu", "conv(4, 1) -> (@ + @b)"),
    ),
    ("unused-round", [5], ROUNDS.format("skip{i}: dense(4) -> relu")),
    ("unused-round", [5, 5], ROUNDS.format("dense(4 + i) -> relu -> dense(4) -> relu")),
    ("bias-before-norm", [3], "net A {\n input image: 3x9x9\n conv(8, 3) -> bn\n}"),
    ("bias-before-norm", [3], "net A {\n input x: 9\n dense(8) -> bn\n}"),
    (
        "dropout-before-norm",
        [3],
        "net A {\n input x: 9\n dense(8, false) -> relu -> dropout -> bn\n}",
    ),
    (
        "large-receptive-field",
        [3],
        "net A {\n input image: 3x16x16\n repeat 40 { conv(8, 3, pad = 1) -> relu }\n}",
    ),
    (
        "dominant-layer",
        [4],
        "net A {\n input image: 1x28x28\n conv(8, 3)\n flatten -> dense(99)\n}",
    ),
]
RIGHT = [
    "net A {\n input x: 512x16\n conv(8, 3, pad = 1)\n}",
    "net A {\n input x: 196x8\n conv(8, 1)\n}",
    "net A {\n input x: 9\n dense(8) -> softmax\n}",
    "net A {\n input x: 9\n dense(8) -> relu\n}",
    "net A {\n input x: 8x2x99\n deconv(1, [1, 16], stride = [1, 8])\n}",
    "net A {\n input x: 8x1x1\n deconv(16, 16)\n}",
    "net A {\n input x: 8x2x99\n conv(8, [1, 16])\n}",
    SIGNAL.format("gap -> flatten", "dense(2)"),
    "net A {\n input x: 8\n residual { dense(8) -> droppath(0.1) }\n}",
    "net A {\n input x: 8\n droppath(0.1) -> dense(8) -> concat(@x)\n}",
    "net A {\n input x: 8\n dense(8) -> droppath(0.1) -> (@x + 0.5 * @)\n}",
    MAP.format("permute([2, 3, 1])", "reshape([-1, 4])"),
    MAP.format("tokens", "reshape([-1, 4])"),
    MAP.format("gap", "reshape([-1, 4])"),
    MAP.format("relu", "reshape([24, 27, 3])"),
    MAP.format("relu", "reshape([4, 6, 81])"),
    AGAIN.format("enc: dense(8) -> tanh", "enc -> tanh -> dense(2)"),
    AGAIN.format("enc: dense(8) -> tanh", "repeat 2 { enc -> attention(2) }"),
    AGAIN.format("enc: attention(2)", "enc"),
    AGAIN.format("enc: attention(2)", "enc -> relu\n enc -> dense(2)"),
    AGAIN.format("enc: { attention(2) -> tanh }", "enc -> dense(2)"),
    SIGNAL.format("bn", "glu(axis = 1)"),
    "net A {\n input x: 9x1\n dense(8) -> conv(18, 1) -> glu\n}",
    "net A {\n input x: 9x1\n conv(9, 1) -> gelu -> dense(8)\n}",
    "net A {\n input x: 9x8\n layernorm -> conv(9, 1) -> gelu -> layernorm -> dense(8)\n}",
    "net A {\n input x: 4\n repeat 2 with n = 4 {\n dense(n) -> if n > 3 { next n = 8 }\n }\n}",
    "net A {\n input x: 4x8x8\n gap\n conv(8, 1) -> relu\n}",
    "net A {\n input x: T int64\n add { | embedding(9, 4) | positions -> embedding(5, 4) }\n}",
    "net A {\n input x: 4x3x3\n conv(8, 3, stride = 2, pad = 1) -> relu\n}",
    "net A {\n input x: 9\n g: { dense(8) -> softmax }\n @x -> dense(8) -> mul(@g) -> dense(3)\n}",
    "net A {\n input x: 512x7x7\n flatten -> dense(4096) -> relu -> dense(9)\n}",
    "net A {\n input x: 32x32\n conv(8, 3)\n}",
    "net A {\n input image: 28x28\n lstm(8, last = true)\n}",
    ONE_SCORE.format('data = npz("f.npz")\nloss = mse'),
    SKIP.format("conv(4, 3, pad = 1) -> bn -> fine: relu", "concat(@fine)"),
    SKIP.format("conv(4, 3, pad = 1) -> fine: bn -> relu", "concat(@fine)"),
    """net A {
 input image: 3x8x8
 stem: conv(8, 3, pad = 1) -> bn -> relu
 conv(8, 3, pad = 1) -> add(@stem) -> relu
 output y: conv(2, 1)
}""",
    "net Swapped { input x: 3x9x9 \n conv(8, 3) -> permute([2, 3, 1]) -> layernorm }",
    "net Width { input x: 3x9x9 \n conv(8, 3) -> layernorm(axis = -1) }",
    "net Map { input x: 3x9x9 \n conv(8, 1) -> softmax }",
    "net Keys { input x: 9x8 \n dense(9) -> softmax(axis = 1) }",
    "net Mixer { input x: 9 int64 \n embedding(99, 8) -> conv(16, 1) -> gelu }",
    "net Words { input x: 9 int64 \n embedding(99, 8) -> permute([2, 1]) -> conv(8, 3) -> gmp }",
    OPTIMIZED.format("sgd(lr = 2, momentum = 0.9, weight_decay = 0.1)"),
    "net Given { input x: 9 \n w: param([4, 9]) \n @x -> dense(4, bias = false, weight = @w) }",
    "net Depth { input scan: 1x64x64x64 \n conv(8, 3) -> gap }",
    "net Video { input clip: 3x16x112x112 \n conv(8, 3) -> gap }",
    "net Last { input image: HxWx3 \n permute([3, 1, 2]) -> conv(8, 3) }",
    "net Sequence { input x: 64x100x1 \n conv(8, 3x1) }",
    "net Token { input x: 1x8 \n dense(4) -> flatten -> dense(2) }",
    "net Blur { input image: 1x28x28 \n conv(k = 13, out = 1, pad = 6) }",
    "net Depthwise { input image: 32x56x56 \n conv(32, 31, groups = 32) }",
    "net Bilinear { input image: 21x8x8 \n deconv(21, 64, 32, bias = false) }",
    "net Strided { input image: 3x9x9 \n conv(8, 1, stride = 2) -> maxpool(3, 3) }",
    "net Mish { input x: 4 \n mul { | softplus -> tanh | identity } -> dense(2) }",
    "net Regression { input x: 4 \n dense(1) -> relu }",
    "net Multilabel { input x: 4 \n dense(5) -> sigmoid }",
    "net Softmax { input x: 4 \n dense(5) -> softmax }",
    "net Encoder { input x: 4 \n output code: dense(5) -> relu }",
    "net Sizes { input x: 4 \n a: dense(5) \n @x -> dense(3) \n expect shape(a) == 5 }",
    "net Underscore(_w = 3) { input x: 4 \n dense(5) }",
    "net Later { input x: 4 \n expect params == n \n let n = 25 \n dense(5) }",
    "net Label { input x: 4 \n repeat 2 as i { fc{i}: dense(5) } }",
    "net Size(S = 4) { input x: 2xS \n dense(5) }",
    "net Local { input x: 4 \n let w = 3 \n dense(w) \n repeat 2 { let w = 4 \n dense(w) } }",
    "net List { input x: 4 \n a: dense(4) \n @x -> b: dense(4) \n add([@a, @b]) }",
    "net Square { input x: 4 \n a: dense(4) \n mul(@a) }",
    "net Doubled { input x: 4 \n a: dense(4) \n add([@, @a]) }",
    "net Length { input x: 5x4 \n positions -> embedding(5, 4) }",
    "net Query { input x: 5x4 \n q: @x -> param(3x4) \n attention(2, @x) }",
    "net Again { input image: 3x9x9 \n conv(8, 3) -> conv(in.channels, 1) }",
    "net First { input image: 8x9x9 \n conv(in.channels // 2, 3) }",
    "net Deep(depth = 8) { input x: 4 \n dense(depth) \n expect params == depth * 5 }",
    "net Frozen { input x: 4 \n { dense(4) -> relu } -> frozen \n dense(2) }",
    "net Mixed { input x: 64x99 \n conv(8, 1) -> lstm(8) }",
    "net Turned { input x: 64x99 \n conv(8, 3) -> relu -> permute([2, 1]) -> gru(8) }",
    "net Slow { input x: 9 \n bn(momentum = 0.01) -> dense(3) }",
    "net Last { input x: 9 \n bn(momentum = 1) -> dense(3) }",
    "net Positions { input x: 9 int64 \n embedding(9, 12288) }",
    "net Numbers { input x: 9 int64 \n embedding(1000, 1000) }",
    "net Rank { input x: 64 \n dense(16) -> dense(64) }",
    "net Tied { input x: 9 \n w: param([64, 9]) \n @x -> dense(64, weight = @w) -> dense(3) }",
    "net Both { input x: 9 \n output code: dense(64) \n output y: dense(3) }",
    "net Mirrored { input x: 3x9x9 \n conv(8, 1, pad = 1, pad_mode = reflect) -> relu }",
    "net Separable { input x: 16x9x9 \n conv(16, [3, 1]) -> conv(16, [1, 3]) }",
    "net Pointwise { input x: 16x9x9 \n conv(64, 3) -> conv(16, 1) }",
    "net Grouped { input x: 16x9x9 \n conv(16, 3, groups = 16) -> conv(16, 3) }",
    "net Narrow { input x: 64x9x9 \n conv(16, 3) -> conv(64, 3) }",
    "net Small { input x: 3x9x9 \n conv(8, 3) -> conv(8, 3) }",
    "net Shared { input x: 3x9x9 \n a: conv(16, 3, pad = 1) \n conv(16, 3, pad = 1) -> add(@a) }",
    "net Normed { input x: 3x9x9 \n conv(16, 3) -> instancenorm -> conv(16, 3) }",
    "net Larger { input x: 3x9x9 \n conv(8, 3) -> conv(in.channels * 4, 3) -> pixel_shuffle(2) }",
    "net Mean { input image: 3x9x9 \n conv(8, 3) -> relu -> avgpool(7) -> flatten -> dense(3) }",
    "net Causal { input x: 3x9 \n conv(8, 3, pad = 2) -> slice(0, 9, axis = 2) }",
    "net Even { input x: 3x9 \n conv(8, 2, pad = 1) -> relu -> conv(8, 2) }",
    "net Moved { input x: 3x9x9 \n conv(8, 3, pad = 100) }",
    NORMED.format("groupnorm(2)", "batch = 1"),
    NORMED.format("bn", "batch = 4"),
    "net Beyond { input x: 4x1x2 \n avgpool(2, pad = same) }",
    "net Halved { input image: 3x9x9 \n avgpool(2) -> conv(4, 4) }",
    "net Columns { input image: 3x9x9 \n conv(8, 3) -> softmax(axis = -1) -> flatten -> dense(3) }",
    "net Twice { input x: 9 \n a: dense(64) -> b: dense(3) \n @a -> dense(3) -> add(@b) }",
    "net Features { input x: 9 \n output code: dense(9) -> relu -> dropout }",
    "net Steps { input x: 9x9 \n dense(9) -> dropout }",
    "net Row { input image: 1x4x4 \n reshape([1, -1]) -> dense(2) }",
    "net Columns { input image: 6x4 \n reshape([-1, 8]) -> dense(2) }",
    "net Sized { input z: 9 \n dense(98) \n reshape(2x7x7) -> conv(3, 3) }",
    OPTIMIZED.format("sgd(lr = 0.1, momentum = 0.99)"),
    OPTIMIZED.format("adam(betas = [0.95, 0.9999])"),
    SET.format("data = mnist", "ema = 0.5"),
    SET.format("data = mnist", "ema = 0"),
    SET.format("data = mnist", "batch = 59999"),
    SET.format("data = mnist(limit = 41)", "batch = 20"),
    SET.format("data = mnist(limit = 11)", "batch = 1"),
    SET.format(
        "data = fashion_mnist", "augment = color_jitter(0.1) -> normalize([0.1], [0.2]) -> hflip"
    ),
    SET.format("data = fashion_mnist", "augment = hflip -> vflip -> shift(0.1) -> cutmix"),
    SET.format('weights = "W"', "freeze = [dense]"),
    FROZEN.format("dense(4) -> frozen", 'weights = "W"'),
    FROZEN.format("dense(4, init = ones) -> frozen", ""),
    FROZEN.format("bn -> frozen", ""),
    FROZEN.format("bn", "freeze = [bn]"),
    TRAINED.format("dense(10) -> sigmoid", "", "loss = mse"),
    TRAINED.format("dense(10) -> sigmoid", "", "loss = [(output, l1)]"),
    SCHEDULED.format("epochs = 90", "multistep([30, 60])"),
    SCHEDULED.format("epochs = 5", "cosine(warmup = 2)"),
    "block B(w) { dense(w) }",
    "block B(w, v) { dense(w) } \n block C(b) { b(3, 4) } \n net A { input x: 4 \n C(B) }",
    (
        "net Mean { input image: 1x28x28 \n flatten -> dense(10) -> softmax } \n"
        "train Mean { loss = mse }"
    ),
]


def _compiled(text: str) -> bool:
    """Whether a text has no errors."""
    try:
        _warnings(text)
    except NetdslError:
        return False
    return True


def _warnings(text: str, *, with_hints: bool = False, complete: bool = True) -> list[Diagnostic]:
    loaded = program_of(SourceFile("a.net", text))
    nets = [compile_net(loaded, name) for name in loaded.nets()]
    return warnings_of(loaded.module, nets, with_hints=with_hints, complete=complete)


def _places(diagnostics: list[Diagnostic]) -> list[tuple[str, int]]:
    return [(d.code, d.span.first.line) for d in diagnostics if d.span is not None]


@pytest.mark.parametrize(("code", "lines", "text"), WRONG)
def test_mistakes_cause_warnings(code: str, lines: list[int], text: str) -> None:
    """Each mistake causes exactly its warning, at its line, with advice."""
    diagnostics = _warnings(text)
    assert _places(diagnostics) == [(code, line) for line in lines]
    assert [d.severity for d in diagnostics] == ["warning"] * len(lines)
    assert all(d.help for d in diagnostics)


@pytest.mark.parametrize(("code", "layers", "entry"), TRAINED_WRONG)
def test_losses_take_scores(code: str, layers: str, entry: str) -> None:
    """The loss of a `train` section decides which layers may come last."""
    assert _places(_warnings(TRAINED.format(layers, "", entry))) == [(code, 3)]


@pytest.mark.parametrize(("code", "lines", "text"), HINTED)
def test_hints(code: str, lines: list[int], text: str) -> None:
    """A hint appears only if hints are asked for."""
    assert _warnings(text) == []
    diagnostics = _warnings(text, with_hints=True)
    assert _places(diagnostics) == [(code, line) for line in lines]
    assert {d.severity for d in diagnostics} == {"info"}


@pytest.mark.parametrize("text", RIGHT)
def test_correct_programs_cause_none(text: str) -> None:
    """Programs that look like a mistake but are none."""
    assert _places(_warnings(text)) == []


@pytest.mark.parametrize("name", library_names())
def test_library(name: str) -> None:
    """No net of the library causes a warning."""
    assert _places(_warnings(open_source(name).text)) == []


def test_manual() -> None:
    """No program of the language reference causes a warning."""
    programs = [b.program for b in blocks_of(LANGUAGE) if b.file is None]
    valid = [text for text in programs if _compiled(text)]
    assert len(valid) > 25
    for text in valid:
        assert _places(_warnings(text)) == []


# What random programs do on purpose.
RANDOM = {
    "constant-result",
    "channels-as-steps",
    "default-axis",
    "vectors-as-channels",
    "all-dropped",
    "batch-in-reshape",
    "joined-twice",
    "lone-droppath",
    "nothing-frozen",
    "unused-let",
    "unused-parameter",
    "unused-value",
    "unused-variable",
    "double-activation",
    "needless-window",
    "skipped-input",
}


def test_random_nets() -> None:
    """Random nets cause no warning about inputs, arguments or outputs."""
    codes = set()
    for text in filter(_compiled, map(program, range(60))):
        codes |= {d.code for d in _warnings(text)}
    assert codes <= RANDOM


def test_allow() -> None:
    """A comment silences its code in its line only, with or without a reason after it."""
    text = (
        "net A {\n input x: 4\n"
        " dense(4) -> relu -> relu  # allow: double-activation (as in the paper)\n"
        " dense(4) -> tanh -> tanh # allow: unused-let, double-activation\n"
        " dense(4) -> relu -> tanh\n"
        " dense(2,\n  true) -> relu -> softmax  # allow:double-activation (why)\n}"
    )
    assert _places(_warnings(text)) == [("unused-allow", 4), ("double-activation", 5)]


@pytest.mark.parametrize(
    ("comment", "help_"),
    [
        ("# allow: double-activaton", "did you mean `double-activation`?"),
        ("# allow: all", "only warnings and hints can be allowed"),
        ("# allow double-activation", "write `# allow: double-activation`"),
        ("# Allow: double-activation", "write `# allow: double-activation`"),
        ("# allow: unused-let", "remove the comment"),
    ],
)
def test_comments_that_miss(comment: str, help_: str) -> None:
    """A comment that is nearly right says what is wrong with it, and silences nothing."""
    text = f"net A {{\n input x: 4\n dense(4) -> relu -> relu  {comment}\n dense(3) }}"
    activation, allow = _warnings(text)
    assert (activation.code, allow.code) == ("double-activation", "unused-allow")
    assert help_ in str(allow.help)


def test_comment_in_another_line() -> None:
    """The help names the line of the warning."""
    text = "net A {\n input x: 4\n relu  # allow: double-activation\n -> relu -> dense(3) }"
    (allow, _) = _warnings(text)
    assert allow.help == "the nearest one is on line 4: write the comment there"


def test_other_comments() -> None:
    """A comment that only begins with the word allows nothing, and is no mistake."""
    assert _warnings("net A {\n input x: 4\n relu  # allow me to explain\n dense(3) }") == []


def test_several_codes() -> None:
    """Commas separate codes; blanks do, too, if a known code follows."""
    for comment in ("skipped-input double-activation", "skipped-input,double-activation why"):
        text = f"net A {{\n input x: 4\n dense(4) -> relu -> relu # allow: {comment}\n dense(3) }}"
        assert _places(_warnings(text)) == [("unused-allow", 3)]


def test_allow_that_silences_nothing() -> None:
    """It is a warning itself, unless part of the file, or the hints, were not looked at."""
    text = (
        "# allow: unused-let\n"
        "net A {\n input x: 4  # allow: bias-before-norm\n dense(3)  # allow: shape-mismatch\n}\n"
        "net B { input x: 4 \n dense(3) } # we allow: nothing"
    )
    assert _places(_warnings(text)) == [("unused-allow", 1), ("unused-allow", 4)]
    everything = _warnings(text, with_hints=True)
    assert _places(everything) == [("unused-allow", line) for line in (1, 3, 4)]
    assert _warnings(text, complete=False) == []
    assert "end of the line" in str(everything[0].help)


def test_every_code_can_be_allowed() -> None:
    """The codes that comments can silence are those that the mistakes above cause."""
    assert {case[0] for case in (*WRONG, *TRAINED_WRONG)} == set(WARNINGS)
    assert {case[0] for case in HINTED} == set(HINTS)


@pytest.mark.parametrize(("text", "help_"), ADVISED)
def test_advice(text: str, help_: str) -> None:
    """The help of the only warning about a text has these words."""
    (warning,) = _warnings(text)
    assert help_ in str(warning.help)


def test_a_label_that_names_the_first_layer_of_its_chain() -> None:
    """The warning about the end of a chain moves the label there, if a reference names it."""
    text = (
        "net A {\n input x: 4\n a: dense(8) -> relu\n"
        " b: @a -> dense(4)\n @a -> dense(4) -> add(@b)\n}"
    )
    (warning,) = _warnings(text)
    assert (warning.code, warning.line) == ("unused-value", 3)
    assert "write `dense(8) -> a: relu`" in str(warning.help)
    fixed = text.replace("a: dense(8) -> relu", "dense(8) -> a: relu")
    assert _warnings(fixed) == []


def test_what_a_loop_can_carry() -> None:
    """The help about a `let` in a loop can be followed."""
    loop = (
        "for i in range(2) with n = 1 {\n conv(w * n + i, 3)\n next n = n + 1\n let w = 2 * w\n }"
    )
    text = f"net A {{\n input x: 3x16x16\n let w = 4\n {loop}\n}}"
    (warning,) = _warnings(text)
    head, line = "for i in range(2) with n = 1, w = w {", "next w = 2 * w"
    assert f"write `{head}` and `{line}`" in str(warning.help)
    carried = text.replace("for i in range(2) with n = 1 {", head).replace("let w = 2 * w", line)
    assert _warnings(carried) == []
