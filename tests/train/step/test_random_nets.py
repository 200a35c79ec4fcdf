"""Random programs have gradients, or are refused at a line."""

from __future__ import annotations

import onnx
import pytest

from netdsl.driver import compile_net
from netdsl.errors import NetdslError
from tests.fuzz.generate import program
from tests.fuzz.verdict import compiled, trial, tried_at
from tests.support.sessions import session_of
from tests.support.train_steps import gradient_model


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_gradients(first: int) -> None:
    """Every model is valid, and onnxruntime takes it; layers without gradients have a place."""
    made = 0
    for seed in range(first, first + 10):
        text = program(seed)
        parsed, net, result = compiled(text)
        graph = result.graph
        if graph.symbols:
            graph = compile_net(parsed, net, tried_at(result, trial(text).sizes)).graph
        if graph.outputs[0].value.type.dtype != "float32":
            continue
        try:
            model = gradient_model(graph, 2)
        except NetdslError as error:
            assert error.code == "no-gradient"
            assert error.line is not None
            continue
        onnx.checker.check_model(model, full_check=True)
        session_of(model)
        made += 1
    assert made >= 4
