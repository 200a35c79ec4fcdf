"""What a net says about itself in Python: figures, layers, checks, for any sizes."""

from __future__ import annotations

import re
from typing import Any

import pytest

import netdsl
from netdsl.analysis.cost import Costs, Totals
from netdsl.analysis.summary import Summary

CONV = """
net T {
    input image: 3xHxW
    first: conv(4, 3) -> relu
    second: { conv(2, 1) -> relu }
    output scores: conv(5, 1)
    expect params == 137
    expect macs == 4536 at 3x8x8
    expect macs == 1 at 3x8x8
    expect params == 1 at 3x2x2
    expect params == 1 at 3x2x2
}
"""


@pytest.fixture(scope="module")
def net() -> netdsl.Net:
    """A net with open sizes and `expect` lines, some of which do not hold."""
    return netdsl.loads(CONV)


def test_inputs_and_outputs(net: netdsl.Net) -> None:
    """An end of a net has a name, a shape and a type, and its value in the graph."""
    (image,), (scores,) = net.inputs, net.outputs
    assert ("image", "float32") == (image.name, image.dtype)
    assert "(3, H, W)" == str(image.shape)
    assert "[image: 3xHxW float32]" == repr(net.inputs)
    assert "scores" == scores.name
    assert scores.shape == scores.value.type.shape
    ids = netdsl.loads("net A { input ids: 5 int64\n embedding(9, 4) }").inputs
    assert "[ids: 5 int64]" == repr(ids)


def test_totals(net: netdsl.Net) -> None:
    """The figures are those that `check` prints."""
    assert 137 == net.params
    assert 3 * 4 * 9 + 8 + 10 == net.weights
    assert 3 == net.depth
    assert "H >= 3, W >= 3" == net.valid_for
    assert "" == netdsl.load("lenet5").valid_for
    assert 4 * 137 == net.memory.params
    small = netdsl.loads(CONV, inputs={"image": (3, 8, 8)})
    assert 548 + 1344 == small.memory.total
    assert (548, 3216, 1344) == small.memory
    assert "548 B params, 3.2 KB activations, 1.3 KB at the peak" == str(small.memory)


# ---- layers


def test_layers_are_a_list_and_a_table(net: netdsl.Net) -> None:
    """Rows are found by number, by name and by slice, and are printed as a table."""
    layers = net.layers
    assert ["first", "1", "second.0", "second.1", "scores"] == [row.name for row in layers]
    assert layers[0] == layers["first"] == next(iter(layers))
    assert isinstance(layers, list)
    heads = repr(layers).splitlines()[0].split()
    assert {"layer", "kind", "output", "params", "MACs"} <= set(heads)
    assert 7 == len(repr(layers).splitlines())
    assert 4 == len(repr(layers[1:3]).splitlines())
    assert "<pre>layer" in layers._repr_html_()
    with pytest.raises(KeyError, match=r"there is no layer 'fist'; did you mean `first`\?"):
        layers["fist"]


def test_a_group_is_not_a_layer(net: netdsl.Net) -> None:
    """The error for the name of a group names the figure of the group, which can be computed."""
    with pytest.raises(KeyError, match=re.escape('`net.figure("params(second)")`')):
        net.layers["second"]
    with pytest.raises(KeyError, match=r"did you mean `second`\?"):
        net.layers["secnd"]
    resnet = netdsl.load("resnet:ResNet18")
    with pytest.raises(KeyError, match=re.escape('figure("params(@layer4.0)")')):
        resnet.layers["layer4.0"]
    inside = [row.params for row in resnet.layers if row.name.startswith("layer4.0.")]
    assert resnet.figure("params(@layer4.0)") == sum(inside)


def test_the_largest_layers_are_a_table(net: netdsl.Net) -> None:
    """`sorted` keeps the table, orders rows by a figure, and refuses what has no order."""
    largest = net.layers.sorted("params")[:2]
    assert ["first", "scores"] == [row.name for row in largest]
    assert 4 == len(repr(largest).splitlines())
    assert "from" not in repr(largest)
    assert "weights" in repr(net.layers.sorted("weights")[1:])
    assert net.layers.sorted() == net.layers.sorted("params")
    for by in ("macs", "units", "bytes"):
        with pytest.raises(ValueError, match=f"the {by} of these layers depend on open sizes"):
            net.layers.sorted(by)
    with pytest.raises(ValueError, match=r"by must be one of params, macs, .*, not 'name'"):
        net.layers.sorted("name")


def test_rows_have_the_file_of_their_line() -> None:
    """A layer of a block is in the file of the block, and an `expect` line in that of the net."""
    net = netdsl.load("resnet:ResNet50")
    assert "nets/lib/bottleneck.net" == net.layers["layer4.0.conv2"].file
    assert "nets/resnet.net" == net.layers["fc"].file
    assert {"nets/resnet.net"} == {expect.file for expect in net.expects}
    for row in Summary(net.graph, net.graph.derived(Costs)).rows(depth=1):
        assert "nets/resnet.net" == row.file


@pytest.mark.parametrize("part", [slice(None), slice(1, 3)])
def test_layers_in_pandas(net: netdsl.Net, part: slice) -> None:
    """A data frame has a column for each field, and a row for each layer."""
    pandas: Any = pytest.importorskip("pandas")
    frame = pandas.DataFrame(net.layers[part])
    assert {"name", "kind", "shape", "params", "macs", "field", "line"} <= set(frame.columns)
    assert list(frame.name) == [row.name for row in net.layers[part]]
    assert frame.params.sum() == sum(row.params for row in net.layers[part])


# ---- checks


def test_expects_have_outcomes(net: netdsl.Net) -> None:
    """Each line has its text, its line, whether it holds, and the reasons if it does not."""
    expects = net.expects
    assert [True, True, False, False, False] == [expect.holds for expect in expects]
    assert [7, 8, 9, 10, 11] == [expect.line for expect in expects]
    assert "expect params == 137" == expects[0].text
    assert "<line 7: expect params == 137: holds>" == repr(expects[0])
    assert "`macs` is 4,536, expected 1" in str(expects[2])
    assert "a kernel of 3 is larger" in str(expects[3])
    assert str(expects[0]) == repr(expects[0])
    assert net.expects is expects


def test_expects_are_not_checked_for_other_sizes() -> None:
    """The lines describe the net as it is written."""
    nets = [
        netdsl.loads(CONV, inputs={"image": (3, 8, 8)}),
        netdsl.load("resnet:ResNet50", classes=10),
    ]
    for net in nets:
        assert net.expects
        assert {None} == {expect.holds for expect in net.expects}
        assert "not checked" in repr(net.expects[0])


def test_warnings() -> None:
    """They are the warnings of `check`, printed with their places, and empty for a good net."""
    net = netdsl.loads("net A {\n input x: 4\n dense(3) -> relu -> relu\n}")
    (warning,) = net.warnings
    assert ("double-activation", "warning") == (warning.code, warning.severity)
    assert "^^^^" in repr(net.warnings)
    assert "double-activation" in repr(warning)
    assert "[]" == repr(netdsl.load("lenet5").warnings)


# ---- figures for other sizes


@pytest.mark.parametrize("name", Totals._fields)
def test_every_total(net: netdsl.Net, name: str) -> None:
    """A figure for given sizes is that of the net with these sizes."""
    fixed = netdsl.loads(CONV, inputs={"image": (3, 20, 30)})
    expected = fixed.figure(name)
    assert isinstance(expected, int)
    assert expected == net.figure(name, H=20, W=30)


def test_the_peak_is_exact() -> None:
    """At other sizes, another moment may need the most memory."""
    text = "net A {\n input x: 1xHxW\n conv(9, 3, stride = 2) -> gap\n conv(4000, 1) }"
    net = netdsl.loads(text)
    for size in (3, 1001):
        fixed = netdsl.loads(text, inputs={"x": (1, size, size)})
        assert fixed.memory == net.figure("memory", H=size, W=size)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("macs", 4536),
        ("shape(second)", (2, 6, 6)),
        ("shape(@second.0)", (2, 6, 6)),
        ("params(first)", 112),
        ("units(first)", 4 * 36),
        ("macs(second) / 36", 8),
        ("params > 100", True),
        ("max(params, depth)", 137),
    ],
)
def test_expressions(net: netdsl.Net, expression: str, value: object) -> None:
    """Whatever an `expect` line can name has a value."""
    assert value == net.figure(expression, H=8, W=8)


def test_parameters_and_lets_have_values() -> None:
    """An expression may name the parameters of the net, and the values of its file."""
    net = netdsl.loads("let k = 3\nnet A(n = 5) { input x: 8\n dense(n * k) }", n=2)
    assert 6 + 2 == net.figure("n * k + n")
    assert (8,) == net.figure("shape(x)")


FIGURES: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("macs", {}, ValueError, 'give the sizes, as in figure("macs", H=224, W=224)'),
    ("shape(first)", {}, ValueError, "`shape(first)` depends on H and W"),
    ("memory", {}, ValueError, "`memory` depends on H and W"),
    ("macs", {"H": 8}, ValueError, "the open sizes of `T` are H and W: give W too"),
    ("macs", {"H": 8, "W": 8, "D": 1}, ValueError, "there is no D"),
    ("macs", {"H": 8, "W": "8"}, TypeError, "W must be an int, not str"),
    ("macs", {"H": 8, "W": 0}, ValueError, "W must be from 1 to 2,147,483,647, not 0"),
    ("macs", {"H": 2, "W": 8}, netdsl.CompileError, "a kernel of 3 is larger than the input's 2"),
    ("mac", {}, ValueError, "did you mean `macs`?"),
    ("memry", {}, ValueError, "did you mean `memory`?"),
    ("total", {}, ValueError, "peak_bytes, memory and shape(label)"),
    ("params(firs)", {}, ValueError, "did you mean `first`?"),
    ("params +", {}, ValueError, "`params +` is not an expression"),
    ("", {}, ValueError, "figure('')"),
]


@pytest.mark.parametrize(("expression", "sizes", "error", "message"), FIGURES)
def test_figures_without_a_value(
    net: netdsl.Net,
    expression: str,
    sizes: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    """The error says which sizes are missing, or what is wrong with the expression."""
    with pytest.raises(error, match=re.escape(message)):
        net.figure(expression, **sizes)


def test_a_net_without_open_sizes() -> None:
    """Sizes for it are an error, and its figures need none."""
    net = netdsl.load("lenet5")
    assert 416_520 == net.figure("macs")
    with pytest.raises(ValueError, match="`LeNet5` has no open sizes: there is no H"):
        net.figure("macs", H=8)
