"""The types and shapes of a training step are those that the package `onnx` infers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
import pytest
from onnx import helper, numpy_helper

import netdsl
from netdsl.backends.onnx.application import Application, Numbers, TensorKind
from netdsl.backends.onnx.constants import computed
from netdsl.backends.onnx.elements import BOOL, FLOAT, INT64
from netdsl.backends.onnx.form import OPSET
from netdsl.backends.onnx.shapes import RULES, kinds_of
from netdsl.backends.onnx.typed import TypedEmitter
from netdsl.errors import OpError
from tests.support.contract import EXAMPLES, Example
from tests.support.train_steps import gradients_of

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph

REFUSED = {"roi_align", "roi_pool"}


def check_kinds(graph: Graph) -> None:
    """Compare every value of the passes of a net."""
    model, kinds = gradients_of(graph, 3)
    whole = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    inferred = {value.name: value.type.tensor_type for value in whole.graph.value_info}
    wanted = {
        name: TensorKind(t.elem_type, tuple(d.dim_value for d in t.shape.dim))
        for name, t in inferred.items()
        if name in kinds and not any(d.dim_param for d in t.shape.dim)
    }
    assert {name: kinds[name] for name in wanted} == wanted


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_examples(example: Example) -> None:
    """Every value that the forward and backward passes of an example make."""
    net = example.net()
    if net.outputs[0].value.type.dtype != "float32" or example.kind in REFUSED:
        pytest.skip("it has no gradient")
    check_kinds(net.graph)


X = TensorKind(FLOAT, (2, 6, 4, 4))
SINGLE: list[tuple[str, list[TensorKind | Numbers | None], dict[str, Any]]] = [
    *((name, [X], {}) for name in "Ceil Floor Identity Round Softsign Tan ThresholdedRelu".split()),
    ("Not", [TensorKind(BOOL, (3,))], {}),
    *((name, [TensorKind(BOOL, (3, 1)), TensorKind(BOOL, (4,))], {}) for name in ("Or", "Xor")),
    *((name, [X, TensorKind(FLOAT, (4, 1))], {}) for name in ("GreaterOrEqual", "LessOrEqual")),
    ("Mean", [X, TensorKind(FLOAT, (6, 1, 1))], {}),
    ("Mod", [X, X], {"fmod": 1}),
    ("LRN", [X], {"size": 3}),
    ("CumSum", [X, Numbers((1,), (), "int64")], {}),
    ("GlobalLpPool", [X], {}),
    *(
        (name, [X, Numbers.vector([1, -1])], {"keepdims": kept})
        for name in ("ReduceL1", "ReduceLogSumExp", "ReduceProd", "ReduceSumSquare")
        for kept in (0, 1)
    ),
    ("ScatterElements", [X, TensorKind(INT64, (1, 1, 1, 1)), TensorKind(FLOAT, (1,) * 4)], {}),
    ("RandomUniform", [], {"shape": [2, 3]}),
    ("EyeLike", [TensorKind(INT64, (2, 3))], {"dtype": FLOAT}),
    ("Cast", [X], {"to": INT64}),
    ("Slice", [X, *map(Numbers.vector, ([-1], [-(2**31)], [2], [-2]))], {}),
    ("Split", [TensorKind(FLOAT, (7, 2))] , {"num_outputs": 3}),
    ("Split", [TensorKind(FLOAT, (7, 2)), Numbers.vector([3, 4])], {}),
    ("Reshape", [X, Numbers.vector([0, -1, 2])], {}),
    ("Squeeze", [TensorKind(FLOAT, (1, 3, 1))], {}),
    ("Transpose", [X], {}),
    ("Shape", [X], {"start": 1}),
    ("MatMul", [TensorKind(FLOAT, (5, 2, 3)), TensorKind(FLOAT, (3,))], {}),
    ("MatMul", [TensorKind(FLOAT, (3,)), TensorKind(FLOAT, (5, 3, 2))], {}),
    ("MatMul", [TensorKind(FLOAT, (3,)), TensorKind(FLOAT, (3,))], {}),
    ("MatMul", [TensorKind(FLOAT, (4, 1, 2, 3)), TensorKind(FLOAT, (5, 3, 2))], {}),
    ("Pad", [X, Numbers.vector([1, -1]), None, Numbers.vector([3])], {}),
    ("RoiAlign", [X, TensorKind(FLOAT, (9, 4)), TensorKind(INT64, (9,))], {"output_width": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "inputs", "attributes"), SINGLE, ids=str)
def test_operators(
    operator: str, inputs: list[TensorKind | Numbers | None], attributes: dict[str, Any]
) -> None:
    """Operators and attributes that no example reaches."""
    known = [n if isinstance(n, Numbers) else None for n in inputs]
    kinds = [TensorKind(INT64, n.shape) if isinstance(n, Numbers) else n for n in inputs]
    count = attributes.get("num_outputs", 2 if operator == "Split" else 1)
    made = kinds_of(Application(operator, kinds, known, attributes, count))
    names = ["" if kind is None else f"x{i}" for i, kind in enumerate(kinds)]
    node = helper.make_node(operator, names, [f"y{i}" for i in range(count)], **attributes)
    types = {
        name: helper.make_tensor_type_proto(kind.element, kind.shape)
        for name, kind in zip(names, kinds, strict=True)
        if kind is not None
    }
    data = {
        name: numpy_helper.from_array(numpy_of(numbers), name)
        for name, numbers in zip(names, known, strict=True)
        if numbers is not None
    }
    schema = onnx.defs.get_schema(operator, OPSET, "")
    inferred = onnx.shape_inference.infer_node_outputs(schema, node, types, data)
    wanted = [inferred[f"y{i}"].tensor_type for i in range(count)]
    assert made == [
        TensorKind(t.elem_type, tuple(d.dim_value for d in t.shape.dim)) for t in wanted
    ]


def numpy_of(numbers: Numbers) -> Any:
    """A constant as an array."""
    return numpy_helper.np.array(numbers.values, numbers.dtype).reshape(numbers.shape)


def test_constants() -> None:
    """Operators on constants give the numbers that onnx's reference gives."""
    ones = Numbers((1.0, 2.0), (2, 1))
    pair = Numbers.vector([3, 2])
    cases = [
        ("Expand", [ones, Numbers.vector([2, 2, 3])]),
        ("Concat", [pair, pair]),
        ("Reshape", [ones, Numbers.vector([1, 1, 2])]),
        ("Unsqueeze", [pair, Numbers.vector([0])]),
        ("Squeeze", [ones, Numbers.vector([1])]),
    ]
    for operator, inputs in cases:
        attributes = {"axis": 0} if operator == "Concat" else {}
        kinds = [TensorKind(FLOAT if n is ones else INT64, n.shape) for n in inputs]
        node = Application(operator, [*kinds], [*inputs], attributes, 1)
        made = computed(node, kinds_of(node)[0])
        assert made is not None
        names = [f"x{i}" for i in range(len(inputs))]
        proto = helper.make_node(operator, names, ["y"], **attributes)
        feeds = dict(zip(names, map(numpy_of, inputs), strict=True))
        [wanted] = onnx.reference.ReferenceEvaluator(proto).run(None, feeds)
        assert (made.shape, [*made.values]) == (wanted.shape, wanted.ravel().tolist())


def test_unknown() -> None:
    """Operators without a rule, and shapes that are computed, are errors of the layer."""
    g = TypedEmitter(OPSET)
    g.begin_at("a", "mine", netdsl.loads("net A { input x: 1\n relu }").graph.site)
    x = g.declare("x", "float32", (2, 3))
    with pytest.raises(
        OpError, match="`mine` uses ONNX's Asinh, which a training step cannot"
    ) as e:
        g.op("Asinh", x)
    assert e.value.code == "no-gradient"
    with pytest.raises(OpError, match="`mine` computes the shape of a result of ONNX's Reshape"):
        g.op("Reshape", x, g.declare("sizes", "int64", (1,)))
    with pytest.raises(OpError, match="`mine` uses `ceil_mode` of ONNX's MaxPool"):
        g.op("MaxPool", x, kernel_shape=[2], ceil_mode=1)


def test_every_rule() -> None:
    """Every rule is reached by an example, or by an operator above."""
    reached = {operator for operator, _, _ in SINGLE}
    for example in EXAMPLES:
        if example.kind not in REFUSED and example.net().outputs[0].value.type.dtype == "float32":
            reached |= {n.op_type for n in gradients_of(example.net().graph, 3)[0].graph.node}
    folded = {"ConstantOfShape", "Expand", "Squeeze", "Unsqueeze", "Concat", "MaxRoiPool"}
    assert RULES.keys() <= reached | folded
