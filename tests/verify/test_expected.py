"""`expect values(label) == [...]`, evaluated with the examples of the inputs."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.driver import compile_net, open_program, outcomes_of_expects, program_of, values_claims
from netdsl.source import SourceFile
from netdsl.verify import Report, verify_graph

KERNEL = "[[1, 0, 1], [0, 1, 0], [1, 0, 1]]"
NET = """
net N {
    input image: 1x5x5 = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0],
                          [0, 1, 1, 0, 0]]
    output result: conv(1, 3, bias = false, weight = KERNEL)
    flatten -> dense(2, weight = [9 * [1 / 30], 9 * [1 / 70]], bias = [0, 1])
    half: tanh
    LINES
}
""".replace("KERNEL", KERNEL)
RESULT = "expect values(result) == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]"


def verified(lines: str, net: str = NET) -> Report:
    compiled = compile_net(program_of(SourceFile("n.net", net.replace("LINES", lines))), "N")
    return verify_graph(compiled.graph, threads=1, stated=values_claims(compiled))


def test_worked_convolution() -> None:
    """The slide's result is that of PyTorch and of onnxruntime; the claim counts its numbers."""
    report = verified(RESULT)
    assert report.ok, report.first
    assert [("values(result)", "9 of the text")] == [
        (c.name, c.detail) for c in report.claims if c.name.startswith("values(")
    ]


def test_a_tensor_without_axes() -> None:
    """The value of a tensor without axes is a number, and not a list."""
    net = "net N {\ninput x: 3 = [1, 2, 3]\noutput d: reduce_max(1)\nLINES\n}"
    report = verified("expect values(d) == 3", net)
    assert report.ok, report.first
    assert not verified("expect values(d) == 2", net).ok


def test_a_wrong_number_is_found_at_its_place() -> None:
    """The difference names the place, the value of both back ends, and the line."""
    report = verified(RESULT.replace("[2, 4, 3]", "[2, 4, 3.00001]"))
    difference = report.first
    assert difference is not None
    assert ("expect-failed", 8) == (difference.code, difference.line)
    assert difference.message == "`values(result)` at 0,1,2 is 3, expected 3.00001"
    assert difference.values["onnxruntime gives"] == "3"


def test_rounding_is_allowed_and_no_more() -> None:
    """Numbers in double precision pass; a number with five digits does not."""
    assert verified("expect values(half) == [0.7472358212839743, 0.8884007681484675]").ok
    report = verified("expect values(half) == [0.74724, 0.8884007681484675]")
    (difference,) = report.differences()
    assert difference.message.startswith("`values(half)` at 0 is 0.7472358")


def test_lines_of_members_and_of_blocks() -> None:
    """A member of a family has lines of its own; a line in a block names labels of the block."""
    text = (
        "block B() {\n    inner: relu\n    expect values(inner) == [0, 2]\n}\n"
        "net F(picture) {\n    input x: 2 = picture\n    b: B\n}\n"
        "net N = F([-1, 2]) {\n    expect values(b) == [0, 2]\n}\n"
    )
    report = verified("", text)
    assert report.ok, report.first
    assert ["values(b.inner)", "values(b.inner)"] == [c.name for c in report.claims[-2:]]


def test_check_counts_the_line_as_not_evaluated() -> None:
    """Neither true nor false: `check` does not compute values."""
    compiled = compile_net(program_of(SourceFile("n.net", NET.replace("LINES", RESULT))), "N")
    (outcome,) = outcomes_of_expects(compiled)
    assert outcome.holds is None
    assert not outcome.diagnostics
    assert netdsl.loads(NET.replace("LINES", RESULT)).expects[0].holds is None


def test_only_the_layers_before_the_label_need_numbers() -> None:
    """Random weights behind the label are no obstacle."""
    report = verified(f"dense(3)\n    {RESULT}")
    assert report.ok, report.first


def test_python_evaluates_them() -> None:
    """`net.verify()` raises `CompileError` for a wrong number."""
    with pytest.raises(netdsl.CompileError, match="at 0,0,0 is 4, expected 5"):
        netdsl.loads(NET.replace("LINES", RESULT.replace("[[4,", "[[5,"))).verify()


@pytest.mark.parametrize(
    "net", ["Binary", "Shaded", "RGB", "LetterX", "Volume", "MaxPooling", "AveragePooling"]
)
def test_worked_examples_of_the_lectures(net: str) -> None:
    """The library's worked examples carry their inputs, and give the results of the slides."""
    compiled = compile_net(open_program("kernels"), net)
    stated = values_claims(compiled)
    assert len(stated) == 1
    report = verify_graph(compiled.graph, threads=1, stated=stated)
    assert report.ok, report.first
