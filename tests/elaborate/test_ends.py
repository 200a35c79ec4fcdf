"""Auxiliary heads, inputs and outputs."""

from __future__ import annotations

import pytest

from tests.support.back_ends import assert_back_ends_agree, inputs_for
from tests.support.bodies import net
from tests.support.small_nets import codes

AUX = (
    "a: conv(6, 3) -> relu\naux h1(weight = 0.3) { gap -> flatten -> dense(2) }\nconv(6, 3) ->"
    " relu\naux h2 { gap -> flatten -> dense(2) }\ngap -> flatten\noutput logits: fc: dense(2)"
)


def test_aux() -> None:
    """Auxiliary heads return their values only in training.

    They are neither in the totals nor in the exported model.
    """
    with_heads, plain = (
        net(AUX),
        net("\n".join(line for line in AUX.splitlines() if not line.startswith("aux"))),
    )
    module = with_heads.torch()
    (x,) = inputs_for(with_heads)
    assert [(2, 2)] * 3 == [tuple(t.shape) for t in module.train()(x)]
    assert (2, 2) == tuple(module.eval()(x).shape)
    assert [0.3, 1.0] == module.aux_weights
    assert {"h1.2.weight", "h2.2.bias", "fc.weight"} <= set(module.state_dict())
    assert (plain.params, plain.macs) == (with_heads.params, with_heads.macs)
    assert not [i.name for i in with_heads.onnx().graph.initializer if i.name.startswith("h")]
    assert_back_ends_agree(with_heads)


def test_several_inputs_and_outputs() -> None:
    """Inputs and outputs have names and are in the order of the text.

    A value can be an output twice, and an input can be an output.
    """
    compiled = net(
        "input a: 3\ninput t: T int64\ninput b: 3\n@t -> e: embedding(5, 3)\noutput first: @a -> d:"
        " dense(2)\noutput again: @d\noutput words: @e\noutput same: @b\noutput tokens: @t"
    )
    assert [("a", "float32"), ("t", "int64"), ("b", "float32")] == [
        (v.name, v.type.dtype) for v in compiled.graph.inputs
    ]
    assert ["first", "again", "words", "same", "tokens"] == [o.name for o in compiled.outputs]
    model = compiled.onnx()
    assert ["a", "t", "b"] == [i.name for i in model.graph.input]
    assert ["first", "again", "words", "same", "tokens"] == [o.name for o in model.graph.output]
    results = assert_back_ends_agree(compiled, {"T": 7})
    assert [(2, 2), (2, 2), (2, 7, 3), (2, 3), (2, 7)] == [r.shape for r in results]


@pytest.mark.parametrize("line", ["output x: @a", "output b: @a", "output x: dense(3)"])
def test_output_named_as_another_value(line: str) -> None:
    """An output cannot have the name of an input or of another layer.

    As in ONNX, all values share one set of names.
    """
    assert ["duplicate-label"] == codes(
        f"net N {{\ninput x: 4\na: dense(3)\nb: dense(3)\n{line}\n}}"
    )
