"""The contract of a layer kind: its definition agrees with PyTorch and ONNX for every example.

Each check is a function of one example or one kind. `test_contract_catches` plants an error in a
definition for each rule, and checks that the contract fails.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import netdsl
from netdsl.backends.onnx.form import OPSETS
from netdsl.backends.torch.modules import PartialConv
from netdsl.ir.op import Arg, Op
from netdsl.ops import LAYERS, connect
from netdsl.ops.args import integer, type_name
from netdsl.ops.init import INITS, distribution
from netdsl.source import SourceFile
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression
from tests.support.back_ends import inputs_for, randomise, run_onnx, run_torch
from tests.support.contract import EXAMPLES, Example, check_onnx, check_shape, examples_of
from tests.support.manual_tables import formulas

# ---- the seven questions


def given_arguments(cls: type[Op], call: str) -> set[str]:
    """The names of the arguments that a call gives."""
    tree = parse_expression(SourceFile("call", call.replace("{}", "@x1")))
    if isinstance(tree, ast.Operation):  # the numbers are its arguments
        sides = {"left": tree.first, "right": tree.rest[0][1]}
        return {name for name, side in sides.items() if not isinstance(side, ast.Reference)}
    if not isinstance(tree, ast.Function):
        return set()
    positional = sum(a.name is None for a in tree.arguments)
    return {a.name for a in cls.args[:positional]} | {a.name for a in tree.arguments if a.name}


def check_arguments(cls: type[Op]) -> None:
    """Check that kind and arguments are documented, and that examples show every argument."""
    assert re.fullmatch(r"[^\n]{12,}\.", (cls.__doc__ or "").split("\n")[0]), (
        f"{cls.kind}: a sentence with the formula"
    )
    assert cls.examples, f"{cls.kind} has no example"
    for declared in cls.args:
        assert len(declared.doc) > 3, f"`{declared.name}` of `{cls.kind}` is not documented"
        assert type_name(declared)
    shown = set().union(*(given_arguments(cls, call) for _, call in cls.examples))
    assert {a.name for a in cls.args} == shown


@pytest.mark.parametrize("kind", LAYERS)
def test_arguments(kind: str) -> None:
    """Every kind and argument is documented and occurs in an example."""
    check_arguments(LAYERS[kind])


def check_rounding(cls: type[Op]) -> None:
    """Check that the kind has a rounding rule of its own, whose docstring has both formulas."""
    assert cls.rounding is not Op.rounding, f"{cls.kind} does not answer `rounding`"
    assert all(formulas(cls.rounding)), f"{cls.kind}: the docstring of `rounding` gives no formula"


@pytest.mark.parametrize("kind", LAYERS)
def test_rounding(kind: str) -> None:
    """No kind of netdsl uses the default rounding rule, which is for kinds of other packages."""
    check_rounding(LAYERS[kind])


def check_params(net: netdsl.Net) -> None:
    """Check the names and shapes of parameters and buffers against those of the module."""
    module = net.torch()
    (node,) = net.graph.nodes
    assert {node.tensor_name(n): p.shape for n, p in node.params().items()} == {
        n: tuple(p.shape) for n, p in module.named_parameters()
    }
    assert {node.tensor_name(n): p.shape for n, p in node.buffers().items()} == {
        n: tuple(b.shape) for n, b in module.named_buffers() if n in module.state_dict()
    }
    assert net.params == sum(p.numel() for p in module.parameters())


# PyTorch counts only matrix products and convolutions; these kinds multiply in other ways.
COUNTERS = {
    "rbf": lambda module, inputs, result: inputs[0].numel() * result.shape[1] // inputs[0].shape[0]
}


def check_macs(net: netdsl.Net) -> None:
    """Check the MACs of one sample against PyTorch's counter, or that of `COUNTERS`."""
    # PyTorch does not count fused recurrent kernels. They exist only for single precision.
    module = randomise(net.torch()).double()
    inputs = [x.double() if x.is_floating_point() else x for x in inputs_for(net, 1)]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        result = module(*inputs)
    kind = net.layers[0].kind
    counted = (
        COUNTERS[kind](module, inputs, result)
        if kind in COUNTERS
        else counter.get_total_flops() // 2
    )
    layer = getattr(module, "y", None)
    if isinstance(layer, PartialConv):  # PyTorch counts the whole kernel, with its zeros
        kernel = layer.kernel()
        counted = counted * int(kernel.count_nonzero()) // kernel.numel()
    assert net.macs == counted
    # `matmul` has products, but no weights.
    assert LAYERS[kind].multiplies == (counted > 0 and net.params > 0)


def check_torch(net: netdsl.Net) -> None:
    """Check that the PyTorch source gives the same values as the module, with the same weights."""
    module = randomise(net.torch())
    space: dict[str, Any] = {"__name__": "standalone"}
    exec(compile(net.pytorch_source(), "standalone.py", "exec"), space)
    other = space["Example"]()
    other.load_state_dict(module.state_dict())
    inputs = inputs_for(net)
    np.testing.assert_array_equal(run_torch(module, inputs)[0], run_torch(other.eval(), inputs)[0])


CHECKS = (check_shape, check_params, check_macs, check_torch, check_onnx)


def check_kind(kind: str) -> None:
    """Check the whole contract of a kind."""
    test_arguments(kind)
    test_rounding(kind)
    for example in examples_of(kind):
        for check in CHECKS:
            check(example.net())


# ---- every kind, every example


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.call} on {e.shapes}")
def test_contract(example: Example) -> None:
    """The definition agrees with PyTorch and ONNX."""
    net = example.net()
    for check in CHECKS:
        check(net)


@pytest.mark.parametrize("kind", LAYERS)
def test_opsets(kind: str) -> None:
    """Every example can be exported in every opset, and gives the same values in onnxruntime.

    For the opsets above `NEWEST_THAT_RUNS`, onnxruntime has no kernel.
    """
    for example in examples_of(kind):
        net = example.net()
        module = randomise(net.torch())
        inputs = inputs_for(net)
        (expected,) = run_torch(module, inputs)
        for opset in OPSETS:
            model = net.onnx(weights=module.state_dict(), opset=opset)
            onnx.checker.check_model(model, full_check=True)
            if opset > NEWEST_THAT_RUNS.get(kind, opset):
                with pytest.raises(NoKernel):
                    run_onnx(model, inputs)
                continue
            np.testing.assert_allclose(run_onnx(model, inputs)[0], expected, rtol=1e-4, atol=1e-5)


# The newest opset for which onnxruntime has a kernel of the operator.
NEWEST_THAT_RUNS = {"roi_pool": 21, "roi_align": 21}


@pytest.mark.parametrize(
    "example",
    [e for e in EXAMPLES if LAYERS[e.kind].params is not Op.params],
    ids=lambda e: f"{e.call} on {e.shapes}",
)
def test_fixed_initial_weights_are_equal(example: Example) -> None:
    """Initial weights that are not random are equal in both back ends."""
    net = example.net()
    state = net.torch().state_dict()
    for tensor in net.onnx().graph.initializer:
        if tensor.name not in state:
            continue
        param = (net.graph.nodes[0].params() | net.graph.nodes[0].buffers())[
            tensor.name.removeprefix("y").removeprefix(".")  # a `param` is `y` itself
        ]
        ours, theirs = onnx.numpy_helper.to_array(tensor), state[tensor.name].numpy()
        assert theirs.shape == ours.shape
        if distribution(param.init, param.shape).kind not in ("uniform", "normal"):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


CONNECTED = (
    "conv(48, 3, connections ="
    f" {[[(i + j) % 64 for j in range(2 + i % 19)] for i in range(48)]}{{}})"
)


@pytest.mark.parametrize(
    ("call", "init"),
    [
        *(
            (c, i)
            for c in ("conv(48, 3, groups = 2{})", "deconv(48, 3, groups = 2{})", "dense(300{})")
            for i in INITS
        ),
        *((CONNECTED, i) for i in connect.INITS),
    ],
    ids=lambda w: w.partition("(")[0] if len(w) < 40 else "connected",
)
def test_initial_weights_have_one_distribution(call: str, init: str) -> None:
    """With every initialiser, both back ends give weights of the same mean and deviation."""
    shape = "300" if call.startswith("dense") else "64x5x5"
    net = Example("", shape, call.format(f", init = {init}")).net()
    torch.manual_seed(0)
    state = net.torch().state_dict()
    for tensor in net.onnx().graph.initializer:
        if tensor.name in state:
            ours, theirs = onnx.numpy_helper.to_array(tensor), state[tensor.name].numpy()
            assert pytest.approx(theirs.std(), rel=0.25) == ours.std()
            assert pytest.approx(theirs.mean(), abs=float(0.4 * theirs.std()) + 1e-9) == ours.mean()


# The gradients of these layers are zero at many inputs.
FLAT = {"sign", "clamp"}
# These layers depend on whole axes, not on windows.
ALONG_THE_AXES = {"softmax", "log_softmax", "layernorm", "rmsnorm", "groupnorm", "instancenorm"}


def _sees_all(example: Example) -> bool:
    """Whether an example combines positions along more than the channels."""
    if not example.kind.startswith(("reduce_", "glu")):
        return False
    (node,) = example.net().graph.nodes
    return node.op.sees_all(*node.types)


WINDOWED = [
    e
    for e in EXAMPLES
    if e.kind not in ALONG_THE_AXES | FLAT
    and not LAYERS[e.kind].is_global
    and not _sees_all(e)
    and {"x"} <= set(e.shapes) <= set("0123456789x")
]


@pytest.mark.parametrize("example", WINDOWED, ids=lambda e: f"{e.call} on {e.shapes}")
def test_windows(example: Example) -> None:
    """The middle output has no gradient for inputs outside the window that the kind declares."""
    net = example.net()
    (node,) = net.graph.nodes
    module = randomise(net.torch())
    inputs = [x.abs().requires_grad_() for x in inputs_for(net, 1)]
    middle = [d // 2 for d in node.type.spatial if isinstance(d, int)]
    (reached,) = torch.autograd.grad(module(*inputs)[(0, slice(None), *middle)].sum(), inputs[:1])
    places = reached[0].abs().sum(0).nonzero()
    for axis, window in enumerate(node.op.windows(*node.types)):
        first = ceil(Fraction(middle[axis] * window.stride, window.up) - window.pad)
        assert first <= places[:, axis].min()
        assert places[:, axis].max() <= first + window.extent - 1


# ---- the checks can fail


def _plant(monkeypatch: pytest.MonkeyPatch, kind: str, rule: str, wrong: Any) -> None:
    monkeypatch.setattr(LAYERS[kind], rule, wrong)


def _without_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = LAYERS["leaky_relu"].args[0]
    monkeypatch.setattr(declared, "doc", "")


def _with_unseen_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = Arg(integer, 0, "never used", None, None, None)
    extra.name = "unseen"
    monkeypatch.setattr(LAYERS["conv"], "args", (*LAYERS["conv"].args, extra))


def _wrong_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    infer = LAYERS["maxpool"].infer
    _plant(
        monkeypatch,
        "maxpool",
        "infer",
        lambda self, x: infer(self, x)._replace(
            shape=(infer(self, x).shape[0], *(d + 1 for d in infer(self, x).spatial))
        ),
    )


def _wrong_params(monkeypatch: pytest.MonkeyPatch) -> None:
    params = LAYERS["dense"].params
    _plant(
        monkeypatch,
        "dense",
        "params",
        lambda self, x: {("offset" if n == "bias" else n): p for n, p in params(self, x).items()},
    )


def _wrong_macs(monkeypatch: pytest.MonkeyPatch) -> None:
    macs = LAYERS["deconv"].macs
    _plant(monkeypatch, "deconv", "macs", lambda self, y, x: macs(self, y, x) + y.size)


def _wrong_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, "tanh", "torch", lambda self, t, x: t.module("Hardtanh"))


def _wrong_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(
        monkeypatch,
        "groupnorm",
        "onnx",
        lambda self, g, x: g.op(
            "InstanceNormalization",
            x,
            g.floats([1.0] * x.type.channels),
            g.floats([0.0] * x.type.channels),
        ),
    )


def _without_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, "tanh", "rounding", Op.rounding)


PLANTS = {
    "rounding": ("tanh", _without_rounding),
    "arguments": ("leaky_relu", _without_documentation),
    "arguments, unseen": ("conv", _with_unseen_argument),
    "shape": ("maxpool", _wrong_shape),
    "params": ("dense", _wrong_params),
    "macs": ("deconv", _wrong_macs),
    "torch": ("tanh", _wrong_torch),
    "onnx": ("groupnorm", _wrong_onnx),
}


@pytest.mark.parametrize("rule", PLANTS)
def test_contract_catches(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract passes, and fails after an error is planted in a rule."""
    kind, plant = PLANTS[rule]
    check_kind(kind)
    plant(monkeypatch)
    with pytest.raises(
        (
            AssertionError,
            netdsl.CompileError,
            onnx.checker.ValidationError,
            onnx.shape_inference.InferenceError,
        )
    ):
        check_kind(kind)
