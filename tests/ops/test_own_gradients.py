"""Layers of other packages in a training step: derived gradients, own ones, and none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import netdsl
from netdsl.errors import NetdslError
from netdsl.ir.op import Op
from netdsl.ops import LAYERS
from netdsl.ops.base import layer
from tests.support.train_steps import INPUT, SEED, gradient_model, run_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.lowering import Emitter, GradientEmitter, Lowered, Recorder, TypedName
    from netdsl.ir.types import TensorType

TEXT = "net N {\n    input x: 4\n    dense(4) -> rounded\n    output y: dense(2)\n}"


class Rounded(Op):
    """The nearest integer, in whose ONNX operator no gradient passes."""

    def torch(self, t: Recorder, *xs: TensorType) -> Lowered:
        return t.inline("{0}.round()")

    def onnx(self, g: Emitter, *xs: TypedName) -> str:
        return g.op("Round", *xs)


@pytest.fixture
def rounded() -> Iterator[type[Op]]:
    """The layer, registered as a package would do it."""
    kind = type("RoundedOfATest", (Rounded,), {"__doc__": Rounded.__doc__})
    yield layer("rounded", family="package", examples=[("6", "rounded")])(kind)
    del LAYERS["rounded"]


def test_no_rule(rounded: type[Op]) -> None:
    """An operator without a rule is refused at the line of the layer, if a gradient is needed."""
    with pytest.raises(NetdslError) as caught:
        gradient_model(netdsl.loads(TEXT).graph, 2)
    assert (caught.value.code, caught.value.line) == ("no-gradient", 3)
    assert caught.value.message == "`rounded` has no gradient yet"
    assert len(caught.value.diagnostics) == 1


def test_nothing_trained_before(rounded: type[Op]) -> None:
    """Without a learned layer before it, no gradient is needed."""
    text = TEXT.replace("dense(4) -> rounded", "dense(4) -> frozen -> rounded")
    model = gradient_model(netdsl.loads(text).graph, 2, with_inputs=False)
    assert f"{INPUT}y.weight" in {value.name for value in model.graph.output}


def test_own_gradient(rounded: type[Op], monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer can answer `grad`: here the gradient passes as if nothing were rounded."""

    def grad(_op: Op, g: GradientEmitter, dy: str, x: TypedName) -> None:
        if g.wants(x):
            g.add(x, g.op("Mul", dy, g.floats(3.0)))

    monkeypatch.setattr(rounded, "grad", grad, raising=False)
    text = TEXT.replace("dense(4) -> rounded", "rounded")
    model = gradient_model(netdsl.loads(text).graph, 2)
    rng = np.random.default_rng(0)
    weight: Any = rng.normal(size=(2, 4)).astype(np.float32)
    seed = rng.normal(size=(2, 2)).astype(np.float32)
    feeds = {"x": np.ones((2, 4), np.float32), "y.weight ": weight, SEED: seed}
    found = run_model(model, {**feeds, "y.bias ": np.zeros(2, np.float32)})
    np.testing.assert_allclose(found[f"{INPUT}x"], 3 * seed @ weight, rtol=1e-5)
