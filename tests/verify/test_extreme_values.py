"""`verify` on values at the ends of float32's range.

It raises no false alarm where float32 cannot represent an intermediate value, whether or not a
processor or a library sets numbers below 2^-126 to zero, and it still finds real faults nearby.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from netdsl.driver import compile_net, program_of
from netdsl.ir.rounding import LARGEST, TINY
from netdsl.ops import LAYERS
from netdsl.source import SourceFile
from netdsl.verify import Report, values, verify_graph
from netdsl.verify.exported import CLOSE, _difference
from netdsl.verify.numbers import Settler, inputs_for
from netdsl.verify.onnx_side import OnnxSide
from netdsl.verify.torch_side import TorchSide
from netdsl.verify.values import Executor, compare_values
from tests.fuzz.settings import SETTINGS, applied, flushed
from tests.fuzz.verdict import verdict
from tests.support.contract import EXAMPLES, Example
from tests.support.paths import REGRESS

if TYPE_CHECKING:
    from collections.abc import Iterator


def verified(body: str) -> Report:
    """The report of a net with those statements."""
    program = program_of(SourceFile("extreme.net", f"net N {{\n{body}\n}}\n"))
    return verify_graph(compile_net(program, program.pick(None)).graph, threads=1)


@pytest.fixture(params=["default", "outputs flushed", "PyTorch flushes", "onnxruntime flushes"])
def underflow(request: pytest.FixtureRequest) -> Iterator[str]:
    """Ways in which the values of layers may underflow."""
    with applied(SETTINGS[request.param]):
        yield request.param


# ---- nets

NETS = {
    "a softmax whose second share is 4e-44": (
        "input x: 2\n dense(2, bias = false, weight = [[0, 0], [-100, 0]])\n softmax"
    ),
    "squares that underflow": (
        "input x: 1x4x4\n conv(2, 1, bias = false, weight = [[[[1e-25]]], [[[1]]]]) -> l2pool(2)"
    ),
    "squares that overflow": (
        "input x: 8\n conv: dense(8, bias = false, weight = [8 * [1e20]] + 7 * [8 * [1]])\n rmsnorm"
    ),
    "many factors": "input x: 3\n c: dense(3)\n mul(" + ", ".join(["@c"] * 40) + ")",
}
LAYERS_AFTER = (
    "rmsnorm",
    "rmsnorm(eps = 0)",
    "layernorm",
    "layernorm(eps = 0)",
    "groupnorm(2)",
    "groupnorm(2, eps = 0)",
    "instancenorm",
    "bn",
    "bn(eps = 0)",
    "lrn(3)",
    "lrn(3, k = 0)",
    "l2pool(2)",
    "gelu",
    "gelu(approximate = tanh)",
    "hard_swish",
    "mish",
    "softplus",
    "selu",
    "elu(alpha = 2)",
    "softmax",
    "log_softmax",
    "conv(2, 3)",
    "deconv(2, 3)",
    "gap",
    "avgpool(2)",
    "sumpool(2)",
    "subsample(2)",
    "mul(@x)",
    "mul(@c, @c)",
    "add(@c)",
    "sub(@c)",
    "max(@x)",
    "upsample(2, mode = bilinear)",
    "flatten -> dense(3) -> rbf(2)",
    "pad(1, value = 3e38)",
    "prelu",
    "tokens -> attention(1)",
    "tokens -> lstm(2)",
    "tokens -> gru(2)",
    "tokens -> rnn(2, nonlinearity = relu)",
    "conv(2, 3) -> bn -> relu",
    "exp",
    "log",
    "abs -> log",
    "sqrt",
    "square -> sqrt",
    "sign",
    "square",
    "sin",
    "cos",
    "erf",
    "clamp(-1e-40, 1e38)",
    "reduce_sum([2, 3])",
    "reduce_mean(1, keep = true)",
    "reduce_max(-1)",
    "reduce_norm(1)",
    "reduce_norm([1, 2, 3])",
    "matmul(@c)",
    "matmul(@c, transpose = true)",
)
SCALED = "input x: 2x6x6\n c: conv(2, 1, bias = false, weight = [[[[{}]], [[0]]], [[[0]], [[1]]]])"


@pytest.mark.parametrize("net", NETS)
def test_nets(net: str, underflow: str) -> None:
    """There is no alarm, because every back end is right within the limits of float32."""
    assert underflow
    assert [] == [d.message for d in verified(NETS[net]).differences()]


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS_AFTER)
def test_a_channel_of_extreme_scale(layer: str, underflow: str) -> None:
    """There is no alarm for a layer on one channel of extreme scale and one of usual scale."""
    assert underflow
    for scale in ("1e20", "3e37", "1e-19", "1e-23", "1e-44"):
        report = verified(f"{SCALED.format(scale)}\n y: {layer}")
        assert [] == [(scale, d.message, d.values) for d in report.differences()]


CONFIDENT = sorted(REGRESS.glob("confident_softmax_*.net"))


@pytest.mark.parametrize("path", CONFIDENT, ids=lambda p: p.stem)
def test_confident_softmaxes(path: Path, underflow: str) -> None:
    """There is no alarm for softmaxes with results below 2^-126, which may be set to zero."""
    assert underflow
    assert verdict(path.read_text(encoding="utf-8"))[0] is None


BEYOND = {
    "the largest of infinities": (
        "input x: 1x3x4x4\n conv(1, 1, bias = false, weight = [[[[3e38]]]]) -> maxpool(1)",
        "1",
    ),
    "squares times alpha": ("input x: 4x6x6\n n: lrn(3, alpha = 3e38)", "n"),
}


@pytest.mark.parametrize("net", BEYOND)
def test_not_compared(net: str) -> None:
    """If intermediate values overflow, there is no alarm and the report names the layer."""
    body, layer = BEYOND[net]
    report = verified(body)
    assert [] == [d.message for d in report.differences()]
    assert layer in report.beyond


def test_layers_that_are_not_compared_are_named() -> None:
    """The report names exactly the layers with values that float32 cannot represent."""
    report = verified(f"{SCALED.format('1e20')}\n n: rmsnorm\n r: relu\n flatten -> dense(3)")
    assert report.beyond == {"n"}
    assert verified("input x: 8\n rmsnorm").beyond == set()


# ---- every kind

INPUTS = (1e-44, 1e-25, 1e-19, 1.0, 1e19, 1e30)
WEIGHTS = (None, 1e-38, 1e20)


def scaled(tensor: torch.Tensor, scale: float) -> torch.Tensor:
    """The numbers times `scale`, limited to the range of float32."""
    return (tensor.double() * scale).clamp(-LARGEST, LARGEST).float()


class Extreme:
    """One layer with its weights and inputs scaled, in PyTorch and in onnxruntime."""

    def __init__(self, example: Example) -> None:
        self.graph = example.net().graph
        self.torch, self.onnx = TorchSide(self.graph), OnnxSide(self.graph)
        self.inputs = inputs_for(self.graph, 2, {}, 0)
        settler = Settler(0)
        for _ in self.torch.walk(
            dict(self.inputs), lambda step, xs: settler.settle(step.node, step.tensors(), xs)
        ):
            pass
        state = self.torch.module.state_dict()
        constants = {
            node.tensor_name(name)
            for node in self.graph.nodes
            for name, buffer in node.buffers().items()
            if buffer.is_constant
        }
        self.weights = {
            n: t.clone() for n, t in state.items() if t.is_floating_point() and n not in constants
        }

    def scale(self, inputs: float, weights: float | None) -> dict[int, torch.Tensor]:
        """Scale the weights, and return the scaled inputs; boxes and integers do not change."""
        state = self.torch.module.state_dict()
        for name, tensor in self.weights.items():
            state[name].copy_(tensor if weights is None else scaled(tensor, weights))
        regions = self.graph.nodes[0].op.family == "regions"
        fixed = self.graph.inputs[1:] if regions else []
        return {
            id(v): scaled(x, inputs) if x.is_floating_point() and v not in fixed else x
            for v, x in ((v, self.inputs[id(v)]) for v in self.graph.inputs)
        }

    def executors(self, inputs: dict[int, torch.Tensor]) -> tuple[Any, list[Executor]]:
        """The layer, and its results in both executors."""
        state = self.torch.module.state_dict()
        session = self.onnx.session({n: state[n].numpy() for n in self.onnx.params}, threads=1)
        results = self.onnx.run(session, {k: v.numpy() for k, v in inputs.items()})
        ((step, xs, ys),) = list(self.torch.walk(dict(inputs)))
        onnx_y = torch.from_numpy(np.asarray(results[self.onnx.tensor[id(step.node.output)]]))
        onnx_xs = [torch.from_numpy(results[self.onnx.tensor[id(v)]]) for v in step.node.inputs]
        return step, [Executor("PyTorch", xs, ys), Executor("onnxruntime", onnx_xs, [onnx_y])]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.call} on {e.shapes}")
def test_every_kind(example: Example) -> None:
    """Extreme inputs and weights raise no alarm, also if small results are flushed to zero."""
    layer = Extreme(example)
    for inputs, weights in product(INPUTS, WEIGHTS if layer.weights else (None,)):
        step, executors = layer.executors(layer.scale(inputs, weights))
        flush = [Executor(e.name, e.xs, [flushed(e.y)]) for e in executors]
        for pair in (executors, flush):
            differences = compare_values(step, pair, Report("N"))
            assert {} == {who: (inputs, weights, d.values) for who, d in differences.items()}


# ---- faults nearby


def off_by(share: float, kind: str) -> Any:
    """An ONNX lowering with the relative error `share` in its result."""
    lower = LAYERS[kind].onnx
    return lambda self, g, *xs: g.op("Mul", lower(self, g, *xs), g.floats(1 + share))


def plus(number: float, kind: str) -> Any:
    """An ONNX lowering that adds `number` to its result."""
    lower = LAYERS[kind].onnx
    return lambda self, g, *xs: g.op("Add", lower(self, g, *xs), g.floats(number))


NEARBY = {
    "squares of 1e-36, within float32": ("l2pool(2)", "1e-18", off_by(1e-3, "l2pool")),
    "far more than lost squares explain": ("l2pool(2)", "1e-25", plus(1e-17, "l2pool")),
    "squares of 1e36": ("rmsnorm", "1e18", off_by(1e-4, "rmsnorm")),
    "the other channel of an overflow": ("groupnorm(2)", "1e25", off_by(1e-4, "groupnorm")),
    "a tenth below the largest": ("relu", "1e37", off_by(0.1, "relu")),
    "a share above 2^-126": ("tokens -> softmax(axis = 2)", "100", plus(1e-30, "softmax")),
    "a sum of small numbers": ("add(@c)", "1e-35", off_by(1e-2, "add")),
    "a convolution of small numbers": ("conv(2, 1, bias = false)", "1e-33", off_by(1e-3, "conv")),
    "a hard_swish of large numbers": ("hard_swish", "1e6", off_by(1e-4, "hard_swish")),
}


@pytest.mark.parametrize("fault", NEARBY)
def test_faults_nearby(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in values that float32 can represent is found, however extreme they are."""
    layer, scale, lowering = NEARBY[fault]
    kind = layer.rpartition("-> ")[2].partition("(")[0]
    body = f"{SCALED.format(scale)}\n y: {layer}"
    assert [] == [d.message for d in verified(body).differences()]
    monkeypatch.setattr(LAYERS[kind], "onnx", lowering)
    first = verified(body).first
    assert first is not None
    assert (first.code, first.kind) == ("values-differ", kind)


@pytest.mark.parametrize(
    ("y", "value", "differs"),
    [
        (0.0, 0.9 * TINY, False),
        (0.0, 1.1 * TINY, True),
        (-TINY, TINY / 2, True),
        (0.0, -TINY / 4, False),
    ],
)
def test_exact_layers_may_flush(
    y: float, value: float, differs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer that computes exactly may set numbers below 2^-126 to zero, and change no others."""
    layer = Extreme(next(e for e in EXAMPLES if e.kind == "relu"))
    step, (executor, _) = layer.executors(layer.scale(1.0, None))
    monkeypatch.setattr(values, "witnesses", lambda *_: [(torch.full((1, 1), value), None)])
    candidate = Executor("PyTorch", executor.xs, [torch.full((1, 1), y)])
    assert bool(compare_values(step, [candidate], Report("N"))) == differs


@pytest.mark.parametrize(
    ("ours", "theirs", "close"),
    [(2e-20, 1e-20, False), (1.0001e-20, 1e-20, True), (0.0, 1e-38, True), (1e-33, 1e-34, False)],
)
def test_export_compares_small_outputs(ours: float, theirs: float, close: bool) -> None:
    """`export --verify` compares small outputs relative to their scale, and allows underflow."""
    share = _difference(np.array([ours], np.float32), np.array([theirs], np.float32))
    assert (share <= CLOSE["float32"]) == close
