"""`verify` finds a fault planted in one back end, and names its node and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from onnx import helper

import netdsl
from netdsl.backends.onnx import folded
from netdsl.backends.onnx import graph as onnx
from netdsl.backends.torch import source as pytorch_source
from netdsl.ops import LAYERS
from netdsl.verify import Report
from netdsl.verify.onnx_side import OnnxSide
from tests.support.verification import MIXED, line_of, mixed, replaced, swapped_pads, verified

PACKAGE = Path(netdsl.__file__).parent


def assert_found(report: Report, claim: str, code: str, name: str, part: str) -> None:
    """Check that the first difference is of this claim, and at this node and line."""
    assert not report.ok
    first = report.first
    assert first is not None
    failed = next(c for c in report.claims if c.difference is first)
    assert (claim, code, name, line_of(part)) == (failed.name, first.code, first.name, first.line)
    assert len(first.values) >= 1


def test_wrong_shape_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shape rule of a layer gives sizes that are one too large."""
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


def test_wrong_shape_only_in_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ONNX lowering of a layer has another shape, because of an extra `Pad`."""
    lower = LAYERS["deconv"].onnx
    replaced(
        monkeypatch,
        "deconv",
        "onnx",
        lambda self, g, x: g.op("Pad", lower(self, g, x), g.ints([0, 0, 0, 1]), "", g.ints([2, 3])),
    )
    assert_found(mixed(), "shapes", "shapes-differ", "up", "up:")


def test_wrong_params(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weight has another name than in PyTorch."""
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
    """A weight has another shape than in PyTorch."""
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
    """A count of MACs that is one too high is found, also of a layer without any."""
    macs = LAYERS[kind].macs
    replaced(monkeypatch, kind, "macs", lambda self, y, *xs: macs(self, y, *xs) + 1)
    report = mixed()
    assert_found(report, "macs", "macs-differ", name, part)
    assert [c.name for c in report.claims if not c.ok] == ["macs"]


def off_by(share: float, kind: str) -> Any:
    """An ONNX lowering with the relative error `share` in its result."""
    lower = LAYERS[kind].onnx
    return lambda self, g, *xs: g.op("Mul", lower(self, g, *xs), g.floats(1 + share))


def norm_with(**changed: Any) -> Any:
    """An ONNX lowering of batch norm with other attributes."""
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
    "more than one rounding": (
        "softmax",
        off_by(1e-5, "softmax"),
        "0",
        "softmax",
    ),
    "pads only at the end": (
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
    """A wrong attribute or operator in the ONNX lowering shows only in onnxruntime's values."""
    kind, lowering, name, part = ONNX_FAULTS[fault]
    replaced(monkeypatch, kind, "onnx", lowering)
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
    """The gates of a recurrent layer are in another order."""
    replaced(monkeypatch, "lstm", "order", (0, 3, 2, 1))
    assert_found(mixed(), "values in onnxruntime", "values-differ", "memory", "memory:")


def test_a_fixed_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lowering is right for only one batch size."""
    replaced(monkeypatch, "flatten", "onnx", lambda self, g, x: g.op("Reshape", x, g.ints([2, -1])))
    assert_found(mixed(), "shapes", "shapes-differ", names_of("flatten")[0], "flatten")


def names_of(kind: str) -> list[str]:
    """The names of the nodes of a kind in the mixed net."""
    return [n.name for n in netdsl.loads(MIXED).graph.nodes if n.op.kind == kind]


@pytest.mark.parametrize(
    ("kind", "lowering"),
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
def test_wrong_torch(kind: str, lowering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in a PyTorch lowering shows in onnxruntime's values.

    The witness comes from the same lowering, so PyTorch agrees with it.
    """
    replaced(monkeypatch, kind, "torch", lowering)
    (name,) = names_of(kind)
    assert_found(
        mixed(),
        "values in onnxruntime",
        "values-differ",
        name,
        kind if kind != "maxpool" else "pool:",
    )


def test_wrong_recurrent_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong PyTorch lowering of a recurrent layer shows in PyTorch's values.

    The witness of recurrent layers does not come from the lowering.
    """
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
    """A lowering behaves at inference as it does in training."""
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
    """A lowering makes the samples of a batch depend on each other."""
    replaced(
        monkeypatch, "tanh", "torch", lambda self, t, x: t.inline("torch.tanh({0} - {0}.mean(0))")
    )
    assert not mixed().ok


@pytest.mark.parametrize("wrong", ["eps", "mean", "scale"])
def test_wrong_folding(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch norm is folded with a wrong formula: only the folded layer is wrong."""
    right = folded._numbers

    def numbers(norm: Any, params: Any, chunks: Any) -> tuple[Any, Any]:
        scale, shift = right(norm._replace(eps=0.0) if wrong == "eps" else norm, params, chunks)
        return scale * (1.001 if wrong == "scale" else 1), shift * (0.99 if wrong == "mean" else 1)

    monkeypatch.setattr(folded, "_numbers", numbers)
    report = mixed()
    (name,) = [n for n in names_of("bn") if n.startswith("body")]
    assert_found(report, "folded batch norms", "values-differ", name, "body:")


def test_wrong_wiring_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of correct layers passes the wrong variable to one of them."""
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
    """The output `second` of the exported model is computed from `first`."""
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
    "PyTorch at run time": ("torch", lambda self, t, x: t.inline("{0}.no_such_thing()")),
    "PyTorch's lowering": ("torch", lambda self, t, x: t.no_such_thing()),
    "ONNX's lowering": ("onnx", lambda self, g, x: g.op("LRN", x, g.param("none"))),
    "an attribute": ("onnx", lambda self, g, x: g.op("LRN", x, size=3, alpha="much")),
    "an operator": ("onnx", lambda self, g, x: g.op("NoSuchOperator", x)),
}


@pytest.mark.parametrize("who", REFUSED)
def test_back_end_fails(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a back end fails, the report names the node, its line, and the error."""
    replaced(monkeypatch, "lrn", *REFUSED[who])
    assert_found(mixed(), "shapes", "back-end-fails", "local", "local:")


@pytest.mark.parametrize("method", ["session", "infer", "run"])
def test_a_failure_without_a_layer_has_a_place(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a back end fails and names no layer, the line is that of the net."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("it names no layer")

    monkeypatch.setattr(OnnxSide, method, refuse)
    first = verified("# a comment\nnet A {\n    input x: 4\n    dense(3)\n}").first
    assert first is not None
    assert (first.code, first.line) == ("back-end-fails", 2)


def test_onnxruntime_logs_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Errors of onnxruntime are in the report at every stage, and it prints no log."""
    for case in ("an operator", "an attribute"):
        replaced(monkeypatch, "lrn", *REFUSED[case])
        assert not mixed().ok
    replaced(monkeypatch, "lrn", "onnx", _fails_when_run)
    first = mixed().first
    assert first is not None
    assert "Gather" in str(first.values)
    assert capfd.readouterr() == ("", "")


def test_every_session_is_quiet() -> None:
    """Every session has options from `quiet.py`, which switch the log of onnxruntime off."""
    makers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "onnxruntime.SessionOptions()" in path.read_text()
    }
    assert makers == {"runtime/quiet.py"}


def _fails_when_run(self: Any, g: Any, x: Any) -> str:
    """Gathers from a list of one number at the index of the last sample of the batch."""
    last = g.op("Sub", g.op("Shape", x, start=0, end=1), g.ints([1]))
    product: str = g.op("Mul", x, g.op("Gather", g.floats([1.0]), last))
    return product


def test_onnxruntime_fails_at_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """If onnxruntime fails while it runs, the report has the node that its error names."""
    replaced(monkeypatch, "lrn", "onnx", _fails_when_run)
    report = mixed()
    assert_found(report, "shapes", "back-end-fails", "local", "local:")
    assert report.first is not None
    assert "onnxruntime fails" in report.first.message
