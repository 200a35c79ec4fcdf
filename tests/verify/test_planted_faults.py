"""Whatever fault is planted in one back end is found at its node and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from onnx import helper

import netdsl
from netdsl.backends.onnx import fold
from netdsl.backends.onnx import graph as onnx
from netdsl.backends.torch import source as pytorch_source
from netdsl.ops import LAYERS
from netdsl.verify import Report
from netdsl.verify.onnx_side import OnnxSide
from tests.support.verification import MIXED, line_of, mixed, replaced, swapped_pads, verified

PACKAGE = Path(netdsl.__file__).parent


def assert_found(report: Report, claim: str, code: str, name: str, part: str) -> None:
    """The first difference is of that claim, at that node and line; the claims before it hold."""
    assert not report.ok
    first = report.first
    assert first is not None
    failed = next(c for c in report.claims if c.difference is first)
    assert (claim, code, name, line_of(part)) == (failed.name, first.code, first.name, first.line)
    assert len(first.values) >= 1


def test_wrong_shape_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape rule that is one off."""
    infer = LAYERS["deconv"].infer
    replaced(
        monkeypatch,
        "deconv",
        "infer",
        lambda self, x: infer(self, x)._replace(
            shape=(4, *(d + 1 for d in infer(self, x).spatial))
        ),
    )
    report = mixed()
    assert_found(report, "shapes", "shapes-differ", "up", "up:")
    assert ["agree", "differ", *["not tried"] * 5] == [c.verdict for c in report.claims]


def test_wrong_shape_in_onnx_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attribute that gives ONNX another shape."""
    lower = LAYERS["deconv"].onnx
    replaced(
        monkeypatch,
        "deconv",
        "onnx",
        lambda self, g, x: g.op("Pad", lower(self, g, x), g.ints([0, 0, 0, 1]), "", g.ints([2, 3])),
    )
    assert_found(mixed(), "shapes", "shapes-differ", "up", "up:")


def test_wrong_params(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight of another name than PyTorch's."""
    params = LAYERS["dense"].params
    replaced(
        monkeypatch,
        "dense",
        "params",
        lambda self, x: {("offset" if n == "bias" else n): p for n, p in params(self, x).items()},
    )
    replaced(
        monkeypatch,
        "dense",
        "onnx",
        lambda self, g, x: g.op("Gemm", x, g.param("weight"), g.param("offset"), transB=1),
    )
    assert_found(mixed(), "params", "params-differ", "head", "head:")


def test_wrong_weight_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight of another shape than PyTorch's."""
    params = LAYERS["dense"].params
    replaced(
        monkeypatch,
        "dense",
        "params",
        lambda self, x: {n: p._replace(shape=p.shape[::-1]) for n, p in params(self, x).items()},
    )
    assert_found(mixed(), "params", "params-differ", "head", "head:")


@pytest.mark.parametrize(
    ("kind", "name", "part"),
    [
        ("conv", "stem", "stem:"),
        ("lstm", "memory", "memory:"),
        ("attention", "mix", "mix:"),
        ("deconv", "up", "up:"),
        ("bn", "norm", "norm:"),
    ],
)
def test_wrong_macs(kind: str, name: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiply-accumulates that are one too many, of layers that multiply and of one that does
    not.
    """
    macs = LAYERS[kind].macs
    replaced(monkeypatch, kind, "macs", lambda self, y, *xs: macs(self, y, *xs) + 1)
    report = mixed()
    assert_found(report, "macs", "macs-differ", name, part)
    assert [c.name for c in report.claims if not c.ok] == ["macs"]


def off_by(share: float, kind: str) -> Any:
    """An ONNX lowering whose result is off by that share."""
    lower = LAYERS[kind].onnx
    return lambda self, g, *xs: g.op("Mul", lower(self, g, *xs), g.floats(1 + share))


def norm_with(**changed: Any) -> Any:
    """Batch norm in ONNX with other attributes."""
    return lambda self, g, x: g.op(
        "BatchNormalization",
        x,
        g.param("weight"),
        g.param("bias"),
        g.param("running_mean"),
        g.param("running_var"),
        **{"epsilon": self.eps, **changed},
    )


ONNX_FAULTS = {
    "pads exchanged": ("conv", swapped_pads, "stem", "stem:"),
    "eps": ("bn", norm_with(epsilon=1e-5), "norm", "norm:"),
    "alpha": (
        "lrn",
        lambda self, g, x: g.op(
            "LRN", x, size=self.n, alpha=self.alpha * 1.001, beta=self.beta, bias=self.k
        ),
        "local",
        "local:",
    ),
    "a few roundings": ("conv", off_by(1e-4, "conv"), "stem", "stem:"),
    "one rounding too many is fine, many are not": (
        "softmax",
        off_by(1e-5, "softmax"),
        "0",
        "softmax",
    ),
    "pads at the end alone": (
        "maxpool",
        lambda self, g, x: g.op(
            "MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 2, 2]
        ),
        "pool",
        "pool:",
    ),
    "scale of the scores": ("attention", off_by(1e-3, "attention"), "mix", "mix:"),
}


@pytest.mark.parametrize("fault", ONNX_FAULTS)
def test_wrong_onnx(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong attribute or operator in the ONNX lowering is found in onnxruntime's values, and
    PyTorch's hold.
    """
    kind, made, name, part = ONNX_FAULTS[fault]
    replaced(monkeypatch, kind, "onnx", made)
    report = mixed()
    names = [n.name for n in netdsl.loads(MIXED).graph.nodes if n.op.kind == kind]
    assert_found(
        report, "values in onnxruntime", "values-differ", name if name in names else names[0], part
    )
    assert report.first is not None
    assert {"onnxruntime has", "fp64 on the same inputs gives", "PyTorch has", "allowed"} == set(
        report.first.values
    )


def test_wrong_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates of a recurrent layer in another order."""
    replaced(monkeypatch, "lstm", "order", (0, 3, 2, 1))
    assert_found(mixed(), "values in onnxruntime", "values-differ", "memory", "memory:")


def test_batch_written_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lowering that holds for one batch alone."""
    replaced(monkeypatch, "flatten", "onnx", lambda self, g, x: g.op("Reshape", x, g.ints([2, -1])))
    assert_found(mixed(), "shapes", "shapes-differ", names_of("flatten")[0], "flatten")


def names_of(kind: str) -> list[str]:
    """The names of the nodes of a kind in the mixed net."""
    return [n.name for n in netdsl.loads(MIXED).graph.nodes if n.op.kind == kind]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("tanh", lambda self, t, x: t.module("Hardtanh")),
        (
            "lrn",
            lambda self, t, x: t.module(
                "LocalResponseNorm", self.n, alpha=(self.alpha, 0), beta=(self.beta, 0), k=(2.0, 0)
            ),
        ),
        ("maxpool", lambda self, t, x: t.inline("F.avg_pool2d({0}, 3, 2, 1)")),
        ("add", lambda self, t, *xs: t.inline("{0} + {1} * 1.001")),
    ],
)
def test_wrong_torch(kind: str, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong PyTorch lowering is its own witness, and onnxruntime's value shows it."""
    replaced(monkeypatch, kind, "torch", made)
    (name,) = names_of(kind)
    assert_found(
        mixed(),
        "values in onnxruntime",
        "values-differ",
        name,
        kind if kind != "maxpool" else "pool:",
    )


def test_wrong_recurrent_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recurrent layers have a witness of their own: PyTorch's value shows a wrong lowering."""
    torch_ = LAYERS["lstm"].torch
    replaced(
        monkeypatch,
        "lstm",
        "torch",
        lambda self, t, x: torch_(self, t, x)._replace(call="{m}({0}.flip(1))[0]"),
    )
    report = mixed()
    assert_found(report, "values in PyTorch", "values-differ", "memory", "memory:")


def test_training_behaviour_left_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lowering that acts at inference as in training."""
    replaced(
        monkeypatch,
        "dropout",
        "torch",
        lambda self, t, x: t.inline("F.dropout({0}, 0.5, training=True)"),
    )
    report = verified("net A {\n    input x: 9\n    dense(9)\n    drop: dropout\n    dense(3)\n}")
    assert report.first is not None
    assert ("drop", 4) == (report.first.name, report.first.line)


def test_samples_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lowering that lets samples of a batch see one another."""
    replaced(
        monkeypatch, "tanh", "torch", lambda self, t, x: t.inline("torch.tanh({0} - {0}.mean(0))")
    )
    assert not mixed().ok


@pytest.mark.parametrize("wrong", ["eps", "mean", "scale"])
def test_wrong_folding(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch norm folded with another formula: the model's layers hold, the exported model's does
    not.
    """
    right = fold._numbers

    def numbers(norm: Any, params: Any, chunks: Any) -> tuple[Any, Any]:
        scale, shift = right(norm._replace(eps=0.0) if wrong == "eps" else norm, params, chunks)
        return scale * (1.001 if wrong == "scale" else 1), shift * (0.99 if wrong == "mean" else 1)

    monkeypatch.setattr(fold, "_numbers", numbers)
    report = mixed()
    (name,) = [
        n.name
        for n in netdsl.loads(MIXED).graph.nodes
        if n.op.kind == "bn" and n.name.startswith("body")
    ]
    if wrong == "eps":  # the norm after a tanh cannot be folded
        name = next(n for n in names_of("bn") if n.startswith("body"))
    assert_found(report, "folded batch norms", "values-differ", name, "body:")


def test_wrong_wiring_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module put together wrongly from layers that are right: a variable is used again while its
    value is still needed.
    """
    right = pytorch_source._Names.of
    monkeypatch.setattr(
        pytorch_source._Names,
        "of",
        lambda self, value: "image" if value.name == "pool" else right(self, value),
    )
    text = (
        "net A {\n    input image: 2x5x5\n    a: conv(2, 3, pad = 1)\n    pool: maxpool(1)\n    b:"
        " conv(2, 3, pad = 1)\n    c: tanh\n}"
    )
    report = verified(text)
    assert [c.name for c in report.claims if not c.ok] == ["outputs"]
    assert report.first is not None
    assert ("outputs-differ", "b", 5) == (report.first.code, report.first.name, report.first.line)


def test_wrong_output_in_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two outputs of the model under one another's names."""
    right = onnx._rename_outputs

    def rename(graph: Any, emitter: Any, names: Any, taken: Any) -> None:
        right(graph, emitter, names, taken)
        emitter.nodes.append(helper.make_node("Neg", ["first"], ["other"], name="other"))
        for node in emitter.nodes[:-1]:
            if node.output[0] == "second":
                node.output[0] = "spare"
        emitter.nodes[-1].output[0] = "second"

    monkeypatch.setattr(onnx, "_rename_outputs", rename)
    report = verified(
        "net A {\n    input x: 4\n    output first: a: dense(3)\n    output second: @x -> b:"
        " dense(3)\n}"
    )
    assert not report.ok


REFUSED = {
    "PyTorch while it runs": ("torch", lambda self, t, x: t.inline("{0}.no_such_thing()")),
    "PyTorch's lowering": ("torch", lambda self, t, x: t.no_such_thing()),
    "ONNX's lowering": ("onnx", lambda self, g, x: g.op("LRN", x, g.param("none"))),
    "an attribute": ("onnx", lambda self, g, x: g.op("LRN", x, size=3, alpha="much")),
    "an operator": ("onnx", lambda self, g, x: g.op("NoSuchOperator", x)),
}


@pytest.mark.parametrize("who", REFUSED)
def test_back_end_fails(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a back end refuses is laid at the node, with what the back end says."""
    replaced(monkeypatch, "lrn", *REFUSED[who])
    assert_found(mixed(), "shapes", "back-end-fails", "local", "local:")


@pytest.mark.parametrize("what", ["session", "infer", "run"])
def test_a_failure_without_a_layer_has_a_place(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a back end names no layer, the place is that of the net."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("it names no layer")

    monkeypatch.setattr(OnnxSide, what, refuse)
    first = verified("# a comment\nnet A {\n    input x: 4\n    dense(3)\n}").first
    assert first is not None
    assert (first.code, first.line) == ("back-end-fails", 2)


def test_onnxruntime_writes_nothing_itself(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What onnxruntime refuses at any stage is in the report, and its own log stays silent."""
    for case in ("an operator", "an attribute"):
        replaced(monkeypatch, "lrn", *REFUSED[case])
        assert not mixed().ok
    replaced(monkeypatch, "lrn", "onnx", _fails_when_run)
    first = mixed().first
    assert first is not None
    assert "Gather" in str(first.values)
    assert capfd.readouterr() == ("", "")


def test_every_session_is_quiet() -> None:
    """Sessions are made from the options that silence onnxruntime's log, wherever they are made."""
    makers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "onnxruntime.SessionOptions()" in path.read_text()
    }
    assert makers == {"runtime/quiet.py"}


def _fails_when_run(self: Any, g: Any, x: Any) -> str:
    last = g.op("Sub", g.op("Shape", x, start=0, end=1), g.ints([1]))  # of the samples
    made: str = g.op("Mul", x, g.op("Gather", g.floats([1.0]), last))  # there is one number only
    return made


def test_onnxruntime_fails_at_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """What onnxruntime refuses while it runs is laid at the node that it names."""
    replaced(monkeypatch, "lrn", "onnx", _fails_when_run)
    report = mixed()
    assert_found(report, "shapes", "back-end-fails", "local", "local:")
    assert report.first is not None
    assert "onnxruntime fails" in report.first.message
